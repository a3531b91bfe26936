"""Bayesian optimisation: the config of which a Gaussian process expects the largest improvement in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Config, History
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.tuner.acquisition import log_expected_improvement
from seedleaf.tuner.curves import Model
from seedleaf.tuner.draws import acceptable, draw_valid
from seedleaf.tuner.kernels import Array
from seedleaf.tuner.moves import Moves
from seedleaf.tuner.prior import draw, early, opening, share
from seedleaf.tuner.sobol import SobolSampler
from seedleaf.tuner.tpe import TpeSampler

TRIES = 50  # of the best candidates that are turned into configs and found proposed before or beyond a limit


@dataclass(frozen=True)
class GpSampler:
    """A Gaussian process over config and step (curve_gp.py), so that trials of every length teach it.

    Until `startup` trials stand measured configs cover the space, the default first; afterwards a share
    `explore` is left to TPE, which is wrong elsewhere: where the process sees nothing more to gain, the search goes on.
    With more than `many` trials it is the other way round: they are cheap then, and deciding must be as well. Candidates are
    `fresh` random configs and `near` mutations of those expected to be best; the best of them are mutated `climbs`
    times. A user's prior weighs on the improvement, less as trials accumulate (Hvarfner et al. 2022).
    """

    startup: int = 8
    explore: float = 0.25
    many: int = 400
    fresh: int = 200
    near: int = 100
    climbs: int = 3
    belief: float = 5.0  # how many trials the user's prior is worth

    name: ClassVar[str] = "gp"
    cites: ClassVar[str] = (
        "Jones, Schonlau & Welch 1998, Efficient Global Optimization; Ament et al. 2023, Unexpected Improvements to "
        "Expected Improvement, NeurIPS; Klein et al. 2020, Model-based Asynchronous Hyperparameter and Neural "
        "Architecture Search (MOBSTER), arXiv:2003.10865"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        measured = len(history.trials) - len(history.queued()) - len(history.running())
        if measured < self.startup:
            return self._start(problem, history, rng)
        if rng.random() < (self.explore if measured <= self.many else 1 - self.explore):
            return TpeSampler().propose(problem, history, rng)
        model = Model.of(problem, history)
        if model is not None:
            for units in self._candidates(problem, history, model, rng)[:TRIES]:
                config = decode(problem.space, units)
                if acceptable(problem, history, config):
                    return config
        return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)

    def _start(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        """Near a first config that was given; else the default and points that cover the space."""
        if problem.space.has_prior or any(t.given for t in history.trials.values()):
            return draw_valid(problem, history, lambda: early(problem, history, rng), rng)
        return opening(problem, history) or SobolSampler().propose(problem, history, rng)

    def _candidates(
        self, problem: Problem, history: History, model: Model, rng: np.random.Generator
    ) -> Array:
        """Unit vectors, the most promising first."""
        moves = Moves.of(problem.space)
        ranking = model.ranking()
        mean = model.posterior.curves(model.points[ranking[:1]], ranking[:1]).mean(np.ones(1))
        best = min(model.best, float(mean[0]))
        belief = self.belief * share(problem, history) / len(history.trials)

        def score(units: Array) -> Array:
            x = model.embedding(units)
            gain = log_expected_improvement(
                *model.posterior.curves(x, np.full(len(x), -1)).predict(np.ones(1)), best
            )
            return gain + belief * problem.space.log_prior(units) if belief else gain

        parents = ranking[np.minimum(rng.geometric(0.3, self.near) - 1, len(ranking) - 1)]
        units = np.vstack([moves.random(self.fresh, rng), moves.mutated(model.units[parents], rng)])
        scores = score(units)
        for _ in range(self.climbs):
            top = units[np.argsort(-scores, kind="stable")[:10]]
            moved = moves.mutated(np.repeat(top, 5, axis=0), rng)
            units, scores = np.vstack([units, moved]), np.append(scores, score(moved))
        return np.asarray(units[np.argsort(-scores, kind="stable")])
