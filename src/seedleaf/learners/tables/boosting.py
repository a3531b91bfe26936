"""Histogram gradient boosting (Friedman 2001; Ke et al. 2017, LightGBM), as scikit-learn has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables import metrics
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import (
    Effort,
    Kind,
    Matrix,
    Rows,
    binary_graph,
    probabilities_graph,
    sigmoid,
    softmax,
)
from seedleaf.learners.tables.options import coded
from seedleaf.learners.tables.trees import ensemble_graph, from_boosting
from seedleaf.space import Choice, Float, Int, Param

ROUNDS = 600  # the most boosting rounds
CHUNK = 20  # trees between looks at the validation rows and the clock
PATIENCE = 3  # looks without an improvement before it ends
MOST_TREES = 4_000  # rounds times classes: with 26 classes a round is 26 trees


@dataclass(frozen=True, eq=False)
class Boosted:
    """`base` (n_out) and the trees of `model`; `rounds` of them count."""

    model: Any
    rounds: int
    n_classes: int

    def predict(self, x: Matrix) -> npt.NDArray[np.float64]:
        raw = _staged(self.model, x, 0, self.rounds, None)
        return _answer(raw, self.n_classes)

    def graph(self, g: Graph, x: str) -> str:
        predictors = self.model._predictors[: self.rounds]
        trees = [from_boosting(tree.nodes, k) for row in predictors for k, tree in enumerate(row)]
        base = np.asarray(self.model._baseline_prediction, np.float64).reshape(-1)
        raw = g.add("Add", ensemble_graph(g, x, trees, len(base)), g.constant(base, "float32"))
        if self.n_classes == 0:
            return raw
        return binary_graph(g, raw) if self.n_classes == 2 else probabilities_graph(g, raw)


@dataclass(frozen=True)
class Boosting:
    name: str = "boosting"
    plainness: int = 3
    native: bool = True  # missing values have a branch of their own
    modules: tuple[str, ...] = ("sklearn.ensemble",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        small = kind.n_rows < 2_000
        return {
            "rate": Float(0.02, 0.3, log=True, default=0.08),
            "leaves": Int(4, 96, log=True, default=16 if small else 31),
            "least": Int(2, 80, log=True, default=10 if small else 20),
            "l2": Float(1e-3, 30.0, log=True, default=1.0),
            "columns": Float(0.3, 1.0, default=0.7),
            "bins": Choice(63, 127, 255, ordered=True, default=255),
            **coded(kind, "target" if kind.high_cardinality else "onehot"),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Boosted:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if train.n_classes else HistGradientBoostingRegressor
        outputs = train.n_classes if train.n_classes > 2 else 1
        chunk = max(CHUNK // outputs, 2)
        most = max(min(ROUNDS, MOST_TREES // outputs), chunk)
        model = kind(
            learning_rate=float(own["rate"]),
            max_leaf_nodes=int(own["leaves"]),
            min_samples_leaf=int(own["least"]),
            l2_regularization=float(own["l2"]),
            max_features=float(own["columns"]),
            max_bins=int(own["bins"]),
            early_stopping=False,
            warm_start=True,
            random_state=effort.seed % 2**31,
            max_iter=1,
        )
        if effort.rounds is not None or valid is None:
            return self._blind(model, train, min(effort.rounds or 100, most), chunk, effort)
        return self._watched(model, train, valid, most, chunk, effort)

    def _blind(self, model: Any, train: Rows, rounds: int, chunk: int, effort: Effort) -> Boosted:
        done = 0
        while done < rounds and (done == 0 or effort.left() > 0):
            done = min(done + chunk, rounds)
            model.set_params(max_iter=done).fit(train.x, train.y)
        return Boosted(model, done, train.n_classes)

    def _watched(
        self, model: Any, train: Rows, valid: Rows, most: int, chunk: int, effort: Effort
    ) -> Boosted:
        best, best_loss, done, bad = 0, np.inf, 0, 0
        raw: npt.NDArray[np.float64] | None = None
        while done < most and bad < PATIENCE * CHUNK // chunk and (done == 0 or effort.left() > 0):
            model.set_params(max_iter=done + chunk).fit(train.x, train.y)
            raw = _staged(model, valid.x, done, done + chunk, raw)
            done += chunk
            loss = float(metrics.row_losses(valid.y, _answer(raw, train.n_classes), train.n_classes).mean())
            if loss < best_loss - 1e-6:
                best, best_loss, bad = done, loss, 0
            else:
                bad += 1
        if not best:
            raise TrialError("diverged: the loss of the first trees is not finite")
        return Boosted(model, best, train.n_classes)


def _staged(
    model: Any, x: Matrix, start: int, stop: int, raw: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    """Raw scores (N, n_out) of the rounds up to `stop`, given those up to `start`."""
    base = np.asarray(model._baseline_prediction, np.float64).reshape(1, -1)
    out = np.repeat(base, len(x), axis=0) if raw is None else raw.copy()
    wide = np.ascontiguousarray(x, np.float64)
    none = np.zeros((0, 8), np.uint32)
    for row in model._predictors[start:stop]:
        for k, tree in enumerate(row):
            out[:, k] += tree.predict(wide, none, np.zeros(0, np.uint32), 1)
    return out


def _answer(raw: npt.NDArray[np.float64], n_classes: int) -> npt.NDArray[np.float64]:
    if n_classes == 0:
        return raw
    return sigmoid(raw[:, 0]) if n_classes == 2 else softmax(raw)
