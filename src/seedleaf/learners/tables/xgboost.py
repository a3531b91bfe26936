"""XGBoost (Chen and Guestrin 2016): trains, then its trees are read out of its JSON. The extra `boosters`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.learners.tables.boosting import MOST_LEAVES, THREADS, base_of
from seedleaf.learners.tables.grown import Floats, Grown, spread_out
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows
from seedleaf.learners.tables.options import coded
from seedleaf.learners.tables.trees import Tree, ensemble_graph, leaves_within
from seedleaf.learners.tables.watched import Watch
from seedleaf.space import Choice, Float, Int, Param


@dataclass(frozen=True)
class XgBoost:
    name: str = "xgboost"
    plainness: int = 3
    native: bool = True
    varies: bool = True
    modules: tuple[str, ...] = ("xgboost",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        small, tiny = kind.n_rows < 2_500, kind.n_rows < 1_200
        leaves = Int(4, 96, log=True, prior=6 if tiny else 12 if small else 31)
        return {
            "rate": Float(0.02, 0.3, log=True, prior=0.08),
            # The leaf that gains most is split next, or all of a level are.
            "grow": Choice(
                best=dict(leaves=leaves), level=dict(depth=Int(2, 8, prior=4 if small else 6)), default="best"
            ),
            "least": Float(0.5, 40.0, log=True, prior=1.0),  # second derivatives in a leaf
            "l2": Float(1e-3, 30.0, log=True, prior=1.0),
            "gain": Float(1e-4, 10.0, log=True, prior=1e-3),  # that a split must have
            "columns": Float(0.3, 1.0, prior=0.7),
            "rows": Float(0.5, 1.0, prior=0.9),
            "bins": Choice(63, 127, 255, ordered=True, default=255),
            **coded(kind, "target" if kind.high_cardinality else "onehot"),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Grown:
        import xgboost

        base = base_of(train)

        def rows_of(x: Matrix, y: Any = None) -> Any:
            return xgboost.DMatrix(x, y, base_margin=spread_out(base, len(x)), nthread=THREADS)

        asked = _asked(own, train.n_classes, effort)
        leaves = int(own["grow.leaves"]) if own["grow"] == "best" else 2 ** int(own["grow.depth"])
        watch = Watch(own, valid, leaves_within(effort, MOST_LEAVES) // (leaves * len(base)), effort)
        data = rows_of(train.x, train.y)
        seen = [] if watch.valid is None else [(rows_of(watch.valid.x, watch.valid.y), "valid")]
        booster = xgboost.Booster(asked, [data, *(rows for rows, _ in seen)])
        while watch.more():
            booster.update(data, watch.done)
            loss = float(booster.eval_set(seen, watch.done).rpartition(":")[2]) if seen else None
            watch.told(loss)
        rounds = watch.rounds()
        kept = booster[:rounds]

        def scores(x: Matrix) -> Floats:
            answer = np.asarray(kept.predict(rows_of(x), output_margin=True), np.float64)
            return answer.reshape(len(x), -1) - base

        model = json.loads(bytes(kept.save_raw("json")))["learner"]["gradient_booster"]["model"]
        trees = [read(tree, int(k)) for tree, k in zip(model["trees"], model["tree_info"], strict=True)]
        return Grown(
            base, scores, lambda g, x: ensemble_graph(g, x, trees, len(base)), train.n_classes, rounds
        )


def _asked(own: Mapping[str, Any], n_classes: int, effort: Effort) -> dict[str, Any]:
    goals = {0: ("reg:squarederror", "rmse"), 2: ("binary:logistic", "logloss")}
    objective, metric = goals.get(n_classes, ("multi:softprob", "mlogloss"))
    if own["grow"] == "best":
        shape = {"grow_policy": "lossguide", "max_leaves": int(own["grow.leaves"]), "max_depth": 0}
    else:
        shape = {"grow_policy": "depthwise", "max_depth": int(own["grow.depth"])}
    return {
        "objective": objective,
        "eval_metric": metric,
        **({"num_class": n_classes} if n_classes > 2 else {}),
        "tree_method": "hist",
        **shape,
        "learning_rate": float(own["rate"]),
        "min_child_weight": float(own["least"]),
        "lambda": float(own["l2"]),
        "gamma": float(own["gain"]),
        "colsample_bynode": float(own["columns"]),
        "subsample": float(own["rows"]),
        "max_bin": int(own["bins"]),
        "seed": effort.seed % 2**31,
        "nthread": THREADS,
        "device": "cpu",
        "verbosity": 0,
    }


def read(tree: Mapping[str, Any], target: int) -> Tree:
    """A tree of its JSON. It goes left where x < c, which for float32 is x <= the number before c; the value of a leaf
    stands where a split has its c."""
    left = np.array(tree["left_children"], np.int64)
    at = np.array(tree["split_conditions"], np.float32)
    leaf = left < 0
    return Tree(
        np.array(tree["split_indices"], np.int64),
        np.where(leaf, np.float32(0), np.nextafter(at, np.float32(-np.inf))),
        left,
        np.array(tree["right_children"], np.int64),
        np.array(tree["default_left"]).astype(bool),
        leaf,
        np.where(leaf, at, 0.0).astype(np.float64)[:, None],
        target,
    )
