"""Nearest neighbours, nearer ones weighing more: weights fall to nothing at the last neighbour (Stone 1977; Cleveland 1979).

So an answer does not jump where two rows are equally far, and does not depend on which of them is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.distance import (
    GRAPH_BYTES,
    Halves,
    chosen_rows,
    halved,
    in_batches,
    squared_graph,
)
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows
from seedleaf.learners.tables.options import coded, scaled
from seedleaf.space import Float, Int, Param

Floats = npt.NDArray[np.float64]
MOST_ROWS = 4_000  # that are kept
CLOSEST = 1e-9  # a radius below which rows are the same


@dataclass(frozen=True, eq=False)
class Neighbours:
    """`kept` (M, D) rows with `goal` (M): labels, or values. `prior` (n_out) weighs as much as `doubt` close neighbours."""

    kept: Halves
    goal: npt.NDArray[Any]
    neighbours: int
    prior: Floats
    doubt: float
    n_classes: int
    rounds: int = 0

    def predict(self, x: Matrix) -> Floats:
        return in_batches(x, self.kept, self._answer)

    def _answer(self, apart: Floats) -> Floats:
        some = min(self.neighbours + 1, len(self.kept))
        near = np.argpartition(apart, some - 1, axis=1)[:, :some]
        distance = np.take_along_axis(apart, near, axis=1)
        radius = distance.max(1, keepdims=True)
        weight = np.maximum(1.0 - distance / (radius + CLOSEST), 0.0)[:, :, None]
        said = self._goals[self.goal[near]] if self.n_classes else self.goal[near][:, :, None]
        return np.asarray(((weight * said).sum(1) + self.doubt * self.prior) / (weight.sum(1) + self.doubt))

    @property
    def _goals(self) -> Floats:
        return np.eye(self.n_classes)

    def graph(self, g: Graph, x: str) -> str:
        apart = squared_graph(g, x, self.kept)
        some = min(self.neighbours + 1, len(self.kept))
        distance, near = g.smallest(apart, some)
        radius = g.add("Add", g.add("ReduceMax", distance, g.constant([1], "int64")), g.constant(CLOSEST))
        weight = g.add("Sub", g.constant(1.0), g.add("Div", distance, radius))
        weight = g.add("Max", weight, g.constant(0.0))
        weight = g.add("Unsqueeze", weight, g.constant([2], "int64"))
        if self.n_classes:
            labels = g.add("Gather", g.constant(self.goal, "int64"), near)
            said = g.add("Gather", g.constant(self._goals), labels)
        else:
            values = g.cast(g.add("Gather", g.constant(self.goal, "float32"), near), "float64")
            said = g.add("Unsqueeze", values, g.constant([2], "int64"))
        top = g.total(g.add("Mul", weight, said), 1, keep=False)
        top = g.add("Add", top, g.constant(self.doubt * self.prior))
        bottom = g.add("Add", g.total(weight, 1, keep=False), g.constant(self.doubt))
        return g.cast(g.add("Div", top, bottom), "float32")


@dataclass(frozen=True)
class KnnFamily:
    name: str = "knn"
    plainness: int = 1
    native: bool = False
    varies: bool = False
    modules: tuple[str, ...] = ()

    def space(self, kind: Kind) -> Mapping[str, Param]:
        return {
            "neighbours": Int(3, 80, log=True, default=20),
            "doubt": Float(0.05, 5.0, log=True, default=0.5),
            **scaled(kind, "robust"),
            **coded(kind, "target" if kind.high_cardinality else "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Neighbours:
        rng = np.random.default_rng(effort.seed)
        most = effort.most(MOST_ROWS, 2 * train.x.shape[1] + 8, GRAPH_BYTES)
        rows = chosen_rows(train.x, train.y, bool(train.n_classes), most, rng)
        if train.n_classes:
            prior = np.bincount(train.y, minlength=train.n_classes) / len(train.y)
            goal = train.y[rows].astype(np.int64)
        else:
            prior, goal = np.array([train.y.mean()]), train.y[rows].astype(np.float32)
        return Neighbours(
            halved(train.x[rows]),
            goal,
            int(own["neighbours"]),
            prior,
            float(own["doubt"]),
            train.n_classes,
        )
