"""Quasi-random search: a scrambled Sobol sequence over the nodes of the tree (Sobol 1967, Owen 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import qmc

from seedleaf.core import Config, History
from seedleaf.seeds import seed_for
from seedleaf.space.problem import Problem
from seedleaf.tuner.draws import draw_valid
from seedleaf.tuner.prior import draw

BLOCK = 64  # points that belong to one trial: where limits reject one, the next of its block is tried


@dataclass(frozen=True)
class SobolSampler:
    """The n-th trial takes the n-th block of the sequence, so no state is kept between proposals."""

    name: ClassVar[str] = "sobol"
    cites: ClassVar[str] = "Sobol 1967, Distribution of points in a cube; Owen 1998, Scrambling Sobol points"

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        space = problem.space
        size = 1 if not problem.limits else BLOCK
        engine = qmc.Sobol(max(len(space), 1), seed=np.random.default_rng(seed_for(problem.seed, "sobol")))
        if history.trials:  # SciPy cannot go forward by nothing
            engine.fast_forward(len(history.trials) * size)
        block = iter(engine.random(size))

        return draw_valid(problem, history, lambda: draw(problem, history, rng, next(block, None)), rng)
