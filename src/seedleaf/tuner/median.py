"""The median stopping rule (Golovin et al. 2017, Vizier): what does worse than the others did by then is stopped."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, cast

import numpy as np

from seedleaf.core import Decision, History, Resume, State, Stop, Trial
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, end, ranked, start_new


@dataclass(frozen=True)
class MedianScheduler:
    """Trials run rung by rung to the end, unless their best so far is worse than the median of the running averages.

    The averages are those of all trials that stand measured at that step, once there are `least` of them. Until a
    trial has been trained to the end a loser only pauses: should all others fail, it is what is left. Judged is the
    first objective alone.
    """

    least: int = 5

    name: ClassVar[str] = "median"
    cites: ClassVar[str] = "Golovin et al. 2017, Google Vizier: A Service for Black-Box Optimization, KDD"

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        done = bool(history.completed())
        for trial in history.in_state(State.PAUSED):
            if not self._loses(problem, history, trial):
                return Resume(trial.id, next(r for r in problem.rungs if r > trial.step))
            if done:
                return Stop(trial.id, f"worse than the median at step {trial.step}")
        return start_new(problem, history, sampler, rng, problem.rungs[0]) or end(problem, history)

    def _loses(self, problem: Problem, history: History, trial: Trial) -> bool:
        if len(problem.objectives) > 1 or problem.measured_limits:
            return self._lags(problem, history, trial)
        averages = _averages(problem, history, trial.step)
        others = len(averages) - 1
        if others < self.least:
            return False
        own = _average(problem, trial, trial.step)
        middle = [_without(averages, own, i) for i in ((others - 1) // 2, others // 2)]
        best = min(problem.objectives[0].loss(m.metrics) for m in trial.measurements)
        return best > sum(middle) / 2

    def _lags(self, problem: Problem, history: History, trial: Trial) -> bool:
        """Where one number is not the order: is it in the worse half at its step, or beyond a limit that others keep?"""
        rows = ranked(problem, history, trial.step)
        place = next((i for i, (_, other) in enumerate(rows) if other == trial.id), 0)
        return len(rows) > self.least and (place > len(rows) // 2 or rows[place][0] == math.inf)


def _without(values: Sequence[float], left_out: float, i: int) -> float:
    """The i-th of the ascending `values` once `left_out`, which is one of them, is taken out."""
    return values[i] if values[i] < left_out else values[i + 1]


def _average(problem: Problem, trial: Trial, step: int) -> float:
    """The mean loss of the trial's measurements up to `step`."""
    losses = [problem.objectives[0].loss(m.metrics) for m in trial.measurements if m.step <= step]
    return sum(losses) / len(losses)


def _averages(problem: Problem, history: History, step: int) -> Sequence[float]:
    """The running averages at `step`, ascending; kept in the memo and extended."""
    rows = history.at(step)
    key = f"averages:{step}:{problem.objectives[0]}"
    dropped, count, averages = history.memo.get(key, (-1, 0, []))
    if dropped != history.dropped:
        count, averages = 0, []
    for trial in islice(rows, count, None):
        insort(averages, _average(problem, history.trials[trial], step))
    history.memo[key] = history.dropped, len(rows), averages
    return cast(Sequence[float], averages)
