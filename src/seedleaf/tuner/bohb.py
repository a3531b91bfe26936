"""BOHB: Hyperband whose configs come from a model, except for a constant share (Falkner et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, History
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler
from seedleaf.tuner.halving import propose_in_brackets
from seedleaf.tuner.hyperband import hyperband_cycle
from seedleaf.tuner.random import RandomSampler


@dataclass(frozen=True)
class BohbScheduler:
    """Hyperband's brackets; a share `random` of the configs is drawn at random, the others by the study's sampler.

    With the tree TPE, which fits on the highest rung with enough data, that is BOHB; it is what "auto" means for the
    sampler beside this scheduler (registry.PAIRED). With another sampler it is Hyperband with that one. The random
    share keeps Hyperband's guarantee, whatever the model believes.
    """

    random: float = 1 / 3

    name: ClassVar[str] = "bohb"
    cites: ClassVar[str] = (
        "Falkner et al. 2018, BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML"
    )

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        drawn = RandomSampler() if rng.random() < self.random else sampler
        return propose_in_brackets(problem, history, drawn, rng, hyperband_cycle(problem))
