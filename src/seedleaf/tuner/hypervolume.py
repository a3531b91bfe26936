"""How much of objective space a set of points covers, in any number of objectives. Everything is minimised.

Up to EXACT points on the front (and always with two objectives) the volume is exact, by WFG (While, Bradstreet & Barone
2012); above, it is estimated on a fixed scrambled Sobol sequence, so that equal points always give the equal number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import qmc

from seedleaf.tuner.pareto import hypervolume_2d, pareto_front

Array = NDArray[np.float64]
EXACT = {3: 128, 4: 32}  # the most points on a front that are counted exactly, by number of objectives
EXACT_BEYOND = 12  # the same for five objectives and more
LOG2_SAMPLES = 15  # of the estimate: a relative error of about 1 / 300


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """The volume between `points`, shape (n, m), and the corner `reference`, shape (m,).

    Points that do not beat the reference in every coordinate, and those with a NaN, add nothing. ValueError for shapes
    that do not fit each other.
    """
    values, corner = np.asarray(points, dtype=float), np.asarray(reference, dtype=float)
    if values.size == 0:
        return 0.0
    if values.ndim != 2 or corner.shape != values.shape[1:]:
        raise ValueError(
            f"hypervolume needs points (n, m) and a reference (m,), got {values.shape}, {corner.shape}"
        )
    inside = values[(values < corner).all(axis=1)]
    front = np.unique(inside[pareto_front(inside)], axis=0)
    m = len(corner)
    if m == 1:
        return float(corner[0] - front.min()) if len(front) else 0.0
    if m == 2:
        return hypervolume_2d(front, corner)
    if len(front) <= EXACT.get(m, EXACT_BEYOND):
        return _wfg(front, corner)
    return _estimate(front, corner)


def _wfg(front: Array, corner: Array) -> float:
    """The sum of what each point covers alone when those behind it are there already."""
    if len(front) == 0:
        return 0.0
    if len(corner) == 2:
        return hypervolume_2d(front, corner)
    # Best first in the last objective: what the points behind cover of the first one's box is then a problem with one
    # objective less, for all of them are cut off at its height.
    front = front[np.argsort(-front[:, -1], kind="stable")]
    total = 0.0
    for i, point in enumerate(front):
        cut = np.maximum(front[i + 1 :, :-1], point[:-1])
        covered = _wfg(cut[pareto_front(cut)], corner[:-1])
        total += float((corner[-1] - point[-1]) * (np.prod(corner[:-1] - point[:-1]) - covered))
    return total


def _estimate(front: Array, corner: Array) -> float:
    ideal = front.min(axis=0)
    grid = ideal + (corner - ideal) * qmc.Sobol(len(corner), seed=0).random_base2(LOG2_SAMPLES)
    open_ = np.ones(len(grid), bool)
    for point in front[
        np.argsort(-np.prod(corner - front, axis=1))
    ]:  # the largest box first: most are out at once
        left = np.flatnonzero(open_)
        open_[left[(grid[left] >= point).all(axis=1)]] = False
    return float(np.prod(corner - ideal) * (1 - open_.mean()))
