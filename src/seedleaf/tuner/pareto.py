"""Which points no other point beats, and how much of the plane they cover. Pure numpy; everything is minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_front(points: ArrayLike) -> NDArray[np.bool_]:
    """A mask of shape (n,): True where no other row of `points`, shape (n, m), is as good everywhere and better once.

    Equal points are all on the front. A row with a NaN is never on it and beats nothing.
    """
    values = _rows(points)
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(values).any(axis=1))
    index = np.flatnonzero(mask)
    # In lexicographic order nobody is beaten by a later point, so one pass against the front so far is enough.
    order = index[np.lexsort(values[index].T[::-1])]
    front = np.empty((len(order), values.shape[1]))
    size = 0
    for i in order:
        kept = front[:size]
        beaten = (kept <= values[i]).all(axis=1) & (kept < values[i]).any(axis=1)
        if beaten.any():
            mask[i] = False
        else:
            front[size] = values[i]
            size += 1
    return mask


def hypervolume_2d(points: ArrayLike, reference: ArrayLike) -> float:
    """The area between the front of `points`, shape (n, 2), and the `reference` corner, shape (2,).

    Points that do not beat the reference in both coordinates add nothing. Raises ValueError for another shape.
    """
    values, corner = _rows(points), np.asarray(reference, dtype=float)
    if values.shape[1] != 2 or corner.shape != (2,):
        raise ValueError(
            f"hypervolume_2d needs points (n, 2) and a reference (2,), got {values.shape}, {corner.shape}"
        )
    inside = values[(values < corner).all(axis=1)]
    front = inside[pareto_front(inside)]
    front = front[np.argsort(front[:, 0], kind="stable")]
    ceilings = np.concatenate([[corner[1]], front[:-1, 1]])
    return float(np.sum((corner[0] - front[:, 0]) * (ceilings - front[:, 1])))


def _rows(points: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(points, dtype=float)
    if values.size == 0 and values.ndim < 2:
        return np.empty((0, 2))
    if values.ndim != 2:
        raise ValueError(f"points must have shape (n, m), got {values.shape}")
    return values
