"""TPE over the tree: a density per node, fitted only on the configs in which that node exists.

The density of a config is the product of its active nodes' densities given their parents, so configs with different
branches compare fairly: l(config) / g(config) is the ratio of two proper densities over the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from seedleaf.core import Config, History, State
from seedleaf.space.encode import decode, encode
from seedleaf.space.params import Param
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.tuner.base import acceptable, best_trial, draw_valid, mutate, ranked

Array = NDArray[np.float64]
BINS = 128  # the most kernels that a density of one parameter has


@dataclass(frozen=True)
class TpeSampler:
    """Tree-structured Parzen estimator (Bergstra et al. 2011); observations from the highest rung with enough (BOHB).

    The best `good_share` of those measured form l, the others, the failed and the still running ones g; of `candidates`
    draws from l and `mutations` of good configs the one with the best l/g is proposed. Until `startup` configs
    stand measured a share `local` of proposals are mutations of the best so far, if the first config was given: the
    neighbourhood of a considered default beats the rest of the space (Mallik et al. 2023), that of a random one does not.
    A share `explore` stays random.
    """

    startup: int = 10
    local: float = 0.6
    good_share: float = 0.1
    max_good: int = 25
    candidates: int = 24  # of many more the best l/g lies where g is thin rather than where l is thick
    mutations: int = 4
    explore: float = 0.1
    prior_weight: float = 2.0

    name: ClassVar[str] = "tpe"
    cites: ClassVar[str] = (
        "Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization, NeurIPS; "
        "Falkner et al. 2018, BOHB, ICML"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        good, bad = self._observations(problem, history)
        if rng.random() < self.explore:
            return draw_valid(problem, history, lambda: problem.space.sample(rng), rng)
        if len(good) == 0:
            return draw_valid(problem, history, lambda: self._early(problem, history, rng), rng)
        for _ in range(4):
            for config in self._candidates(problem.space, good, bad, rng):
                if acceptable(problem, history, config):
                    return config
        return draw_valid(problem, history, lambda: problem.space.sample(rng), rng)

    def _early(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        """Before there is a model: a mutation of the incumbent (or of the first config given), or a random config."""
        first = history.trials.get(0)
        if first is None or not first.given or rng.random() >= self.local:
            return problem.space.sample(rng)
        return mutate(problem.space, (best_trial(problem, history) or first).config, rng)

    def _observations(self, problem: Problem, history: History) -> tuple[Array, Array]:
        """(good, bad) as unit vectors, shapes (n, nodes), from the highest step with enough of them."""
        for step in reversed(history.steps_measured()):
            rows = history.at(step)
            if len(rows) < self.startup:
                continue
            order = [trial for _, trial in ranked(problem, history, step)]
            n_good = min(max(int(np.ceil(self.good_share * len(order))), 2), self.max_good)
            pending = [t.id for t in history.in_state(State.RUNNING, State.FAILED) if t.id not in rows]
            vectors = _vectors(problem.space, history)
            return vectors[order[:n_good]], vectors[order[n_good:] + pending]
        return np.empty((0, 0)), np.empty((0, 0))

    def _candidates(
        self, space: Space, good: Array, bad: Array, rng: np.random.Generator
    ) -> Iterator[Config]:
        """Configs drawn from l, best l/g first."""
        n = self.candidates + self.mutations
        values = np.full((n, len(space)), np.nan)
        moved = np.full((n, len(space)), np.nan)
        for k in range(self.mutations):
            start = decode(space, good[int(rng.integers(len(good)))])
            moved[k] = encode(space, mutate(space, start, rng))
        score = np.zeros(n)
        for i, node in enumerate(space.nodes):
            alive = space.alive(i, values)
            density = Categorical if _is_categorical(node.param) else Parzen
            here, there = _column(good, i), _column(bad, i)
            low = density.fit(here, node.param, self.prior_weight)
            high = density.fit(there, node.param, self.prior_weight)
            drawn = np.where(np.isnan(moved[:, i]), low.sample(n, rng), moved[:, i])
            score += np.where(alive, low.log_pdf(drawn) - high.log_pdf(drawn), 0.0)
            values[alive, i] = drawn[alive]
        return (decode(space, values[k]) for k in np.argsort(-score, kind="stable"))


def _is_categorical(param: Param) -> bool:
    return not param.is_ordered


def _column(rows: Array, i: int) -> Array:
    column = rows[:, i] if len(rows) else np.empty(0)
    return column[~np.isnan(column)]


def _vectors(space: Space, history: History) -> Array:
    """All trials' configs as unit vectors, shape (trials, nodes); kept in the history's memo and extended."""
    kept_space, n, rows = history.memo.get("vectors", (None, 0, np.empty((0, 0))))
    if kept_space is not space:
        n, rows = 0, np.empty((64, len(space)))
    total = len(history.trials)
    if total > len(rows):
        grown = np.empty((2 * total, len(space)))
        grown[:n] = rows[:n]
        rows = grown
    for trial_id in range(n, total):
        rows[trial_id] = encode(space, history.trials[trial_id].config)
    history.memo["vectors"] = space, total, rows
    return np.asarray(rows[:total])


@dataclass(frozen=True)
class Categorical:
    """Smoothed frequencies of n options, on the unit values that `Choice.to_unit` gives."""

    log_p: Array

    @classmethod
    def fit(cls, units: Array, param: Param, prior_weight: float) -> Categorical:
        n = param.n_values or 1
        counts = np.bincount(np.minimum((units * n).astype(np.intp), n - 1), minlength=n) + prior_weight / n
        return cls(np.log(counts / counts.sum()))

    def sample(self, size: int, rng: np.random.Generator) -> Array:
        n = len(self.log_p)
        return (rng.choice(n, size=size, p=np.exp(self.log_p)) + 0.5) / n

    def log_pdf(self, units: Array) -> Array:
        n = len(self.log_p)
        return self.log_p[np.minimum((units * n).astype(np.intp), n - 1)]


@dataclass(frozen=True)
class Parzen:
    """A mixture of Gaussians cut to [0, 1], one per observation, and a uniform component as the prior."""

    centres: Array
    widths: Array
    log_weights: Array  # one more than centres: the last is the uniform prior's

    @classmethod
    def fit(cls, units: Array, param: Param, prior_weight: float) -> Parzen:
        n = len(units)
        centres, counts = np.sort(units), np.ones(n)
        if n > BINS:  # kernels are wider than a bin, so many points cost no more than few and lose nothing
            held = np.bincount(np.minimum((units * BINS).astype(np.intp), BINS - 1), minlength=BINS)
            counts = held[held > 0].astype(float)
            centres = (np.flatnonzero(held) + 0.5) / BINS
        weights = np.append(counts, prior_weight)
        # Each kernel reaches to its farther neighbour, the ends of the interval included (Bergstra et al. 2011): one
        # width for all, from the spread, left TPE behind random search on functions with more than one valley. Never
        # narrower than the spacing that n points could have at best, else the sampler repeats its best point.
        gaps = np.diff(centres, prepend=0.0, append=1.0)
        width = np.clip(np.maximum(gaps[:-1], gaps[1:]), 1 / min(1 + n, 100), 1.0)
        return cls(centres, width, np.log(weights / weights.sum()))

    def sample(self, size: int, rng: np.random.Generator) -> Array:
        component = rng.choice(len(self.log_weights), size=size, p=np.exp(self.log_weights))
        uniform = rng.random(size)
        out = uniform.copy()
        kernel = component < len(self.centres)
        if kernel.any():
            mu, sd = self.centres[component[kernel]], self.widths[component[kernel]]
            low, high = ndtr((0 - mu) / sd), ndtr((1 - mu) / sd)
            out[kernel] = mu + sd * ndtri(low + uniform[kernel] * (high - low))
        return np.clip(out, 0.0, 1.0 - 1e-12)

    def log_pdf(self, units: Array) -> Array:
        terms = np.zeros((len(units), len(self.log_weights)))
        if len(self.centres):
            z = (units[:, None] - self.centres) / self.widths
            mass = ndtr((1 - self.centres) / self.widths) - ndtr(-self.centres / self.widths)
            terms[:, :-1] = -0.5 * z * z - np.log(self.widths * np.sqrt(2 * np.pi)) - np.log(mass)
        terms += self.log_weights
        top = terms.max(axis=1)
        return np.asarray(top + np.log(np.exp(terms - top[:, None]).sum(axis=1)))
