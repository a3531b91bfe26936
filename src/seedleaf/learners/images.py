"""Images for a learner's training: opened once per process, split by the study's seed, fed to the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seedleaf.core import Config, Context, Measurement
from seedleaf.data.mapped import open_mapped
from seedleaf.data.spec import ImageData, Labels, Pixels
from seedleaf.data.splits import default_valid_fraction, nested_order, stratified_split
from seedleaf.seeds import rng_for, seed_for
from seedleaf.train import checkpoint
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train
from seedleaf.train.ramp import Ramp

if TYPE_CHECKING:
    from seedleaf.learners.base import Learner

STATISTICS_FROM = 10_000  # images: more change the mean in the fourth digit
AT_ONCE = 2**21  # pixels: counting takes eight bytes for each


@dataclass(frozen=True, eq=False)
class Source:
    """A mapped set of images with its split; `mean` and `std` per channel in 0..255, of the training part.

    `nested` are the training rows in an order of which any first part is a stratified one, the same for all trials.
    """

    data: ImageData
    train: Labels
    nested: Labels
    valid: Labels
    mean: tuple[float, ...]
    std: tuple[float, ...]


def open_source(setup: Mapping[str, Any]) -> Source:
    """The images that `setup` names: data (folder), seed, valid_fraction, part ("train" or "train+valid")."""
    fraction = setup.get("valid_fraction")
    return _open(
        str(setup["data"]),
        int(setup.get("seed", 0)),
        None if fraction is None else float(fraction),
        str(setup.get("part", "train")),
    )


@lru_cache(maxsize=4)
def _open(folder: str, seed: int, fraction: float | None, part: str) -> Source:
    data = open_mapped(Path(folder))
    n = len(data.y_train)
    if part == "train+valid":
        rows, valid = np.arange(n, dtype=np.int64), np.empty(0, dtype=np.int64)
    else:
        share = default_valid_fraction(n) if fraction is None else fraction
        rows, valid = stratified_split(np.asarray(data.y_train), share, rng_for(seed, "split"))
    some = (
        rows if n <= STATISTICS_FROM else np.sort(rng_for(seed, "statistics").choice(rows, STATISTICS_FROM))
    )
    mean, std = statistics(data.x_train, some)
    nested = rows[nested_order(np.asarray(data.y_train)[rows], rng_for(seed, "share"))]
    return Source(data, rows, nested, valid, tuple(map(float, mean)), tuple(map(float, std)))


def statistics(x: Pixels, rows: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and spread of each channel of the images `x` (N, H, W, C; uint8) at `rows`, told from how often each of the 256
    levels occurs: as floating-point numbers some thousand photographs would fill gigabytes.

    A channel that never changes has a spread of 1: dividing by 0 would make NaN.
    """
    counts = np.zeros((x.shape[3], 256))
    step = max(AT_ONCE // (x.shape[1] * x.shape[2]), 1)
    for begin in range(0, len(rows), step):
        part = np.take(x, rows[begin : begin + step], axis=0)
        for channel, found in enumerate(counts):
            found += np.bincount(part[..., channel].ravel(), minlength=256)
    levels, n = np.arange(256.0), counts.sum(axis=1)
    mean = counts @ levels / n
    std = np.sqrt(np.maximum(counts @ levels**2 / n - mean**2, 0.0))
    return mean, np.where(std < 1e-3, 1.0, std)


def training_feed(source: Source, setup: Mapping[str, Any], device: str) -> Feed:
    """The training part, in the order that the fidelity of `setup` asks for."""
    data, nested = source.data, Ramp(str(setup.get("fidelity", "epochs"))).grows
    return Feed.on(device, data.x_train, data.y_train, source.nested if nested else source.train)


def network(family: Learner, config: Config, source: Source, seed: int, device: str) -> nn.Module:
    """The network of `config` with the initial weights of `seed`."""
    torch.manual_seed(seed_for(seed, "init"))
    return family.build(source.data.spec, config, source.mean, source.std).to(device)


def fit(
    family: Learner, config: Config, ctx: Context, begin_with: Callable[[nn.Module], None] | None = None
) -> Iterator[Measurement]:
    """Train `config` on the images of `ctx.setup`. `begin_with` gives the network other weights than those drawn."""
    source = open_source(ctx.setup)
    data = source.data
    found = family.costs(data.spec, config)
    known: dict[str, float] = {k: float(found[k]) for k in ("params", "macs", "latency_ms") if k in found}
    feed = training_feed(source, ctx.setup, ctx.device)
    valid = Feed.on(ctx.device, data.x_train, data.y_train, source.valid) if len(source.valid) else None
    model = network(family, config, source, ctx.seed, ctx.device)
    if begin_with is not None and not (ctx.folder / checkpoint.NAME).exists():
        begin_with(model)  # a checkpoint of its own knows better
    yield from train(model, config, feed, valid, ctx, known)
