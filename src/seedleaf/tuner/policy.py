"""Reinforcement learning: a policy over the tree, improved by policy gradients (Williams 1992, Zoph & Le 2017).

The policy is one distribution per node: a softmax over the options of a choice, a normal cut to [0, 1] for a number. Its
parameters are no state: they follow from the results in their order, and are kept in the history's memo only to save time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from seedleaf.core import Config, History, Metrics, State
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.tuner.constraints import violation
from seedleaf.tuner.draws import draw_valid
from seedleaf.tuner.evidence import deepest, vectors
from seedleaf.tuner.prior import draw, early

Array = NDArray[np.float64]
SPREAD = 0.4  # standard deviation of a number at first: nearly even over its unit interval
NARROWEST = 0.02
BLOCK = 64  # configs drawn at a time where limits reject them


@dataclass(frozen=True)
class PolicySampler:
    """REINFORCE with a baseline, `epochs` clipped passes over each batch of results (Schulman et al. 2017, PPO).

    The reward of a trial is the rank of its first objective among the `window` results before it, so that no scale and
    no heavy tail matters; the baseline is the mean of that. Rewards rise with the cube of the rank: the best say where to
    go, the others little.
    The bonus for entropy falls as 1 / (1 + results / `patience`). Failed trials are folded in last, as the worst.
    A share `explore` is drawn at random.
    """

    startup: int = 8
    batch: int = 4
    epochs: int = 3
    clip: float = 0.3
    rate: float = 0.3
    window: int = 24
    entropy: float = 0.05
    patience: float = 20.0
    explore: float = 0.1

    name: ClassVar[str] = "policy"
    cites: ClassVar[str] = (
        "Williams 1992, Simple statistical gradient-following algorithms, Machine Learning 8; "
        "Zoph & Le 2017, Neural Architecture Search with Reinforcement Learning, ICLR; "
        "Schulman et al. 2017, Proximal Policy Optimization, arXiv:1707.06347"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        step = deepest(history, self.startup)
        if step is None:
            return draw_valid(problem, history, lambda: early(problem, history, rng), rng)
        if rng.random() < self.explore:
            return draw_valid(problem, history, lambda: draw(problem, history, rng), rng)
        policy = self._policy(problem, history, step)
        rows = (row for n in count() for row in policy.sample(1 if n == 0 else BLOCK, rng))
        return draw_valid(problem, history, lambda: decode(problem.space, next(rows)), rng)

    def _policy(self, problem: Problem, history: History, step: int) -> Policy:
        """The policy after all whole batches of results at `step`, in the order in which they came.

        The memo keeps the policy after each batch, so that a result which no longer stands undoes only what followed.
        """
        space, rows = problem.space, history.at(step)
        trials, units = list(rows), vectors(space, history)
        policies: list[Policy]
        kept, known, policies = history.memo.get(f"policy:{self}:{step}", (None, [], []))
        if kept is not space:
            known, policies = [], [Policy.start(space)]
        whole = min(_common(trials, known), len(known)) // self.batch
        policies = policies[: whole + 1]
        for first in range(whole * self.batch, len(trials) - self.batch + 1, self.batch):
            after = first + self.batch
            seen = [rows[trial] for trial in trials[max(first - self.window, 0) : after]]
            losses = np.array([_loss(problem, metrics) for metrics in seen])
            policies.append(self._fold(policies[-1], units[trials[first:after]], losses, first))
        history.memo[f"policy:{self}:{step}"] = space, trials, policies
        failed = [t.id for t in history.in_state(State.FAILED)][-self.window :]
        if not failed:
            return policies[-1]
        return policies[-1].improved(units[failed], np.full(len(failed), -0.25), self.rate, self.clip, 0.0)

    def _fold(self, policy: Policy, units: Array, losses: Array, folded: int) -> Policy:
        """One batch, the last rows of `losses`, folded into the policy."""
        new = losses[-len(units) :, None]
        beaten = ((losses > new).sum(axis=1) + 0.5 * ((losses == new).sum(axis=1) - 1)) / max(
            len(losses) - 1, 1
        )
        advantage = 2 * (beaten**3 - 0.25)  # the mean of a cubed even rank is a quarter
        bonus = self.entropy / (1 + folded / self.patience)
        old = policy
        for _ in range(self.epochs):
            policy = policy.improved(units, advantage, self.rate, self.clip, bonus, old)
        return policy


@dataclass(frozen=True)
class Policy:
    """`mean` and `log_sd`, shape (nodes,), of the ordered nodes; `logits`, shape (nodes, most options), of the others.

    `options` says how many options an unordered node has and is 0 for ordered ones; logits beyond them are -inf.
    """

    mean: Array
    log_sd: Array
    logits: Array
    options: NDArray[np.intp]

    @classmethod
    def start(cls, space: Space) -> Policy:
        """Nearly uniform."""
        n = len(space)
        options = np.array(
            [0 if node.param.is_ordered else node.param.n_values or 1 for node in space.nodes], np.intp
        )
        logits = np.where(np.arange(options.max(initial=1)) < options[:, None], 0.0, -np.inf)
        return cls(np.full(n, 0.5), np.full(n, np.log(SPREAD)), logits, options)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Unit vectors, shape (n, nodes), with a value for every node; the inactive ones are not read."""
        uniform = rng.random((n, len(self.mean)))
        low, high = self._ends()
        start, stop = ndtr(low), ndtr(high)
        out = self.mean + np.exp(self.log_sd) * ndtri(start + uniform * (stop - start))
        unordered = np.flatnonzero(self.options)
        if len(unordered):
            reached = np.cumsum(self._shares()[unordered], axis=1)
            below = (reached < uniform[:, unordered, None]).sum(axis=2)
            picked = np.minimum(below, self.options[unordered] - 1)
            out[:, unordered] = (picked + 0.5) / self.options[unordered]
        return np.clip(out, 0.0, 1.0 - 1e-12)

    def improved(
        self,
        units: Array,
        advantage: Array,
        rate: float,
        clip: float,
        bonus: float,
        old: Policy | None = None,
    ) -> Policy:
        """One step up the clipped gradient for unit vectors, shape (n, nodes), and their advantages, shape (n,).

        Each node is clipped for itself: the ratio of whole configs would leave any interval at once in a large tree.
        """
        active = ~np.isnan(units)
        filled = np.where(active, units, 0.5)
        weight = np.where(active, advantage[:, None], 0.0)
        if old is not None:
            ratio = np.exp(np.clip(self._log_p(filled) - old._log_p(filled), -5.0, 5.0))
            over = np.where(weight > 0, ratio > 1 + clip, ratio < 1 - clip)
            weight = np.where(over, 0.0, weight * np.minimum(ratio, 1 + clip))
        return self._moved(filled, weight / len(units) ** 0.5, rate, bonus)

    def _moved(self, units: Array, weight: Array, rate: float, bonus: float) -> Policy:
        sd = np.exp(self.log_sd)
        low, high = self._ends()
        mass = ndtr(high) - ndtr(low)
        z = (units - self.mean) / sd
        # The score of a normal cut to [0, 1]: the second terms are the derivatives of the log of the mass inside.
        by_mean = z - (_bell(low) - _bell(high)) / mass
        by_log_sd = z * z - 1 - (low * _bell(low) - high * _bell(high)) / mass
        # Scaled by sd² (one is in the score), as the natural gradient is, else steps would grow as the policy narrows.
        mean = np.clip(self.mean + rate * sd * (weight * by_mean).sum(axis=0), 0.0, 1.0)
        log_sd = self.log_sd + rate * 0.5 * (weight * by_log_sd).sum(axis=0) + bonus * rate
        share = self._shares()
        hit = (self._option(units)[:, :, None] == np.arange(share.shape[1])).astype(float)
        logits = self.logits + 2 * rate * (weight[:, :, None] * (hit - share)).sum(axis=0)
        known = np.where(share > 0, np.log(np.maximum(share, 1e-300)), 0.0)
        surprise = -known - (-share * known).sum(axis=1, keepdims=True)
        logits = logits + bonus * rate * share * surprise
        return Policy(mean, np.clip(log_sd, np.log(NARROWEST), np.log(2 * SPREAD)), logits, self.options)

    def _ends(self) -> tuple[Array, Array]:
        """The ends of [0, 1] in standard deviations from the mean."""
        sd = np.exp(self.log_sd)
        return (0.0 - self.mean) / sd, (1.0 - self.mean) / sd

    def _shares(self) -> Array:
        """The probability of each option, shape (nodes, most options); rows of ordered nodes are zero."""
        top = np.where(self.options > 0, self.logits.max(axis=1, initial=-np.inf), 0.0)
        share = np.exp(self.logits - top[:, None])
        return np.asarray(share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300))

    def _option(self, units: Array) -> NDArray[np.intp]:
        """Which option the unit values of unordered nodes stand for, shape of `units`; 0 for the others."""
        return np.minimum((units * self.options).astype(np.intp), np.maximum(self.options - 1, 0))

    def _log_p(self, units: Array) -> Array:
        """Log probability (density) of each value, shape of `units`, up to a constant."""
        low, high = self._ends()
        z = (units - self.mean) / np.exp(self.log_sd)
        number = -0.5 * z * z - self.log_sd - np.log(ndtr(high) - ndtr(low))
        share = np.maximum(self._shares(), 1e-300)
        option = np.log(np.take_along_axis(share, self._option(units).T, axis=1).T)
        return np.where(self.options > 0, option, number)


def _loss(problem: Problem, metrics: Metrics) -> float:
    """The first objective; +inf beyond a measured limit."""
    beyond = violation(problem.measured_limits, metrics) > 0
    return np.inf if beyond else problem.objectives[0].loss(metrics)


def _common(one: list[int], other: list[int]) -> int:
    """How many of their first entries two lists share."""
    if one[: len(other)] == other:
        return len(other)
    return next(i for i, (a, b) in enumerate(zip([*one, -1], other, strict=False)) if a != b)


def _bell(x: Array) -> Array:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))
