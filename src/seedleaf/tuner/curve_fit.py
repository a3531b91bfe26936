"""The hyper-parameters of the Gaussian process over learning curves (curve_gp.py), fitted to what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from seedleaf.distances import squared_distances
from seedleaf.tuner.curve_gp import JITTER, Hyper, Rows
from seedleaf.tuner.kernels import Array, Ints, matern32, matern52


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
