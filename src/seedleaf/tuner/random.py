"""Random search: every parameter uniform on its own scale (Bergstra & Bengio 2012), or from the user's prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Config, History
from seedleaf.space.problem import Problem
from seedleaf.tuner.draws import draw_valid
from seedleaf.tuner.prior import draw


@dataclass(frozen=True)
class RandomSampler:
    """Draws from the root of the tree down."""

    name: ClassVar[str] = "random"
    cites: ClassVar[str] = "Bergstra & Bengio 2012, Random Search for Hyper-Parameter Optimization, JMLR 13"

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)
