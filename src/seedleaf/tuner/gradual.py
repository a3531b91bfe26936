"""Configs that cover the space, until there are so many trials that a model knows better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Config, History
from seedleaf.space.problem import Problem
from seedleaf.tuner.prior import opening
from seedleaf.tuner.sobol import SobolSampler
from seedleaf.tuner.tpe import TpeSampler


@dataclass(frozen=True)
class GradualSampler:
    """The default first, then points that cover the space; from the trial number `many` on TPE's for a share `model`.

    Beside a scheduler that judges trials by their first steps variety is worth more than good guesses, for as long as the
    guesses rest on first steps of few trials.
    """

    many: int = 400
    model: float = 0.5

    name: ClassVar[str] = "gradual"
    cites: ClassVar[str] = "Falkner et al. 2018, BOHB, ICML: a model beside a share of random configs"

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        default = opening(problem, history)
        if default is not None:
            return default
        if len(history.trials) >= self.many and rng.random() < self.model:
            return TpeSampler().propose(problem, history, rng)
        return SobolSampler().propose(problem, history, rng)
