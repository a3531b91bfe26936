"""Hyperband: brackets of successive halving that trade many short trainings against few long ones (Li et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, History
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler
from seedleaf.tuner.halving import Cycle, eta_of, propose_in_brackets


@dataclass(frozen=True)
class HyperbandScheduler:
    """The most aggressive bracket first, then ever later first judgements, down to full trainings; then anew.

    Free workers start the next bracket while a rung fills. `sampler="random"` makes it the algorithm of the paper.
    """

    name: ClassVar[str] = "hyperband"
    cites: ClassVar[str] = (
        "Li et al. 2018, Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18"
    )

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        return propose_in_brackets(problem, history, sampler, rng, hyperband_cycle(problem))


def hyperband_cycle(problem: Problem) -> Cycle:
    """The brackets of one round: with s more rungs to climb, ceil((most + 1) / (s + 1) · eta^s) trials."""
    most, eta = len(problem.rungs) - 1, eta_of(problem)
    # -(-a // b) is a / b rounded up, in whole numbers
    return tuple((most - s, -(-(most + 1) * eta**s // (s + 1))) for s in range(most, -1, -1))
