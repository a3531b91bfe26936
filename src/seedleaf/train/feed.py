"""Rows of a memory-mapped set of images as batches on a device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seedleaf.data.spec import Labels, Pixels
from seedleaf.seeds import rng_for


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

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once, in batches of at most `size`."""
        for begin in range(0, len(self.rows), size):
            yield self.batch(np.arange(begin, min(begin + size, len(self.rows)), dtype=np.int64))


@dataclass(frozen=True)
class Loader:
    """Which rows make up which batch: a pure function of seed, epoch and place, so that a position needs no state.

    An epoch is a permutation cut into whole batches (the rest is dropped: a tiny last batch would upset BatchNorm);
    a step is one of `slices` parts of an epoch.
    """

    n: int
    batch_size: int
    slices: int
    seed: int

    @property
    def size(self) -> int:
        return min(self.batch_size, self.n)

    @property
    def per_epoch(self) -> int:
        return self.n // self.size

    @property
    def per_step(self) -> int:
        """Batches per step, rounded up: the last slices of an epoch may wrap around to its start."""
        return -(-self.per_epoch // self.slices)

    def step(self, step: int) -> Iterator[Labels]:
        """The positions of each batch of `step` (1 is the first)."""
        epoch, part = divmod(step - 1, self.slices)
        order = rng_for(self.seed, "order", epoch).permutation(self.n)
        for index in range(part * self.per_step, (part + 1) * self.per_step):
            begin = index % self.per_epoch * self.size
            yield order[begin : begin + self.size]
