"""Regularised evolution: mutate the best of a few out of the most recent; the old die, however good (Real et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedleaf.core import Config, History, State
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.tuner.base import ranked
from seedleaf.tuner.draws import draw_valid
from seedleaf.tuner.evidence import deepest
from seedleaf.tuner.prior import draw, early


@dataclass(frozen=True)
class EvolutionSampler:
    """The population is the last `population` trials measured at the highest step that has `startup` of them.

    A parent is the best of `tournament` drawn from it; a child is a neighbour of its parent in the tree, on average
    1 / `stay` moves away, so a changed choice brings its branch along, drawn anew. A number's move is at random small
    or large, between the two `scales` of its unit interval. Trials that run already have their place, and the oldest
    made way for them. A share `fresh` is drawn at random.
    """

    population: int = 24
    tournament: int = 6
    startup: int = 10
    stay: float = 0.6
    scales: tuple[float, float] = (0.02, 0.3)
    fresh: float = 0.05

    name: ClassVar[str] = "evolution"
    cites: ClassVar[str] = (
        "Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search, AAAI"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        population = self._population(problem, history)
        if not population:
            return draw_valid(problem, history, lambda: early(problem, history, rng), rng)
        if rng.random() < self.fresh:
            return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)
        return draw_valid(problem, history, lambda: self._child(problem, history, population, rng), rng)

    def _population(self, problem: Problem, history: History) -> Sequence[int]:
        """The trials that may be parents, best first."""
        step = deepest(history, self.startup)
        if step is None:
            return []
        rows = history.at(step)
        running = sum(1 for t in history.in_state(State.RUNNING) if t.id not in rows)
        alive = set(list(rows)[-max(self.population - running, self.tournament) :])
        return [trial for _, trial in ranked(problem, history, step) if trial in alive]

    def _child(
        self, problem: Problem, history: History, population: Sequence[int], rng: np.random.Generator
    ) -> Config:
        size = min(self.tournament, len(population))
        parent = population[int(rng.choice(len(population), size=size, replace=False).min())]
        return child(problem.space, history.trials[parent].config, rng, self.stay, self.scales)


def child(
    space: Space,
    config: Config,
    rng: np.random.Generator,
    stay: float = 0.6,
    scales: tuple[float, float] = (0.02, 0.3),
) -> Config:
    """`config` after 1 / `stay` moves on average, each by a random scale: small ones refine, large ones find the valley."""
    low, high = np.log(scales)
    for _ in range(int(rng.geometric(stay))):
        config = space.neighbour(config, rng, float(np.exp(rng.uniform(low, high))))
    return config
