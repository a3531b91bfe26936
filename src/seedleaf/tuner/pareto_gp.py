"""Several objectives from few evaluations: a Gaussian process for each, and the expected gain in hypervolume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from seedleaf.core import Config, History, Limit, Metrics, State
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.tuner.additive_gp import AdditiveGp
from seedleaf.tuner.base import ranked
from seedleaf.tuner.constraints import violation
from seedleaf.tuner.draws import acceptable, draw_valid
from seedleaf.tuner.ehvi import expected_gain
from seedleaf.tuner.evidence import deepest, vectors
from seedleaf.tuner.moves import Moves
from seedleaf.tuner.multi import losses
from seedleaf.tuner.pareto import pareto_front
from seedleaf.tuner.prior import draw, early
from seedleaf.tuner.tpe import TpeSampler

Array = NDArray[np.float64]
BENDS = (0.5, 1.0, 3.0, 10.0)  # see `bend_of`: nearly a straight line at the end
ROUNDS = 25  # of fitting a model; a third beyond `many` trials
LATER = 0.75  # the share of TPE beyond `many` trials
NEAREST = 8  # while nobody keeps the limits so many are mutated, those that break them least
EARLY = 20  # trials, mostly random, that say where the reference lies
MARGIN = 0.1  # of the reference behind the front's worst values, as a share of the front's range


@dataclass(frozen=True)
class ParetoGpSampler:
    """Until `startup` trials stand measured configs are random; later a share `explore` stays so.

    With two objectives a share `densities` of the rest is left to TPE, which goes by the order of fronts alone: what one of
    them is blind to the other sees, and together they were ahead of each on a rough and on a smooth table. With more nearly
    all trials are on the front, and TPE has little to go by. Beyond `many` trials most decisions are TPE's: trials are cheap
    then, and deciding must be as well.

    Of the trials at the highest step that has enough of them the best `most` (front by front) are modelled. `pool`
    candidates are mutations and crosses of configs on the front, and a share `fresh` of random ones; the best are
    mutated `climbs` times. Running trials count as if they had brought what the models expect of them. With measured
    limits the gain is weighed by the probability that they are kept.
    """

    startup: int = 10
    explore: float = 0.05
    densities: float = 0.33
    many: int = 400
    most: int = 200
    pool: int = 1200
    climbs: int = 4
    fresh: float = 0.6  # on a table of 28 parameters that much missed a third less volume than 0.2 of 400
    usual: float = 0.9  # the reference lies at this quantile of the first trials, and behind the front

    name: ClassVar[str] = "pareto-gp"
    cites: ClassVar[str] = (
        "Emmerich, Yang, Deutz, Wang & Fonseca 2016, A Multicriteria Generalization of Bayesian Global Optimization; "
        "Zhang & Golovin 2020, Random Hypervolume Scalarizations for Provable Multi-Objective Black Box Optimization, "
        "ICML; Gardner et al. 2014, Bayesian Optimization with Inequality Constraints, ICML"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        step = deepest(history, self.startup)
        if step is None:
            return draw_valid(problem, history, lambda: early(problem, history, rng), rng)
        many = len(history.at(step)) > self.many
        left = LATER if many else self.densities if len(problem.objectives) <= 2 else 0.0
        if rng.random() < left:
            return TpeSampler().propose(problem, history, rng)
        if rng.random() >= self.explore:
            for config in self._candidates(problem, history, step, rng):
                if acceptable(problem, history, config):
                    return config
        return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)

    def _candidates(
        self, problem: Problem, history: History, step: int, rng: np.random.Generator
    ) -> Iterator[Config]:
        """Configs, the most promising first."""
        belief = Belief.of(self, problem, history, step)
        moves, space = Moves.of(problem.space), problem.space
        good = belief.units[belief.front]
        fresh = int(self.fresh * self.pool)
        parents = good[rng.integers(len(good), size=self.pool - fresh)]
        half = len(parents) * 3 // 4
        pool = np.concatenate(
            [
                moves.random(fresh, rng),
                moves.mutated(parents[:half], rng, self._stays(half, len(space), rng)),
                moves.crossed(parents[half:], rng),
            ]
        )
        worth = belief.worth(pool)
        for _ in range(self.climbs):
            best = pool[np.argsort(-worth, kind="stable")[:5]]
            more = moves.mutated(np.repeat(best, 12, axis=0), rng, stay=0.8)
            pool, worth = np.concatenate([pool, more]), np.concatenate([worth, belief.worth(more)])
        return (decode(space, pool[i]) for i in np.argsort(-worth, kind="stable"))

    def _stays(self, n: int, nodes: int, rng: np.random.Generator) -> Array:
        """From one move away to half of the parameters away."""
        return np.exp(rng.uniform(np.log(min(2 / nodes, 0.8)), np.log(0.8), n))


@dataclass(frozen=True)
class Belief:
    """What stands measured, and what the models say of the rest. Losses are scaled: 0 the lowest, 1 the median.

    `units` (n, nodes) and `points` (n, m) of the trials that keep the limits, `front` a mask (n,) of the best of them;
    `units` of all trials and no points where none does. The models are of log(loss + bend). `expected` (r, m) is what the
    running trials will bring.
    """

    units: Array
    points: Array
    front: NDArray[np.bool_]
    reference: Array
    models: Sequence[AdditiveGp]
    bends: Array
    limits: Sequence[AdditiveGp]  # of each measured limit a model of how far its metric is beyond the bound
    expected: Array

    @classmethod
    def of(cls, sampler: ParetoGpSampler, problem: Problem, history: History, step: int) -> Belief:
        space, rows, known = problem.space, history.at(step), vectors(problem.space, history)
        order = [trial for _, trial in ranked(problem, history, step)][: sampler.most]
        units = known[order]
        raw = np.array([losses(problem, rows[t]) for t in order])
        low, unit = scale_of(raw)
        points = (raw - low) / unit
        bends = np.array([bend_of(column) for column in points.T])
        rounds = ROUNDS if len(rows) <= sampler.many else ROUNDS // 3
        models = [AdditiveGp.fit(space, units, column, rounds) for column in np.log(points + bends).T]
        limits = [
            _limit(problem, units, [rows[t] for t in order], limit) for limit in problem.measured_limits
        ]
        running = [t.id for t in history.in_state(State.RUNNING) if t.id not in rows]
        expected = points[:0]
        if running:
            expected = np.exp(np.stack([m.predict(known[running])[0] for m in models], axis=1)) - bends
        able = np.array([violation(problem.measured_limits, rows[t]) == 0 for t in order])
        if not able.any():
            nearest = np.arange(len(units)) < NEAREST
            return cls(units, points[:0], nearest, points.max(axis=0), models, bends, limits, expected)
        # Of the first trials: among later ones the search itself would move its reference.
        first = np.array([losses(problem, metrics) for metrics in islice(rows.values(), EARLY)])
        usual = np.quantile((first - low) / unit, sampler.usual, axis=0)
        units, points = units[able], points[able]
        front = pareto_front(points)
        best, worst = points[front].min(axis=0), points[front].max(axis=0)
        # With more than two objectives nearly all are on the front, and its worst values say nothing.
        reference = np.maximum(worst + MARGIN * (worst - best), usual) if points.shape[1] == 2 else usual
        return cls(units, points, front, reference, models, bends, limits, expected)

    def worth(self, units: Array) -> Array:
        """The expected gain in hypervolume of candidates, shape (n, nodes), by the probability of keeping the limits.

        While no trial keeps them that probability is all that counts.
        """
        kept = np.ones(len(units))
        for model in self.limits:
            mean, sd = model.predict(units)
            kept *= ndtr(-mean / sd)
        if not len(self.points):
            return kept
        told = [model.predict(units) for model in self.models]
        mean, sd = np.stack([m for m, _ in told], axis=1), np.stack([s for _, s in told], axis=1)
        there = np.concatenate([self.points, self.expected])
        return np.asarray(kept * expected_gain(mean, sd, there, self.reference, self.bends))


def bend_of(values: Array) -> float:
    """The b of log(value + b) that makes `values`, shape (n,), likeliest for a normal variable.

    As Box & Cox (1964) choose their power: heavy tails are drawn in, what is well behaved stays nearly as it is.
    """
    tried = [np.log(values + b) for b in BENDS]
    # The log likelihood of a normal variable after the change of scale, up to a constant.
    fits = [-len(values) * np.log(max(z.std(), 1e-9)) - z.sum() for z in tried]
    return BENDS[int(np.argmax(fits))]


def scale_of(losses: Array) -> tuple[Array, Array]:
    """The lowest of losses, shape (n, m), and how far the median lies above it; each of shape (m,)."""
    low, median, spread = losses.min(axis=0), np.median(losses, axis=0), losses.std(axis=0)
    return low, np.where(median > low, median - low, np.where(spread > 0, spread, 1.0))


def _limit(problem: Problem, units: Array, metrics: Sequence[Metrics], limit: Limit) -> AdditiveGp:
    """A model of how far the metric is beyond its bound, squeezed where that is far; what is no number is far beyond."""
    values = np.array([m.get(limit.metric, np.nan) for m in metrics]) - limit.at_most
    unit = np.nanmedian(np.abs(values)) or 1.0
    return AdditiveGp.fit(problem.space, units, np.tanh(np.nan_to_num(values / unit, nan=10.0)))
