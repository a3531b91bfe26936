"""What a few more steps, or a new config, promise: expected improvements over the curves of a model."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from seedleaf.tuner.curve_gp import Curves
from seedleaf.tuner.curves import log_steps
from seedleaf.tuner.kernels import Array, Ints

NEAR = 100  # curves that are looked at over several horizons: the most promising in the end
STRIDE = 1.8  # from one horizon to the next


def log_expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """log E[max(0, best - f)] for normal f, exact far into the tail where the improvement underflows (Ament et al. 2023)."""
    z = (best - mean) / sd
    near = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) + z * np.exp(log_ndtr(z))
    far = -0.5 * z * z - 0.5 * np.log(2 * np.pi) - 2 * np.log(np.maximum(-z, 1.0))
    return np.asarray(np.log(sd) + np.where(z > -5, np.log(np.maximum(near, 1e-300)), far))


def in_the_end(curves: Curves, steps: Ints, low: int, full: int, best: float, gamma: float) -> Array:
    """Log improvement expected at the full budget over the lowest loss seen or expected there, per (steps to go)^gamma.

    `steps` says how far each curve is, shape (m,); no fewer than `low` more can be bought.
    """
    mean, sd = curves.predict(np.ones(1))
    known = steps > 0
    bar = min(best, float(mean[known].min())) if known.any() else best
    return log_expected_improvement(mean, sd, bar) - gamma * np.log(np.maximum(full - steps, low))


def soonest(curves: Curves, steps: Ints, low: int, full: int, best: float, gamma: float) -> Array:
    """Log improvement on the lowest loss seen so far per (steps)^gamma, at whichever horizon that is largest."""
    mean, sd = curves.predict(np.ones(1))
    final = log_expected_improvement(mean, sd, best)
    out = final - gamma * np.log(full - steps)
    promising = np.argsort(-final, kind="stable")[:NEAR]
    horizon = low
    while horizon < full:
        open_ = promising[steps[promising] + low <= horizon]
        if len(open_):
            mean, sd = curves.take(open_).predict(log_steps(np.array([horizon]), full))
            gain = log_expected_improvement(mean, sd, best) - gamma * np.log(horizon - steps[open_])
            out[open_] = np.maximum(out[open_], gain)
        horizon = max(horizon + 1, int(np.ceil(horizon * STRIDE)))
    return out
