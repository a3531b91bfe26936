"""A density per node of a space, fitted on the configs in which that node exists: TPE's, for all nodes at once.

Rows are unit vectors, shape (n, nodes), NaN where a node is not active.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from seedleaf.space.prior import NumberPrior, OptionPrior
from seedleaf.space.space import Space

Array = NDArray[np.float64]
BINS = (
    128  # cells of an ordered node: kernels are wider, so many points cost no more than few and lose nothing
)
ROOT = np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Shape:
    """What the densities know of a space: `options` of each unordered node, 0 for ordered ones; `values` of each node,
    inf for real numbers; and how much the user's prior is to weigh against the uniform one, in [0, 1]."""

    options: NDArray[np.intp]
    values: Array
    priors: tuple[tuple[int, NumberPrior | OptionPrior], ...] = ()
    belief: float = 0.0

    @classmethod
    def of(cls, space: Space, belief: float = 0.0) -> Shape:
        counts = [node.param.n_values for node in space.nodes]
        options = [
            0 if node.param.is_ordered else n or 1 for node, n in zip(space.nodes, counts, strict=True)
        ]
        priors = tuple((space.index[name], density) for name, density in space.priors.items())
        values = np.array([np.inf if n is None else n for n in counts], float)
        return cls(np.array(options, np.intp), values, priors, belief)

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """Into how many cells the unit interval of each node is cut."""
        return np.where(self.options > 0, self.options, BINS)

    def cell(self, rows: Array) -> NDArray[np.intp]:
        """The cells of the values, shape of `rows`; 0 for NaN."""
        return np.minimum((np.nan_to_num(rows) * self.cells).astype(np.intp), self.cells - 1)

    def tally(self, rows: Array) -> Array:
        """How many rows lie in each cell, shape (nodes, most cells)."""
        counts = np.zeros((len(self.cells), int(self.cells.max(initial=BINS))))
        row, node = np.nonzero(~np.isnan(rows))
        np.add.at(counts, (node, self.cell(rows)[row, node]), 1.0)
        return counts

    def log_base(self, rows: Array) -> Array:
        """Log density of the user's prior mixed with the uniform one, by node, shape of `rows`."""
        out = np.zeros(rows.shape)
        for i, density in self.priors if self.belief > 0 else ():
            believed = np.exp(density.log_density(rows[:, i]))
            out[:, i] = np.log(self.belief * believed + 1 - self.belief)
        return out

    def draw_base(self, n: int, rng: np.random.Generator) -> Array:
        """Rows drawn from that mixture, with a value in every slot, shape (n, nodes)."""
        out = rng.random((n, len(self.options)))
        for i, density in self.priors if self.belief > 0 else ():
            for k in np.flatnonzero(rng.random(n) < self.belief):
                out[k, i] = density.draw(float(out[k, i]))
        return out


@dataclass(frozen=True)
class NodeWise:
    """Per node: Gaussians cut to [0, 1] and the base as one more component; for unordered nodes smoothed frequencies."""

    shape: Shape
    centres: Array  # (nodes, kernels)
    widths: Array
    log_weights: (
        Array  # (nodes, kernels + 1): the last is the base's; -inf for kernels that a node does not have
    )
    log_options: Array  # (nodes, most cells), relative to the uniform density

    @classmethod
    def fit(cls, shape: Shape, rows: Array, prior_weight: float) -> NodeWise:
        """A kernel at every value of the rows."""
        centres = np.sort(np.where(shape.options > 0, np.nan, rows), axis=0).T
        return cls._of(shape, centres, (~np.isnan(centres)).astype(float), shape.tally(rows), prior_weight)

    @classmethod
    def fit_tally(cls, shape: Shape, tally: Array, prior_weight: float) -> NodeWise:
        """A kernel in every cell that holds rows, as heavy as it holds many."""
        held = (tally[:, :BINS] > 0) & (shape.options == 0)[:, None]
        most = int(held.sum(axis=1).max(initial=0))
        first = np.argsort(~held, axis=1, kind="stable")[:, :most]
        kept = np.take_along_axis(held, first, axis=1)
        counts = np.where(kept, np.take_along_axis(tally[:, :BINS], first, axis=1), 0.0)
        return cls._of(shape, np.where(kept, (first + 0.5) / BINS, np.nan), counts, tally, prior_weight)

    @classmethod
    def _of(cls, shape: Shape, centres: Array, counts: Array, tally: Array, prior_weight: float) -> NodeWise:
        """`centres`, shape (nodes, kernels), ascending, then NaN; `counts` of the same shape; `tally` for options.

        Each kernel reaches to its farther neighbour, the ends of the interval included (Bergstra et al. 2011): one
        width for all, from the spread, left TPE behind random search on functions with more than one valley. Never
        narrower than the spacing that n points could have at best, else the sampler repeats its best point.
        """
        n = counts.sum(axis=1, keepdims=True)
        ends = np.full((len(centres), 1), np.nan)
        left = centres - np.hstack([ends * 0 + 0.0, centres])[:, :-1] if centres.size else centres
        left = np.where(np.arange(centres.shape[1]) == 0, centres, left)
        after = np.hstack([centres, ends])[:, 1:]
        right = np.where(np.isnan(after), 1.0, after) - centres
        widths = np.clip(np.maximum(left, right), 1 / np.minimum(1 + n, 100), 1.0)
        alive = ~np.isnan(centres)
        with np.errstate(divide="ignore"):
            log_weights = np.log(np.hstack([counts, np.full_like(n, prior_weight)]) / (n + prior_weight))
        options = cls._options(shape, tally, prior_weight)
        return cls(shape, np.where(alive, centres, 0.5), np.where(alive, widths, 1.0), log_weights, options)

    @staticmethod
    def _options(shape: Shape, tally: Array, prior_weight: float) -> Array:
        cells = shape.cells[:, None]
        inside = np.arange(tally.shape[1]) < cells
        base = np.where(inside, 1.0 / cells, 0.0)
        for i, density in shape.priors if shape.belief > 0 else ():
            if isinstance(density, OptionPrior):
                units = (np.arange(density.n) + 0.5) / density.n
                believed = np.exp(density.log_density(units)) / density.n
                base[i, : density.n] = shape.belief * believed + (1 - shape.belief) / density.n
        with np.errstate(divide="ignore"):
            shares = (tally + prior_weight * base) / (tally.sum(axis=1, keepdims=True) + prior_weight)
            return np.asarray(np.log(shares * cells))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """A value for every node, shape (n, nodes)."""
        out = self.shape.draw_base(n, rng)
        reached = np.cumsum(np.exp(self.log_weights), axis=1)
        kernel = (reached[None] < rng.random(out.shape)[:, :, None]).sum(axis=2)
        node = np.arange(out.shape[1])
        inner = (kernel < self.centres.shape[1]) & (self.shape.options == 0)
        picked = np.minimum(kernel, max(self.centres.shape[1] - 1, 0))
        if inner.any():
            mu, sd = self.centres[node, picked], self.widths[node, picked]
            out = np.where(inner, cut_normal(mu, sd, rng.random(out.shape)), out)
        shares = np.cumsum(np.exp(self.log_options) / self.shape.cells[:, None], axis=1)
        option = (shares[None] < rng.random(out.shape)[:, :, None]).sum(axis=2)
        unordered = (np.minimum(option, self.shape.cells - 1) + 0.5) / self.shape.cells
        return np.clip(np.where(self.shape.options > 0, unordered, out), 0.0, 1.0 - 1e-12)

    def log_pdf(self, rows: Array) -> Array:
        """Log density relative to the uniform one, shape (n,): the sum over the nodes that are active."""
        active = ~np.isnan(rows)
        values = np.where(active, rows, 0.5)
        mass = ndtr((1 - self.centres) / self.widths) - ndtr(-self.centres / self.widths)
        heights = np.exp(self.log_weights[:, :-1]) / (self.widths * ROOT * mass)
        # In place, and summed without logarithms: the base keeps every sum above zero.
        z = values[:, :, None] - self.centres
        z /= self.widths
        z *= z
        z *= -0.5
        np.exp(z, out=z)
        base = np.exp(self.shape.log_base(values) + self.log_weights[:, -1])
        number = np.log(np.einsum("nik,ik->ni", z, heights) + base)
        option = self.log_options[np.arange(rows.shape[1]), self.shape.cell(values)]
        return np.asarray(np.where(active, np.where(self.shape.options > 0, option, number), 0.0).sum(axis=1))


def cut_normal(mu: Array, sd: Array, uniform: Array) -> Array:
    """Draws from normals cut to [0, 1]."""
    low, high = ndtr(-mu / sd), ndtr((1 - mu) / sd)
    return np.asarray(mu + sd * ndtri(low + uniform * (high - low)))
