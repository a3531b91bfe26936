"""Hypervolume of two objectives, and how it grows over the evaluations of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def front(points: ArrayLike) -> NDArray[np.float64]:
    """The points that no other one dominates, by ascending first loss; points of shape (n, 2), both to be minimised."""
    given = np.asarray(points, float).reshape(-1, 2)
    given = given[np.isfinite(given).all(axis=1)]
    given = given[np.lexsort((given[:, 1], given[:, 0]))]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], given[:, 1]]))[:-1]
    return np.asarray(given[given[:, 1] < lowest])


def hypervolume(points: ArrayLike, nadir: Sequence[float]) -> float:
    """The area that `points`, shape (n, 2), dominate below the reference point `nadir`."""
    kept = front(points)
    kept = kept[(kept < np.asarray(nadir)).all(axis=1)]
    if not len(kept):
        return 0.0
    right = np.append(kept[1:, 0], nadir[0])
    return float(((right - kept[:, 0]) * (nadir[1] - kept[:, 1])).sum())


def growth(evaluated: Sequence[Any], nadir: Sequence[float], marks: Sequence[int]) -> list[float]:
    """The hypervolume after each of `marks` steps; `evaluated` holds (steps used, losses) of a results line."""
    rows = [(used, [np.inf if v is None else v for v in losses]) for used, losses in evaluated]
    return [hypervolume([losses for used, losses in rows if used <= mark] or [], nadir) for mark in marks]
