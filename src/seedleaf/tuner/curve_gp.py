"""A Gaussian process over (config, step) that extrapolates learning curves (Swersky, Snoek & Adams 2014).

Five things add up to a loss: a trend that all curves share; what the config is worth at every step, and what it is worth
early or late (the same kernel over configs, times one over the logarithm of the step); what sets this one trial apart
from its neighbours, for good and for a while; and noise. Differences between configs grow or shrink with the logarithm
of the step. With one step it is a plain GP over configs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

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
GROWTH = (
    0.0,
    0.7,
)  # and of the logarithm by which differences between configs grow from the first step to the last


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


def fit(
    node: Ints, rows: Rows, y: Array, start: Hyper | None = None, iterations: int = 12, active: float = 1.0
) -> Hyper:
    """The hyper-parameters of highest posterior density given standardised losses `y`, shape (n,), from `start` on."""
    likelihood = _Likelihood.of(node, rows, y)
    nodes = int(node.max()) + 1 if len(node) else 0
    centre, spread = Hyper.centre(nodes, active).pack(), Hyper.spread(nodes)

    def objective(theta: Array) -> tuple[float, Array]:
        loss, gradient = likelihood(Hyper.unpack(theta))
        away = (theta - centre) / spread
        return loss + 0.5 * float(away @ away), gradient + away / spread

    found = minimize(
        objective,
        centre if start is None else start.pack(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(c - 4 * w, c + 4 * w) for c, w in zip(centre, spread, strict=True)],
        options={"maxiter": iterations},
    )
    return Hyper.unpack(np.asarray(found.x))


@dataclass(frozen=True)
class _Likelihood:
    """The negative log marginal likelihood of the rows and its gradient; what does not depend on θ is kept."""

    node: Ints
    x: Array
    at: Ints
    first: Ints  # row at which each curve begins
    same: Array
    gap: Array
    which: Ints
    s: Array
    y: Array

    @classmethod
    def of(cls, node: Ints, rows: Rows, y: Array) -> _Likelihood:
        used, at = np.unique(rows.at, return_inverse=True)
        steps, which = np.unique(rows.s, return_inverse=True)
        first = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
        same = (at[:, None] == at).astype(float)
        return cls(node, rows.x[used], at, first, same, np.abs(steps[:, None] - steps), which, rows.s, y)

    def __call__(self, hyper: Hyper) -> tuple[float, Array]:
        trend, level, early, own, own_early, noise = np.exp(hyper.parts)
        scaled = self.x * np.exp(-hyper.scales)[self.node]
        kx, slope = matern52(squared_distances(scaled, scaled))
        kx = kx[self.at][:, self.at]
        kt, dkt, ku, dku = (
            m[self.which][:, self.which]
            for scale in hyper.steps
            for m in matern32(self.gap, float(np.exp(scale)))
        )
        inner = level + early * kt
        grown = hyper.spread_at(self.s)
        grown = grown[:, None] * grown
        between = (kx * inner + self.same * (own + own_early * ku)) * grown
        k = trend * kt + between
        k[np.diag_indices_from(k)] += noise + JITTER
        try:
            factor = cho_factor(k, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros(len(hyper.pack()))
        alpha = cho_solve(factor, self.y, check_finite=False)
        loss = 0.5 * float(self.y @ alpha) + float(np.log(np.diag(factor[0])).sum())
        g = 0.5 * (
            cho_solve(factor, np.eye(len(k)), check_finite=False) - np.outer(alpha, alpha)
        )  # d loss / dK
        gg = g * grown
        gx, gs = gg * kx, gg * self.same
        steps = [float((dkt * (trend * g + early * gx)).sum()), own_early * float((gs * dku).sum())]
        growth = 2 * float((g * between).sum(1) @ (self.s - 1))
        sums = [(g * kt).sum(), gx.sum(), (gx * kt).sum(), gs.sum(), (gs * ku).sum(), np.trace(g)]
        parts = np.exp(hyper.parts) * np.array(sums)
        weight = np.add.reduceat(np.add.reduceat(gg * inner, self.first, 0), self.first, 1) * slope
        scales = self._by_scale(weight, scaled, len(hyper.scales))
        return loss, np.concatenate([scales, steps, parts, [growth]])

    def _by_scale(self, weight: Array, scaled: Array, nodes: int) -> Array:
        """Σ_ab W_ab (e_a - e_b)² for every column at once, without a tensor of all pairs and columns; summed by node."""
        column = 2 * (weight.sum(1) @ (scaled * scaled) - np.einsum("nj,nj->j", scaled, weight @ scaled))
        return np.asarray(np.bincount(self.node, -2 * column, minlength=nodes))


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
