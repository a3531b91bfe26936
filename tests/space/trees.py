"""Random trees of parameters, for the tests of spaces and of samplers."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from seedleaf.core import Config
from seedleaf.space import Bool, Choice, Const, Float, Int, Param, Space

# Names that have tripped others: unicode, spaces, and words that mean something to Space, Choice or Python.
NAMES = ["a", "lr", "größe", "深さ", "x y", "default", "ordered", "params", "self", "class", "10"]
OPTIONS = [None, True, False, 0, 1, 2, 1.0, 0.5, "1", "True", "", "relu", "größe"]


def trees(depth: int = 3) -> st.SearchStrategy[Space]:
    """Spaces of one to four parameters, with branches of branches up to `depth`.

    Hypothesis draws the seed alone: drawing a thousand trees piece by piece takes it a minute.
    """
    return st.integers(0, 2**32).map(lambda seed: random_tree(random.Random(seed), depth))


def random_tree(rng: random.Random, depth: int, least: int = 1) -> Space:
    names = rng.sample(NAMES, rng.randint(least, 4 if depth > 2 else 2))
    return Space({name: random_param(rng, depth) for name in names})


def random_param(rng: random.Random, depth: int) -> Param:
    kind = rng.choice(["float", "int", "bool", "const", "choice", "choice"])
    log = rng.random() < 0.5
    if kind == "float" and log:
        low = rng.randint(-8, 4)
        return Float(10.0**low, 10.0 ** (low + rng.randint(0, 8)), log=True)
    if kind == "float":
        start = rng.randint(-1000, 1000)
        return Float(start, start + rng.choice([0, 1e-3, 1, 7.5, 1e6]))
    if kind == "int":
        first = rng.randint(1 if log else -50, 50)
        return Int(
            first,
            first + rng.choice([0, 1, 2, 9, 5000]),
            log=log,
            step=rng.choice([1, 1, 3]) if not log else 1,
        )
    if kind == "choice":
        return random_choice(rng, depth)
    return Bool() if kind == "bool" else Const(rng.choice(OPTIONS))


def random_choice(rng: random.Random, depth: int) -> Choice:
    options = rng.sample(OPTIONS, rng.randint(0, 3))
    branches: dict[str, Any] = {}
    if depth > 0:
        names = [n for n in rng.sample(NAMES, rng.randint(0, 3)) if n not in options]
        branches = {n: random_tree(rng, depth - 1, least=0) for n in names}
    if not options and not branches:
        options = ["only"]
    return Choice(*options, branches, ordered=rng.random() < 0.5)


def expected_keys(space: Space, config: Config, prefix: str = "") -> set[str]:
    """The keys that `config` should hold, found by walking the definitions rather than the space's nodes."""
    keys = set()
    for name, param in space.params.items():
        keys.add(prefix + name)
        if isinstance(param, Choice):
            value = config[prefix + name]
            branch = param.branches.get(value) if isinstance(value, str) else None
            if branch is not None:
                keys |= expected_keys(branch, config, f"{prefix}{name}.")
    return keys
