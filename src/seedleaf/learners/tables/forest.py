"""Random forests (Breiman 2001) and extremely randomised trees (Geurts et al. 2006), as scikit-learn has them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows
from seedleaf.learners.tables.options import coded, filled
from seedleaf.learners.tables.trees import (
    Tree,
    ensemble_graph,
    from_forest,
    leaf_values,
    leaves_within,
    shares_graph,
)
from seedleaf.space import Choice, Float, Int, Param

CHUNK = 8  # trees between looks at the clock, at most
LOOK = 0.15  # seconds between looks, where trees are slow
FEWEST = 8  # leaves of a tree
MOST_NODES = 120_000  # of all trees together: two megabytes


@dataclass(frozen=True, eq=False)
class Forest:
    model: Any
    n_classes: int

    @property
    def rounds(self) -> int:
        return len(self.model.estimators_)

    def predict(self, x: Matrix) -> npt.NDArray[np.float64]:
        total = sum(
            tree.value[e.tree_.apply(x)] for e, tree in zip(self.model.estimators_, self._trees, strict=True)
        )
        found = np.asarray(total, np.float64)
        return found / found.sum(1, keepdims=True) if self.n_classes else found

    @cached_property
    def _trees(self) -> list[Tree]:
        n = self.rounds
        found = []
        for e in self.model.estimators_:
            value = e.tree_.value[:, 0, :]
            # A root in one byte holds shares near nothing as well as those near one; the sum is made one again.
            roots = np.round(255 * np.sqrt(value / value.sum(1, keepdims=True))) if self.n_classes else value
            shares = np.square(roots) if self.n_classes else leaf_values(value / n)
            found.append(from_forest(e.tree_, shares))
        return found

    def graph(self, g: Graph, x: str) -> str:
        if self.n_classes == 0:
            return ensemble_graph(g, x, self._trees, 1)
        summed = shares_graph(g, x, self._trees)
        return g.add("Div", summed, g.total(summed))


@dataclass(frozen=True)
class ForestFamily:
    name: str = "forest"
    plainness: int = 2
    native: bool = False
    varies: bool = False
    modules: tuple[str, ...] = ("sklearn.ensemble",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        return {
            "kind": Choice("extra", "random", default="extra"),
            "trees": Int(16, 200, log=True, default=100),
            "least": Int(1, 32, log=True, default=2 if kind.n_classes else 3),
            "columns": Float(0.1, 1.0, default=0.4),
            **filled(kind),
            **coded(kind, "target" if kind.high_cardinality else "onehot"),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Forest:
        from sklearn import ensemble

        names = {
            ("extra", True): ensemble.ExtraTreesClassifier,
            ("extra", False): ensemble.ExtraTreesRegressor,
            ("random", True): ensemble.RandomForestClassifier,
            ("random", False): ensemble.RandomForestRegressor,
        }
        nodes = leaves_within(effort, MOST_NODES, 2 + train.n_classes, exact=False)
        trees = min(int(own["trees"]), max(nodes // FEWEST, 1))
        model = names[str(own["kind"]), bool(train.n_classes)](
            n_estimators=1,
            min_samples_leaf=int(own["least"]),
            max_features=float(own["columns"]),
            max_leaf_nodes=max(nodes // trees, FEWEST if effort.room is None else 2),
            warm_start=True,
            n_jobs=1,
            random_state=effort.seed % 2**31,
        )
        done, more = 0, 1
        while done < trees and (done == 0 or effort.left() > 0):
            begun = time.time()
            done = min(done + more, trees)
            model.set_params(n_estimators=done).fit(train.x, train.y)
            each = max((time.time() - begun) / more, 1e-6)
            more = int(np.clip(min(LOOK, effort.left()) / each, 1, CHUNK))
        return Forest(model, train.n_classes)
