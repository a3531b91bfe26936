"""Squared Euclidean distances between rows: what the tuner's kernels and the learners that keep rows are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def squared_distances(a: Array, b: Array) -> Array:
    """Between the rows of a, shape (n, k), and of b, shape (m, k); never below 0, whatever rounding does."""
    # 2a is multiplied, not a: for `a @ a.T` numpy takes another routine, whose last places differ, and logs replay.
    out: Array = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.maximum(out, 0.0, out=out)
