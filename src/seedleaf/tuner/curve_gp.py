"""A Gaussian process over (config, step) that extrapolates learning curves (Swersky, Snoek & Adams 2014).

Five things add up to a loss: a trend that all curves share; what the config is worth at every step, and what it is worth
early or late (the same kernel over configs, times one over the logarithm of the step); what sets this one trial apart
from its neighbours, for good and for a while; and noise. Differences between configs grow or shrink with the logarithm
of the step. With one step it is a plain GP over configs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from seedleaf.distances import squared_distances
from seedleaf.tuner.kernels import Array, Ints, matern32, matern52

JITTER = 1e-6
# The parts of the covariance: centre and spread of a normal prior on the logarithm of each weight. Losses are
# standardised, so weights are shares of a variance of about one. The centres are what fits to whole curves of random
# configs gave on a dozen problems; "level" is small beside "early" because a first step says little about the last.
PARTS = {
    "trend": (0.13, 1.0),
    "level": (0.25, 1.0),
    "early": (0.7, 0.7),
    "own": (0.015, 1.0),
    "own_early": (0.05, 1.3),
    "noise": (0.005, 1.8),
}
STEPS = (0.55, 0.4)  # the same for the length scales over the logarithm of the step, whose whole range is 1
REACH = (0.5, 0.9)  # and of one parameter, in units of its range, times the square root of their number
NOISE = 5  # place of "noise" among the parts
# And of the logarithm by which differences between configs grow from the first step to the last.
GROWTH = (0.0, 0.7)


@dataclass(frozen=True)
class Rows:
    """Observations: `x` the configs' points in the embedding, shape (curves, columns); for each of the n rows `at`,
    ascending, says whose it is and `s` the logarithm of its step as a share of that of a full training, in [0, 1]."""

    x: Array
    at: Ints
    s: Array

    def __len__(self) -> int:
        return len(self.s)

    def take(self, index: Ints) -> Rows:
        return Rows(self.x, self.at[index], self.s[index])


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters, all logarithms: `scales` per node, `steps` (shared, own), `parts` in the order of PARTS; `growth` of
    the differences between configs from the first step to the last."""

    scales: Array
    steps: Array
    parts: Array
    growth: float

    @classmethod
    def centre(cls, nodes: int, active: float) -> Hyper:
        """The middle of the prior."""
        reach = np.full(nodes, np.log(REACH[0] * np.sqrt(max(active, 1))))
        parts = np.log([centre for centre, _ in PARTS.values()])
        return cls(reach, np.full(2, np.log(STEPS[0])), parts, GROWTH[0])

    @classmethod
    def spread(cls, nodes: int) -> Array:
        return np.concatenate(
            [np.full(nodes, REACH[1]), np.full(2, STEPS[1]), [s for _, s in PARTS.values()], [GROWTH[1]]]
        )

    def pack(self) -> Array:
        return np.concatenate([self.scales, self.steps, self.parts, [self.growth]])

    @classmethod
    def unpack(cls, theta: Array) -> Hyper:
        n = len(PARTS)
        return cls(theta[: -n - 3], theta[-n - 3 : -n - 1], theta[-n - 1 : -1], float(theta[-1]))

    def spread_at(self, s: Array) -> Array:
        """How far apart configs are at scaled log steps, 1 at the last."""
        return np.asarray(np.exp(self.growth * (s - 1)))

    @property
    def noise(self) -> float:
        return float(np.exp(self.parts[NOISE]))

    def over_steps(self, a: Array, b: Array) -> tuple[Array, Array]:
        """The two kernels over steps, shared and own, through the few steps that are different; shape (len(a), len(b))."""
        ua, ia = np.unique(a, return_inverse=True)
        ub, ib = np.unique(b, return_inverse=True)
        gap = np.abs(ua[:, None] - ub)
        shared, own = (matern32(gap, float(np.exp(scale)))[0] for scale in self.steps)
        return shared[ia][:, ib], own[ia][:, ib]


@dataclass(frozen=True)
class Posterior:
    """The process given observations."""

    hyper: Hyper
    node: Ints
    rows: Rows
    inverse: Array  # of the Cholesky factor: products with it are faster than solving anew for every horizon
    alpha: Array

    @classmethod
    def given(cls, hyper: Hyper, node: Ints, rows: Rows, y: Array) -> Posterior:
        """Conditioned on standardised losses `y` of the rows."""
        _, level, early, own, own_early, _ = weights = np.exp(hyper.parts)
        used, at = np.unique(rows.at, return_inverse=True)
        scaled = rows.x[used] * np.exp(-hyper.scales)[node]
        kx = matern52(squared_distances(scaled, scaled))[0][at][:, at]
        kt, ku = hyper.over_steps(rows.s, rows.s)
        grown = hyper.spread_at(rows.s)
        between = kx * (level + early * kt) + (at[:, None] == at) * (own + own_early * ku)
        k = weights[0] * kt + between * (grown[:, None] * grown)
        k[np.diag_indices_from(k)] += hyper.noise + JITTER
        inverse = solve_triangular(np.linalg.cholesky(k), np.eye(len(k)), lower=True, check_finite=False)
        return cls(hyper, node, rows, inverse, inverse.T @ (inverse @ y))

    def left_out(self, y: Array, block: Ints) -> Array:
        """What is expected of each row without those of its block, shape (n,); NaN in blocks below 0."""
        precision = self.inverse.T @ self.inverse
        out = np.full(len(y), np.nan)
        for b in range(int(block.max()) + 1):
            own = np.flatnonzero(block == b)
            out[own] = y[own] - np.linalg.solve(precision[np.ix_(own, own)], self.alpha[own])
        return out

    def curves(self, x: Array, of: Ints) -> Curves:
        """The curves of m configs: `x` their points, shape (m, columns); `of[j]` the curve in `rows` that config j is,
        -1 where it is none of them."""
        scale = np.exp(-self.hyper.scales)[self.node]
        used, at = np.unique(self.rows.at, return_inverse=True)
        kx, _ = matern52(squared_distances(self.rows.x[used] * scale, x * scale))
        return Curves(self, kx[at], of)


@dataclass(frozen=True)
class Curves:
    """The curves of m configs under a posterior; losses are noiseless."""

    post: Posterior
    kx: Array  # kernel over configs between rows and curves, shape (n, m)
    of: Ints

    def take(self, index: Ints) -> Curves:
        """Some of them."""
        return Curves(self.post, self.kx[:, index], self.of[index])

    def _cross(self, s: Array) -> Array:
        hyper, rows = self.post.hyper, self.post.rows
        trend, level, early, own, own_early, _ = np.exp(hyper.parts)
        kt, ku = hyper.over_steps(rows.s, s)
        between = self.kx * (level + early * kt)
        known = np.flatnonzero(self.of >= 0)
        if len(known):
            same = rows.at[:, None] == self.of[known]
            between[:, known] += same * (own + own_early * (ku if ku.shape[1] == 1 else ku[:, known]))
        return np.asarray(trend * kt + between * (hyper.spread_at(rows.s)[:, None] * hyper.spread_at(s)))

    def mean(self, s: Array) -> Array:
        """The mean at scaled log steps `s`: one for all, shape (1,), or one each, shape (m,)."""
        return np.asarray(self._cross(s).T @ self.post.alpha)

    def predict(self, s: Array) -> tuple[Array, Array]:
        """Mean and standard deviation, shapes (m,), at `s` as for `mean`."""
        cross = self._cross(s)
        half = self.post.inverse @ cross
        weights = np.exp(self.post.hyper.parts[:NOISE])
        between = np.where(self.of >= 0, weights[1:].sum(), weights[1:3].sum())
        variance = (
            weights[0] + between * self.post.hyper.spread_at(s) ** 2 - np.einsum("ij,ij->j", half, half)
        )
        return cross.T @ self.post.alpha, np.sqrt(np.maximum(variance, 1e-12))
