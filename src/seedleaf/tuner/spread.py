"""The order within a front: every first few points of it stand for the whole. Everything is minimised."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
CHOSEN = 32  # of a front, so many are put in order one by one; of the rest nobody asks who comes first
SAMPLES = 512  # points at which volume is measured where there are more than two objectives
MARGIN = 0.1  # how far behind the front's worst value the reference lies, as a share of its range


def spread(values: Array, trials: Sequence[int], chosen: int = CHOSEN) -> list[int]:
    """The rows of a front, shape (k, m), so that every first few of them stand for the whole; equal ones by trial.

    Each next one adds the most hypervolume to those before it (greedy subset selection, as in MOTPE: Ozaki et al. 2022);
    an ε-net, which MO-ASHA takes (Schmucker et al. 2021), begins with the corners, and they cover little. After `chosen` of
    them the rest follow by what they still add; with none chosen, by crowding distance (Deb et al. 2002).
    """
    by_trial = np.argsort(trials, kind="stable")
    low, high = values.min(axis=0), values.max(axis=0)
    unit = (values[by_trial] - low) / np.where(high > low, high - low, 1.0)
    if not chosen:
        picked = [int(i) for i in np.argsort(-_crowding(unit), kind="stable")]
    else:
        picked = (_by_volume if values.shape[1] == 2 else _by_samples)(unit, min(chosen, len(unit)))
    return [int(by_trial[i]) for i in picked]


def _by_volume(unit: Array, chosen: int) -> list[int]:
    """Greedy hypervolume subset selection; a front in two objectives is a staircase, so a box is all that one adds."""
    x, y = unit[:, 0], unit[:, 1]
    right, above = np.full(len(x), 1 + MARGIN), np.full(len(x), 1 + MARGIN)
    picked: list[int] = []
    gain = (right - x) * (above - y)
    for _ in range(chosen):
        best = int(np.argmax(gain))
        picked.append(best)
        # Left of the pick boxes now end at it, right of it they end below it.
        left = x < x[best]
        right = np.where(left, np.minimum(right, x[best]), right)
        above = np.where(left, above, np.minimum(above, y[best]))
        gain = (right - x) * (above - y)
        gain[picked] = -np.inf
    return picked + [int(i) for i in np.argsort(-gain, kind="stable")[: len(x) - len(picked)]]


def _by_samples(unit: Array, chosen: int) -> list[int]:
    """The same on fixed points of the box in place of its exact volume."""
    box = (1 + MARGIN) * _sobol(unit.shape[1])
    covers: Mask = np.asarray((unit[:, None] <= box[None]).all(axis=2))
    open_ = np.ones(len(box), bool)
    picked: list[int] = []
    gain = covers.sum(axis=1)
    for _ in range(chosen):
        best = int(np.argmax(gain))
        picked.append(best)
        open_ &= ~covers[best]
        gain = covers[:, open_].sum(axis=1)
        gain[picked] = -1
    return picked + [int(i) for i in np.argsort(-gain, kind="stable")[: len(unit) - len(picked)]]


@cache
def _sobol(m: int) -> Array:
    return np.asarray(qmc.Sobol(m, seed=0).random(SAMPLES))


def _crowding(unit: Array) -> Array:
    """The distance between each point's neighbours, summed over the objectives; infinite at the ends."""
    total = np.zeros(len(unit))
    for column in unit.T:
        order = np.argsort(column, kind="stable")
        sides = np.concatenate([[-np.inf], column[order], [np.inf]])
        total[order] += sides[2:] - sides[:-2]
    return total
