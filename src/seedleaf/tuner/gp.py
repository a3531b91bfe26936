"""A Gaussian process over a conditional space, and Bayesian optimisation with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedleaf.space.space import Space
from seedleaf.tuner.curve_gp import Posterior, Rows, fit
from seedleaf.tuner.kernels import Array, Embedding

ROWS = 120  # hyper-parameters are fitted to at most so many observations, spread evenly


@dataclass(frozen=True)
class Gp:
    """A regression on configs: unit vectors of shape (n, nodes), NaN for what is not active."""

    embedding: Embedding
    posterior: Posterior
    centre: float
    scale: float

    @classmethod
    def fit(cls, space: Space, units: Array, values: Array, iterations: int = 20) -> Gp:
        """Fitted to `values`, shape (n,), at `units`; smooth values are fitted best, so warp them before."""
        embedding = Embedding.of(space)
        n = len(values)
        centre, scale = float(np.mean(values)), float(np.std(values)) or 1.0
        rows = Rows(embedding(units), np.arange(n), np.ones(n))
        some = np.unique(np.linspace(0, n - 1, min(n, ROWS)).astype(np.intp))
        y = (values - centre) / scale
        hyper = fit(embedding.node, rows.take(some), y[some], iterations=iterations, active=embedding.active)
        return cls(embedding, Posterior.given(hyper, embedding.node, rows, y), centre, scale)

    def predict(self, units: Array) -> tuple[Array, Array]:
        """Mean and standard deviation, shapes (m,)."""
        x = self.embedding(units)
        mean, sd = self.posterior.curves(x, np.full(len(x), -1)).predict(np.ones(1))
        return self.centre + self.scale * mean, self.scale * sd
