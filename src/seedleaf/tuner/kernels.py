"""Kernels and their derivatives, and the Euclidean points on which they measure distances between configs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedleaf.space.space import Space

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


def matern52(squared: Array) -> tuple[Array, Array]:
    """The Matérn 5/2 kernel and its derivative by r², at squared distances r²."""
    r = np.sqrt(5.0 * squared)
    e = np.exp(-r)
    return (1 + r + r * r / 3) * e, -(5.0 / 6.0) * (1 + r) * e


def matern32(distance: Array, scale: float) -> tuple[Array, Array]:
    """The Matérn 3/2 kernel and its derivative by the logarithm of its length scale."""
    r = np.sqrt(3.0) * distance / scale
    e = np.exp(-r)
    return (1 + r) * e, r * r * e


@dataclass(frozen=True)
class Embedding:
    """Unit vectors of a conditional space as points of a Euclidean space.

    A number keeps its unit value; an unordered choice becomes a scaled one-hot, so that two options are 1 apart. What is
    not active sits in the middle: 0.5, or the mean of the one-hots. It is then as near to one value as to any other,
    while the choice that switched it off keeps the two configs apart. Distances are those of real vectors, so every
    radial kernel on them is positive definite, whatever the tree looks like.

    `node[j]` is the node that column j belongs to; all columns of a node share one length scale.
    """

    node: Ints
    sizes: tuple[int, ...]  # per node: 0 for a number, else how many options
    active: float  # how many nodes are active in a random config, on average

    @classmethod
    def of(cls, space: Space) -> Embedding:
        """The embedding of the nodes of `space`."""
        sizes = tuple(0 if n.param.is_ordered else int(n.param.n_values or 1) for n in space.nodes)
        rng = np.random.default_rng(0)
        active = float(np.mean([len(space.sample(rng)) for _ in range(100)]))
        return cls(
            np.repeat(np.arange(len(sizes)), [max(s, 1) for s in sizes]).astype(np.intp), sizes, active
        )

    def __call__(self, units: Array) -> Array:
        """Unit vectors, shape (n, nodes), NaN where not active, as points of shape (n, columns)."""
        out = np.empty((len(units), len(self.node)))
        column = 0
        for i, size in enumerate(self.sizes):
            values = units[:, i]
            gone = np.isnan(values)
            if size == 0:
                out[:, column] = np.where(gone, 0.5, values)
                column += 1
                continue
            index = np.minimum((np.where(gone, 0.0, values) * size).astype(np.intp), size - 1)
            block = np.zeros((len(units), size))
            block[np.arange(len(units)), index] = np.sqrt(0.5)
            block[gone] = np.sqrt(0.5) / size
            out[:, column : column + size] = block
            column += size
        return out
