"""Linear models: ridge regression, and logistic regression fitted by L-BFGS (Liu & Nocedal 1989) that minds the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows, probabilities_graph, softmax
from seedleaf.learners.tables.options import coded, scaled
from seedleaf.space import Float, Param

Floats = npt.NDArray[np.float64]
ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class Linear:
    """`weight` (D, n_out), `bias` (n_out); `classes` says whether scores become probabilities."""

    weight: Floats
    bias: Floats
    classes: bool
    rounds: int = 0

    def predict(self, x: Matrix) -> Floats:
        z = x.astype(np.float64) @ self.weight + self.bias
        return softmax(z) if self.classes else z

    def graph(self, g: Graph, x: str) -> str:
        z = g.dense(x, self.weight, self.bias)
        return probabilities_graph(g, z) if self.classes else z


@dataclass(frozen=True)
class LinearFamily:
    name: str = "linear"
    plainness: int = 1
    native: bool = False  # it needs every value
    varies: bool = False
    modules: tuple[str, ...] = ("scipy.optimize",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        return {
            "penalty": Float(1e-6, 1.0, log=True, default=1e-3),
            **scaled(kind, "robust", products=True),
            **coded(kind, "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Linear:
        x = train.x.astype(np.float64)
        penalty = float(own["penalty"])
        found = logistic(x, train, penalty, effort) if train.n_classes else _ridge(x, train.y, penalty)
        if not (np.isfinite(found.weight).all() and np.isfinite(found.bias).all()):
            raise TrialError("diverged: the weights are not finite")
        return found


def _ridge(x: Floats, y: npt.NDArray[Any], penalty: float) -> Linear:
    middle, height = x.mean(0), float(y.mean())
    z = x - middle
    # Of more columns than rows the same weights come from a system as large as the rows: that of 10,000 columns would take
    # minutes and a gigabyte.
    wide = z.shape[1] > len(z)
    gram = (z @ z.T if wide else z.T @ z) + (penalty * len(x) + 1e-9) * np.eye(min(z.shape))
    goal = y - height
    weight = (z.T @ np.linalg.solve(gram, goal) if wide else np.linalg.solve(gram, z.T @ goal))[:, None]
    return Linear(weight, height - middle @ weight, False)


class _OutOfTime(Exception):
    """Ends the optimiser; the last iterate stands."""


def logistic(x: Floats, train: Rows, penalty: float, effort: Effort) -> Linear:
    """Mean negative log likelihood + penalty / 2 · |weight|², the bias free."""
    from scipy.optimize import minimize

    n, d, k = len(x), x.shape[1], train.n_classes
    goal = np.eye(k)[train.y]
    start = np.zeros((d + 1, k))
    start[d] = np.log(goal.mean(0) + 1e-6)
    last = start.ravel()

    def value(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(d + 1, k)
        p = softmax(x @ w[:d] + w[d])
        loss = -np.log(np.maximum(p[np.arange(n), train.y], 1e-300)).mean()
        slope = (p - goal) / n
        gradient = np.concatenate([x.T @ slope + penalty * w[:d], slope.sum(0)[None]])
        return float(loss + penalty / 2 * np.square(w[:d]).sum()), gradient.ravel()

    def look(flat: Floats) -> None:
        nonlocal last
        last = flat.copy()
        if effort.left() <= 0:
            raise _OutOfTime

    try:
        last = minimize(  # type: ignore[call-overload]  # the stubs know no function that gives its gradient too
            value, last, jac=True, method="L-BFGS-B", callback=look, options={"maxiter": ITERATIONS}
        ).x
    except _OutOfTime:
        pass
    w = last.reshape(d + 1, k)
    return Linear(w[:d], w[d], True)
