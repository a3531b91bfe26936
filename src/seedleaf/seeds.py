"""Named random streams: every stream is derived from the study's seed and a name, so none depends on call order."""

from __future__ import annotations

import hashlib

import numpy as np

Name = str | int


def seed_for(seed: int, *names: Name) -> int:
    """A 63-bit seed for the stream `names` of `seed`; equal on every machine and Python version."""
    text = "\x1f".join([str(int(seed)), *(f"{type(n).__name__}:{n}" for n in names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def rng_for(seed: int, *names: Name) -> np.random.Generator:
    """The generator of the stream `names`, e.g. `rng_for(seed, "propose", 12)`."""
    return np.random.Generator(np.random.PCG64(seed_for(seed, *names)))
