"""Full budget: every config is trained to the end, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, History, Resume, State
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, end, start_new


@dataclass(frozen=True)
class FullScheduler:
    """No early judgement: what a study without fidelity needs, and the control for all others."""

    name: ClassVar[str] = "full"
    cites: ClassVar[str] = ""

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        # A config that was queued with less than the full budget is brought there too.
        for trial in history.in_state(State.PAUSED):
            return Resume(trial.id, problem.full)
        return start_new(problem, history, sampler, rng, problem.full) or end(problem, history)
