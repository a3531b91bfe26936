"""Many configs moved at once, as unit vectors: what a model-based sampler tries out before it asks for one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedleaf.space.params import Param
from seedleaf.space.space import Space

Array = NDArray[np.float64]
GRID = 64  # a parameter with at most so many values is kept on them, one with more counts as continuous


@dataclass(frozen=True)
class Moves:
    """Moves in a space. Rows are unit vectors, shape (n, nodes), NaN where a node is not active."""

    space: Space
    grids: tuple[Array | None, ...]  # of each node its unit values, ascending; None for continuous ones
    ordered: NDArray[np.bool_]

    @classmethod
    def of(cls, space: Space) -> Moves:
        ordered = np.array([n.param.is_ordered for n in space.nodes], bool)
        return cls(space, tuple(_grid(n.param) for n in space.nodes), ordered)

    def settle(self, full: Array) -> Array:
        """Rows with a value in every slot become configs: values on their grids, NaN where a node is not active.

        They may be forbidden by the space, or break limits: `acceptable` says.
        """
        out = full.copy()
        for i, grid in enumerate(self.grids):
            if grid is not None:
                middles = (grid[1:] + grid[:-1]) / 2
                out[:, i] = grid[np.searchsorted(middles, out[:, i])]
            out[~self.space.alive(i, out), i] = np.nan
        return out

    def random(self, n: int, rng: np.random.Generator) -> Array:
        """Uniform configs."""
        return self.settle(rng.random((n, len(self.grids))))

    def mutated(self, rows: Array, rng: np.random.Generator, stay: float | Array = 0.6) -> Array:
        """Each row with at least one active parameter moved, 1 / `stay` on average; new branches are drawn anew.

        A number moves by a Gaussian, small or large; an unordered choice to any other option.
        """
        n, nodes = rows.shape
        free = ~np.isnan(rows) & np.array([g is None or len(g) > 1 for g in self.grids], bool)
        keys = np.where(free, rng.random((n, nodes)), np.inf)
        count = np.minimum(rng.geometric(stay, n), free.sum(axis=1))
        moving = np.argsort(np.argsort(keys, axis=1), axis=1) < count[:, None]
        scale = np.exp(rng.uniform(np.log(0.02), np.log(0.4), (n, 1)))
        step = rng.standard_normal((n, nodes)) * np.maximum(scale, self._spacing())
        full = np.where(np.isnan(rows), rng.random((n, nodes)), rows)
        numbers = np.abs((full + step + 1) % 2 - 1)  # reflected at both ends
        return self.settle(np.where(moving, np.where(self.ordered, numbers, self._others(full, rng)), full))

    def crossed(self, rows: Array, rng: np.random.Generator) -> Array:
        """Each row with about half of its values from another row, where that one has them."""
        mates = rows[rng.integers(len(rows), size=len(rows))]
        full = np.where(np.isnan(rows), rng.random(rows.shape), rows)
        return self.settle(np.where((rng.random(rows.shape) < 0.5) & ~np.isnan(mates), mates, full))

    def _others(self, full: Array, rng: np.random.Generator) -> Array:
        """For each value another one of its grid."""
        sizes = np.array([1 if g is None else len(g) for g in self.grids], np.intp)
        hop = rng.integers(1, np.maximum(sizes, 2), size=full.shape)
        place = np.minimum((full * sizes).astype(np.intp), sizes - 1)
        return np.asarray(((place + hop) % sizes + 0.5) / sizes)

    def _spacing(self) -> Array:
        return np.array([0.0 if g is None or len(g) < 2 else float(np.diff(g).max()) for g in self.grids])


def _grid(param: Param) -> Array | None:
    n = param.n_values
    if n is None or n > GRID:
        return None
    units = (np.arange(8 * n) + 0.5) / (8 * n)
    return np.unique([param.to_unit(param.from_unit(float(u))) for u in units])
