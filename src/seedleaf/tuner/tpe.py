"""TPE over the tree: what tells good configs from bad ones, node by node and all nodes together.

The density of a config is the product of its active nodes' densities given their parents, so configs with different
branches compare fairly: l(config) / g(config) is the ratio of two proper densities over the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, History, State
from seedleaf.space.encode import decode, encode
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.tuner.base import ranked
from seedleaf.tuner.draws import acceptable, draw_valid
from seedleaf.tuner.evidence import deepest, vectors
from seedleaf.tuner.evolution import child
from seedleaf.tuner.joint import Together
from seedleaf.tuner.parzen import NodeWise, Shape
from seedleaf.tuner.prior import draw, early, share

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TpeSampler:
    """Tree-structured Parzen estimator (Bergstra et al. 2011); observations from the highest rung with enough (BOHB).

    The best `good_share` of those measured form l, the others, the failed and the still running ones g; of `candidates`
    draws from l and `mutations` of good configs the one with the best l/g is proposed. For a share `together` of the
    proposals l and g are kernels over whole configs, which see what goes with what (Falkner et al. 2018), else one
    density per node, which needs fewer trials. A share `local` of proposals are mutations of good configs unjudged: no
    model keeps them from going on where it believes to know better. The user's prior is the part of l that no trial
    stands for. Until `startup` configs stand measured they come from `prior.early`; a share `explore` stays random.
    """

    startup: int = 10
    good_share: float = 0.1
    max_good: int = 25
    near: int = 256  # of the others so many are enough to compare with where kernels span whole configs
    candidates: int = 24  # of many more the best l/g lies where g is thin rather than where l is thick
    mutations: int = 4
    together: float = 0.75
    local: float = 0.35
    explore: float = 0.1
    prior_weight: float = 2.0

    name: ClassVar[str] = "tpe"
    cites: ClassVar[str] = (
        "Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization, NeurIPS; "
        "Falkner et al. 2018, BOHB, ICML"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        step = deepest(history, self.startup)
        if step is None:
            return draw_valid(problem, history, lambda: early(problem, history, rng), rng)
        good = self._good(problem, history, step)
        how = rng.random()
        if how < self.local:
            parent = history.trials[good[int(rng.integers(len(good)))]].config
            return draw_valid(problem, history, lambda: child(problem.space, parent, rng), rng)
        if how < 1 - self.explore:
            for _ in range(4):
                for config in self._candidates(problem, history, step, good, rng):
                    if acceptable(problem, history, config):
                        return config
        return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)

    def _good(self, problem: Problem, history: History, step: int) -> list[int]:
        """The trials that l stands for."""
        order = ranked(problem, history, step)
        n = min(max(int(np.ceil(self.good_share * len(order))), 2), self.max_good)
        return [trial for _, trial in order[:n]]

    def _candidates(
        self, problem: Problem, history: History, step: int, chosen: list[int], rng: np.random.Generator
    ) -> Iterator[Config]:
        """Configs drawn from l, which stands for the trials `chosen`, best l/g first."""
        space, units = problem.space, vectors(problem.space, history)
        good = units[chosen]
        believing, even = Shape.of(space, share(problem, history)), Shape.of(space)
        low: NodeWise | Together
        high: NodeWise | Together
        if rng.random() < self.together:
            ranking = ranked(problem, history, step)
            others = [trial for _, trial in islice(ranking, len(good), len(good) + self.near)]
            low = Together.fit(believing, good, self.prior_weight)
            high = Together.fit(even, units[others + _pending(history, step, self.near)], self.prior_weight)
        else:
            low = NodeWise.fit(believing, good, self.prior_weight)
            high = NodeWise.fit_tally(
                even, _tally(even, space, history, step) - even.tally(good), self.prior_weight
            )
        rows = low.sample(self.candidates + self.mutations, rng)
        for k in range(self.mutations):
            start = decode(space, good[int(rng.integers(len(good)))])
            moved = encode(space, child(space, start, rng))
            rows[k] = np.where(np.isnan(moved), rows[k], moved)
        for i in range(len(space)):
            rows[~space.alive(i, rows), i] = np.nan
        score = low.log_pdf(rows) - high.log_pdf(rows)
        return (decode(space, rows[k]) for k in np.argsort(-score, kind="stable"))


def _pending(history: History, step: int, at_most: int) -> list[int]:
    """The trials that run and those that failed, the latest `at_most` of each: what should not be proposed again."""
    rows = history.at(step)
    running = [t.id for t in history.in_state(State.RUNNING) if t.id not in rows]
    return running[-at_most:] + [t.id for t in history.in_state(State.FAILED)][-at_most:]


def _tally(shape: Shape, space: Space, history: History, step: int) -> Array:
    """`Shape.tally` of the trials measured at `step`, the failed and the running; memo kept and extended but for those."""
    units, rows = vectors(space, history), history.at(step)
    failed = [t.id for t in history.in_state(State.FAILED)]
    key = f"tally:{step}"
    kept, dropped, n_rows, n_failed, counts = history.memo.get(key, (None, 0, 0, 0, None))
    if kept is not space or dropped != history.dropped:
        n_rows, n_failed, counts = 0, 0, shape.tally(units[:0])
    new = [*islice(rows, n_rows, None), *failed[n_failed:]]
    counts = counts + shape.tally(units[new]) if new else counts
    history.memo[key] = space, history.dropped, len(rows), len(failed), counts
    running = [t.id for t in history.in_state(State.RUNNING) if t.id not in rows]
    return np.asarray(counts + shape.tally(units[running]))
