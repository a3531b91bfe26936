"""Support vector machines with a Gaussian kernel (Cortes & Vapnik 1995), as libsvm has them (Chang & Lin 2011).

One machine for each pair of classes; what they say becomes probabilities by a logistic link that is fitted to rows which
the machines had not seen (Platt 1999).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables.distance import (
    GRAPH_BYTES,
    Halves,
    chosen_rows,
    halved,
    in_batches,
    squared_graph,
)
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.linear import logistic
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows, probabilities_graph, softmax
from seedleaf.learners.tables.options import coded, scaled
from seedleaf.space import Float, Param

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
MOST_ROWS = 3_000
PROBE = 400  # rows on which it is found out how many the time allows
PARTS = 3  # of the rows, for the link
MOST_CLASSES = 12  # machines grow with the square of the classes
LINK = 1e-3  # penalty on its weights
WHOLE = 1.0 + PARTS * (1 - 1 / PARTS) ** 2  # of one fit on all rows: that one and those for the link


@dataclass(frozen=True, eq=False)
class Machines:
    """`kept` (S, D) support vectors, `weight` (S, P) and `bias` (P) of P machines; `link` (P, K), `offset` (K)."""

    kept: Halves
    gamma: float
    weight: Array
    bias: Floats
    link: Array | None = None
    offset: Floats | None = None
    rounds: int = 0

    def decide(self, x: Matrix) -> Floats:
        """What the machines say: (N, P)."""
        weight = self.weight.astype(np.float64)
        return in_batches(x, self.kept, lambda d: np.asarray(np.exp(-self.gamma * d) @ weight + self.bias))

    def predict(self, x: Matrix) -> Floats:
        said = self.decide(x)
        if self.link is None or self.offset is None:
            return said
        return softmax(said @ self.link.astype(np.float64) + self.offset)

    def graph(self, g: Graph, x: str) -> str:
        apart = squared_graph(g, x, self.kept)
        near = g.add("Exp", g.add("Mul", apart, g.constant(-self.gamma)))
        weight = g.cast(g.constant(self.weight, "float32"), "float64")
        said = g.add("Add", g.add("MatMul", near, weight), g.constant(self.bias))
        if self.link is None or self.offset is None:
            return g.cast(said, "float32")
        linked = g.add("MatMul", said, g.cast(g.constant(self.link, "float32"), "float64"))
        return probabilities_graph(g, g.cast(g.add("Add", linked, g.constant(self.offset)), "float32"))


@dataclass(frozen=True)
class SvmFamily:
    name: str = "svm"
    plainness: int = 3
    native: bool = False
    varies: bool = False
    modules: tuple[str, ...] = ("sklearn.svm", "scipy.optimize")

    def space(self, kind: Kind) -> Mapping[str, Param]:
        tube: dict[str, Param] = {} if kind.n_classes else {"tube": Float(0.01, 0.5, log=True, default=0.1)}
        return {
            "cost": Float(0.1, 100.0, log=True, default=1.0),
            "pitch": Float(0.1, 10.0, log=True, default=1.0),
            **tube,
            **scaled(kind, "robust"),
            **coded(kind, "target" if kind.high_cardinality else "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Machines:
        if train.n_classes > MOST_CLASSES:
            raise TrialError(f"{train.n_classes} classes are too many for pairs of them")
        rng = np.random.default_rng(effort.seed)
        machines = max(train.n_classes * (train.n_classes - 1) // 2, 1)
        limit = effort.most(MOST_ROWS, 2 * train.x.shape[1] + 4 * machines, GRAPH_BYTES)
        x = halved(train.x)
        spread = float(np.square(x.astype(np.float64) - x.mean(0, dtype=np.float64)).sum(1).mean())
        gamma = float(own["pitch"]) / max(spread, 1e-9)
        rows = chosen_rows(train.x, train.y, bool(train.n_classes), limit, rng)
        if len(rows) > PROBE:
            few = chosen_rows(train.x, train.y, bool(train.n_classes), PROBE, rng)
            begun = time.time()
            _machines(own, gamma, x[few], train.y[few], train.n_classes)
            able = int(PROBE * np.sqrt(0.7 * max(effort.left(), 0.0) / (WHOLE * (time.time() - begun))))
            most = min(max(PROBE, min(MOST_ROWS, able)), limit)
            rows = chosen_rows(train.x, train.y, bool(train.n_classes), most, rng)
        x, y = x[rows], train.y[rows]
        whole = _machines(own, gamma, x, y, train.n_classes)
        return _linked(whole, own, gamma, x, y, train, effort, rng) if train.n_classes else whole


def _machines(own: Mapping[str, Any], gamma: float, x: Halves, y: Array, n_classes: int) -> Machines:
    from sklearn.svm import SVC, SVR

    cost, wide = float(own["cost"]), x.astype(np.float64)
    if not n_classes:
        model = SVR(C=cost, gamma=gamma, epsilon=float(own["tube"]), cache_size=100).fit(wide, y)
        return _kept(x, model, gamma, model.dual_coef_.T, model.intercept_)
    model = SVC(C=cost, gamma=gamma, cache_size=100).fit(wide, y)
    if n_classes == 2:
        return _kept(x, model, gamma, model.dual_coef_.T, model.intercept_)
    # libsvm keeps, for a support vector of class i, its weight against class j in row j - 1 (j > i) or j (j < i).
    owner = np.repeat(np.arange(n_classes), model.n_support_)
    weight = np.zeros((len(owner), n_classes * (n_classes - 1) // 2))
    for p, (i, j) in enumerate(combinations(range(n_classes), 2)):
        weight[owner == i, p] = model.dual_coef_[j - 1, owner == i]
        weight[owner == j, p] = model.dual_coef_[i, owner == j]
    return _kept(x, model, gamma, weight, model.intercept_)


def _kept(x: Halves, model: Any, gamma: float, weight: Floats, bias: Floats) -> Machines:
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise TrialError("diverged: the weights are not finite")
    return Machines(x[model.support_], gamma, weight.astype(np.float32), np.asarray(bias, np.float64))


def _linked(
    whole: Machines,
    own: Mapping[str, Any],
    gamma: float,
    x: Halves,
    y: Array,
    train: Rows,
    effort: Effort,
    rng: np.random.Generator,
) -> Machines:
    """The machines with a link fitted to what such machines say of rows that they had not seen."""
    part = _parts(y, rng)
    said, labels = [], []
    for k in range(PARTS):
        held = part == k
        if held.any():
            apart = _machines(own, gamma, x[~held], y[~held], train.n_classes)
            said.append(apart.decide(x[held].astype(np.float32)))
            labels.append(y[held])
    if not said:
        raise TrialError("no class has two rows: nothing can be held back")
    rows = Rows(np.concatenate(said).astype(np.float32), np.concatenate(labels), train.n_classes, 0)
    found = logistic(rows.x.astype(np.float64), rows, LINK, effort)
    return Machines(whole.kept, gamma, whole.weight, whole.bias, found.weight.astype(np.float32), found.bias)


def _parts(y: Array, rng: np.random.Generator) -> Array:
    """A part for each row, alike in classes; -1 for the only row of a class, which always trains."""
    part = np.full(len(y), -1)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) > 1:
            part[rows] = np.arange(len(rows)) % PARTS
    return part
