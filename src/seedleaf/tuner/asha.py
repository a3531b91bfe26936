"""ASHA: asynchronous successive halving with pause and promotion (Li et al. 2020, MLSys)."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import ClassVar, cast

import numpy as np

from seedleaf.core import Decision, History, Resume, State, Trial
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, end, ranked, start_new
from seedleaf.tuner.by_time import best_share


@dataclass(frozen=True)
class AshaScheduler:
    """Whenever a paused trial is among the best 1/eta of its rung it is promoted, else a new one is started.

    Higher rungs are looked at first. Nothing waits for a rung to fill, so workers are never idle.
    """

    name: ClassVar[str] = "asha"
    cites: ClassVar[str] = "Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, MLSys"

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        return self.passing(problem, history, sampler, rng, lambda trial: False)

    def passing(
        self,
        problem: Problem,
        history: History,
        sampler: Sampler,
        rng: np.random.Generator,
        over: Callable[[Trial], bool],
    ) -> Decision:
        """The decision if the trials that it passes `over` may not be promoted; their places in the rungs count."""
        promotion = self._promotion(problem, history, over)
        if promotion is not None:
            return promotion
        return start_new(problem, history, sampler, rng, problem.rungs[0]) or end(problem, history)

    def _promotion(self, problem: Problem, history: History, over: Callable[[Trial], bool]) -> Resume | None:
        eta = problem.fidelity.eta if problem.fidelity else 3
        for rung, above in reversed(list(pairwise(problem.rungs))):
            for loss, trial_id in _best(problem, history, rung, above, eta):
                trial = history.trials[trial_id]
                waits = trial.state is State.PAUSED and trial.step < above and loss < math.inf
                if waits and not over(trial):
                    return Resume(trial_id, above)
        return None


def _best(problem: Problem, history: History, rung: int, above: int, eta: int) -> Iterable[tuple[float, int]]:
    """The best 1/eta of a rung, of its trials or of its seconds, best first; some that went on to the next are left out."""
    rows = ranked(problem, history, rung)
    if problem.by_time:
        return best_share(history, rows, rung, eta)
    places = len(rows) // eta
    if not places:
        return ()
    return takewhile(lambda row: row <= rows[places - 1], _not_risen(problem, history, rung, above))


def _not_risen(problem: Problem, history: History, rung: int, above: int) -> Sequence[tuple[float, int]]:
    """The rows of `ranked` without those whose budget is that of the rung above already, which most of the best are."""
    rows = ranked(problem, history, rung)
    if len(problem.objectives) > 1 or problem.measured_limits:
        return rows  # in an order that newcomers change: nothing can be kept of it
    key = f"not risen:{rung}:{above}:{problem.objectives[0]}"
    dropped, count, left = history.memo.get(key, (-1, 0, []))
    if dropped != history.dropped:
        count, left = len(rows), list(rows)
    for trial, metrics in history.newest_at(rung, len(rows) - count):
        insort(left, (problem.objectives[0].loss(metrics), trial))
    # Budgets only grow: who has risen never comes back. They gather at the front.
    risen = sum(1 for _ in takewhile(lambda row: history.trials[row[1]].budget >= above, left))
    del left[:risen]
    history.memo[key] = history.dropped, len(rows), left
    return cast(Sequence[tuple[float, int]], left)
