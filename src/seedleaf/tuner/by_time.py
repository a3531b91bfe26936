"""Spending seconds rather than counts, for studies whose budget is time (`Problem.by_time`).

Steps of one config can cost ten times those of another. Where the budget is time, a sampler's density should say where
time goes, not how many trials lie there (compare expected improvement per second, Snoek et al. 2012, and its bias towards
what is cheap, Lee et al. 2020); and a rung should hand on a third of its seconds, not of its trials. Both are what they
were where all steps cost the same. Seconds come from the log, so decisions replay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seedleaf.core import Config, History, Trial
from seedleaf.errors import SpaceExhausted
from seedleaf.space.problem import Problem
from seedleaf.tuner.kernels import Array
from seedleaf.tuner.pace import Pace, seconds_to

if TYPE_CHECKING:
    from seedleaf.tuner.base import Sampler

DRAWS = 4  # proposals of which one is taken
POWER = 1.0


def proposal(problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator) -> Config:
    """One of DRAWS proposals of `sampler`, with chances that fall as the seconds that they are expected to take.

    Sampling-importance-resampling (Rubin 1988): with many draws time is spread as the sampler's proposals are.
    """
    first = sampler.propose(problem, history, rng)
    pace = Pace.of(problem, history)
    if pace is None:
        return first
    drawn = [first]
    try:
        drawn += [sampler.propose(problem, history, rng) for _ in range(DRAWS - 1)]
    except SpaceExhausted:
        pass
    slow = np.array([pace.log_seconds(config) for config in drawn])
    weights = np.exp(POWER * (slow.min() - slow))
    return drawn[int(rng.choice(len(drawn), p=weights / weights.sum()))]


def slowness(problem: Problem, history: History, points: Array, trials: Sequence[Trial]) -> Array:
    """Log seconds of a step relative to a usual one, shape (n,), of the embedded configs `points`, the first of which are
    those of `trials` that were measured. What divides a promise per step makes it one per second."""
    pace = Pace.of(problem, history, known=False)
    if pace is None:
        return np.zeros(len(points))
    found = pace.of_points(points) - pace.mean
    low = problem.rungs[0]
    for i, trial in enumerate(trials):
        if (seconds := seconds_to(trial, low)) > 0 and trial.step >= low:
            found[i] = math.log(seconds) - pace.mean
    return found


def best_share(
    history: History, ranking: Sequence[tuple[float, int]], rung: int, eta: int
) -> Iterator[tuple[float, int]]:
    """The rows of `ranking`, best first, as long as they took 1/`eta` of the seconds of all at most.

    What one took is its seconds up to `rung`; where the log tells none it counts as the mean of the others.
    """
    told = [seconds_to(history.trials[trial], rung) for _, trial in ranking]
    known = [s for s in told if s > 0]
    usual = sum(known) / len(known) if known else 1.0
    took = [s if s > 0 else usual for s in told]
    left = math.fsum(took) / eta * (1 + 1e-9)  # equal seconds must count as ASHA counts
    for row, seconds in zip(ranking, took, strict=True):
        left -= seconds
        if left < 0:
            return
        yield row
