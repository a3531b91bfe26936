"""Configs that did well elsewhere, tried in their order before anything is proposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Config, History, Value
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler
from seedleaf.tuner.draws import acceptable


@dataclass(frozen=True)
class PortfolioSampler:
    """The first of `configs` that has not been proposed and keeps the known limits; after the last, what `then` proposes.

    A config names what it sets; the rest is at its default.
    """

    configs: tuple[Mapping[str, Value], ...]
    then: Sampler

    name: ClassVar[str] = "portfolio"
    cites: ClassVar[str] = (
        "Feurer et al. 2022, Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning, JMLR 23: portfolios"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        for given in self.configs:
            config = problem.space.complete(given)
            if acceptable(problem, history, config):
                return config
        return self.then.propose(problem, history, rng)
