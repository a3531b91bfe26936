"""What samplers look at: the step at which they compare trials, and the trials' configs as vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import History
from seedleaf.space.encode import encode
from seedleaf.space.space import Space

Array = NDArray[np.float64]


def deepest(history: History, least: int) -> int | None:
    """The highest step at which at least `least` trials stand measured (BOHB's rule, Falkner et al. 2018), if any."""
    return next((s for s in reversed(history.steps_measured()) if len(history.at(s)) >= least), None)


def vectors(space: Space, history: History) -> Array:
    """All trials' configs as unit vectors, shape (trials, nodes); kept in the history's memo and extended."""
    kept_space, n, rows = history.memo.get("vectors", (None, 0, np.empty((0, 0))))
    if kept_space is not space:
        n, rows = 0, np.empty((64, len(space)))
    total = len(history.trials)
    if total > len(rows):
        grown = np.empty((2 * total, len(space)))
        grown[:n] = rows[:n]
        rows = grown
    for trial_id in range(n, total):
        rows[trial_id] = encode(space, history.trials[trial_id].config)
    history.memo["vectors"] = space, total, rows
    return np.asarray(rows[:total])
