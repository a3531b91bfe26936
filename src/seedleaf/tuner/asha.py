"""ASHA: asynchronous successive halving with pause and promotion (Li et al. 2020, MLSys)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, History, Resume, State
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, end, ranked, start_new


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
        promotion = self._promotion(problem, history)
        if promotion is not None:
            return promotion
        return start_new(problem, history, sampler, rng, problem.rungs[0]) or end(problem, history)

    def _promotion(self, problem: Problem, history: History) -> Resume | None:
        rungs = problem.rungs
        eta = problem.fidelity.eta if problem.fidelity else 3
        for rung, above in zip(reversed(rungs[:-1]), reversed(rungs[1:]), strict=True):
            rows = ranked(problem, history, rung)
            for loss, trial_id in islice(rows, len(rows) // eta):
                trial = history.trials[trial_id]
                if trial.state is State.PAUSED and trial.step < above and loss < math.inf:
                    return Resume(trial_id, above)
        return None
