"""Rows of a memory-mapped set of images as batches on a device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seedleaf.data.spec import Labels, Pixels
from seedleaf.seeds import rng_for
from seedleaf.train.ramp import EVEN, Ramp, shrunk


@dataclass(frozen=True, eq=False)
class Feed:
    """The images `rows` of `x` (uint8 N×H×W×C) with labels `y`. On a GPU the whole set lies in its memory."""

    x: Pixels
    y: Labels
    rows: Labels
    resident: tuple[Tensor, Tensor] | None = None

    @classmethod
    def on(cls, device: str, x: Pixels, y: Labels, rows: Labels) -> Feed:
        """The feed whose batches lie on `device`. Off the CPU the rows are copied there once."""
        if device == "cpu":
            return cls(x, y, rows)
        pixels = torch.from_numpy(np.ascontiguousarray(x[rows])).to(device)
        labels = torch.from_numpy(np.asarray(y[rows])).to(device)
        return cls(x, y, np.arange(len(rows), dtype=np.int64), (pixels, labels))

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: Labels) -> tuple[Tensor, Tensor]:
        """Images uint8 (B, H, W, C) and labels int64 (B,) at `positions` among the rows."""
        at = self.rows[positions]
        if self.resident:
            pixels, labels = self.resident
            index = torch.from_numpy(at).to(pixels.device)
            return pixels[index], labels[index]
        return torch.from_numpy(np.take(self.x, at, axis=0)), torch.from_numpy(np.take(self.y, at))

    def in_order(self, size: int, side: float = 1.0) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once, in batches of at most `size`, the pictures at `side`."""
        for begin in range(0, len(self.rows), size):
            x, y = self.batch(np.arange(begin, min(begin + size, len(self.rows)), dtype=np.int64))
            yield smaller(x, side), y


def smaller(x: Tensor, side: float) -> Tensor:
    """Images uint8 (B, H, W, C) with both sides shrunk to that share, smoothed as they shrink; uint8 again."""
    if side >= 1:
        return x
    # Seen as (B, C, H, W) it is channels_last, for which the CPU has a fast path on bytes; a GPU has none.
    pixels = x.permute(0, 3, 1, 2)
    size = shrunk(x.shape[1], x.shape[2], side)
    pixels = pixels if x.device.type == "cpu" else pixels.to(torch.float32)
    out = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    if out.dtype != torch.uint8:
        out = out.round().clamp(0, 255).to(torch.uint8)
    return out.permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class Loader:
    """Which rows make up which batch: a pure function of seed, epoch and place, so that a position needs no state.

    An epoch is a permutation cut into whole batches (the rest is dropped: a tiny last batch would upset BatchNorm);
    a step is one of `slices` parts of an epoch. Where the ramp says so an epoch is one of the first rows alone, never
    fewer than a batch: rows that are to be shared out lie in such an order that any first part has every class.
    """

    n: int
    batch_size: int
    slices: int
    seed: int
    ramp: Ramp = EVEN

    @property
    def size(self) -> int:
        return min(self.batch_size, self.n)

    @property
    def per_epoch(self) -> int:
        return self.n // self.size

    def rows(self, step: int) -> int:
        """How many rows `step` is drawn from: the first so many."""
        return min(max(math.ceil(self.ramp.at(step).rows * self.n), self.size), self.n)

    def batches(self, step: int) -> int:
        """Batches of `step`, rounded up: the last slices of an epoch may wrap around to its start."""
        return -(-(self.rows(step) // self.size) // self.slices)

    @property
    def total(self) -> int:
        """Batches of a full training."""
        ends = accumulate(self.ramp.lengths)
        return sum(n * self.batches(end) for n, end in zip(self.ramp.lengths, ends, strict=True) if n)

    def step(self, step: int) -> Iterator[Labels]:
        """The positions of each batch of `step` (1 is the first)."""
        epoch, part = divmod(step - 1, self.slices)
        rows, count = self.rows(step), self.batches(step)
        order = rng_for(self.seed, "order", epoch).permutation(rows)
        for index in range(part * count, (part + 1) * count):
            begin = index % (rows // self.size) * self.size
            yield order[begin : begin + self.size]
