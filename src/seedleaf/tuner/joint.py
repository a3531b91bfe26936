"""A density over whole configs, a kernel per config: it knows which values were good with which.

Rows are unit vectors, shape (n, nodes), NaN where a node is not active.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from seedleaf.tuner.parzen import ROOT, Shape, cut_normal

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Together:
    """A kernel per row, the product over its active nodes, and the base as one more component.

    Under a kernel a node that its row lacks is drawn from the base. Widths fall as n^(-1 / (d + 4)) with the n rows that
    have the node and the d nodes of the row (Scott 1992).
    """

    shape: Shape
    rows: Array
    widths: Array  # (rows, nodes)
    jumps: Array  # (rows, nodes): how likely an unordered node is drawn anew
    prior_weight: float

    WIDTH, NARROWEST, JUMP = 0.2, 0.03, 0.5

    @classmethod
    def fit(cls, shape: Shape, rows: Array, prior_weight: float) -> Together:
        alive = ~np.isnan(rows)
        n = np.maximum(alive.sum(axis=0), 1)
        factor = n ** (-1 / (alive.sum(axis=1, keepdims=True) + 4.0))
        widths = np.maximum(cls.WIDTH * factor, np.maximum(cls.NARROWEST, 0.5 / shape.values))
        return cls(shape, rows, widths, np.clip(cls.JUMP * factor, 0.02, 1.0), prior_weight)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """A value for every node, shape (n, nodes). Every other row takes each node from another kernel."""
        out = self.shape.draw_base(n, rng)
        if len(self.rows):
            out = self._around(out, rng)
        option = (self.shape.cell(out) + 0.5) / self.shape.cells
        return np.clip(np.where(self.shape.options > 0, option, out), 0.0, 1.0 - 1e-12)

    def _around(self, base: Array, rng: np.random.Generator) -> Array:
        """The values of `base` replaced by draws from kernels, but for the share of the base."""
        chance = np.full(len(self.rows) + 1, 1.0)
        chance[-1] = self.prior_weight
        kernel = rng.choice(len(chance), size=base.shape, p=chance / chance.sum())
        kernel[::2] = kernel[::2, :1]
        picked, node = np.minimum(kernel, len(self.rows) - 1), np.arange(base.shape[1])
        centre, width = self.rows[picked, node], self.widths[picked, node]
        known = (kernel < len(self.rows)) & ~np.isnan(centre)
        number = cut_normal(np.where(known, centre, 0.5), width, rng.random(base.shape))
        stays = rng.random(base.shape) >= self.jumps[picked, node]
        moved = np.where(self.shape.options > 0, np.where(stays, centre, base), number)
        return np.where(known, moved, base)

    def log_pdf(self, rows: Array) -> Array:
        """Log density relative to the uniform one, shape (n,)."""
        active, alive = ~np.isnan(rows), ~np.isnan(self.rows)
        values, centres = np.where(active, rows, 0.0), np.where(alive, self.rows, 0.0)
        base = np.where(active, self.shape.log_base(values), 0.0)
        number = alive & (self.shape.options == 0)
        mass = ndtr((1 - centres) / self.widths) - ndtr(-centres / self.widths)
        # (value - centre)² / width² written out, so that all pairs of rows are three products of matrices.
        tight = np.where(number, self.widths**-2, 0.0)
        height = np.where(number, np.log(self.widths * ROOT * mass), 0.0)
        constant = -0.5 * centres**2 * tight - height
        away = np.where(alive & (self.shape.options > 0), np.log(self.jumps), 0.0)
        gain = np.log((1 - self.jumps) * np.maximum(self.shape.options, 1) + self.jumps) - away
        terms = -0.5 * values**2 @ tight.T + values @ (centres * tight).T
        terms += active @ (constant + away).T + base @ (~alive).T
        terms += self._flags(rows) @ self._flags(self.rows, gain).T
        total = np.log(len(self.rows) + self.prior_weight)
        last = base.sum(axis=1, keepdims=True) + np.log(self.prior_weight)
        return np.asarray(_log_sum(np.hstack([terms, last])) - total)

    def _flags(self, rows: Array, weights: Array | None = None) -> Array:
        """One column per option of each unordered node, with a 1, or its weight, at the option of each row."""
        ends = np.cumsum(self.shape.options)
        out = np.zeros((len(rows), int(ends[-1]) if len(ends) else 0))
        row, node = np.nonzero(~np.isnan(rows) & (self.shape.options > 0))
        at = (ends - self.shape.options)[node] + self.shape.cell(rows)[row, node]
        out[row, at] = 1.0 if weights is None else weights[row, node]
        return out


def _log_sum(terms: Array) -> Array:
    """log of the sum of exp over the last axis."""
    top = terms.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(terms - top).sum(axis=-1)))
