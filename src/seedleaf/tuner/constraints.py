"""Limits on what is only known once it has been measured: how far a trial is beyond them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seedleaf.core import Limit, Metrics, Trial
from seedleaf.space.problem import Problem


def violation(limits: Sequence[Limit], metrics: Metrics) -> float:
    """How far `metrics` are beyond the limits, each as a share of its bound, in sum; 0 where all are kept.

    A metric that is missing or NaN counts as infinitely far: what was not measured was not kept.
    """
    total = 0.0
    for limit in limits:
        value = metrics.get(limit.metric, math.nan)
        if math.isnan(value):
            return math.inf
        total += max(0.0, value - limit.at_most) / (abs(limit.at_most) or 1.0)
    return total


def violation_of(problem: Problem, trial: Trial) -> float:
    """How far the trial's last step is beyond the measured limits; 0 before its first step: nothing is known yet."""
    limits = problem.measured_limits
    return violation(limits, trial.metrics) if limits and trial.measurements else 0.0


def keeps_limits(problem: Problem, trial: Trial) -> bool:
    """Is the trial, as far as it was measured, within the limits?"""
    return violation_of(problem, trial) == 0.0
