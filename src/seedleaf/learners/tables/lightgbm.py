"""LightGBM (Ke et al. 2017): trains, then its trees are read out of its dump. The extra `boosters`.

What it predicts with stays in the worker; the file holds the project's own tree ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.errors import TrialError, first_line
from seedleaf.learners.tables.boosting import MOST_LEAVES, THREADS, base_of, leaf_by_leaf
from seedleaf.learners.tables.grown import Grown, spread_out
from seedleaf.learners.tables.model import Effort, Kind, Rows
from seedleaf.learners.tables.options import coded
from seedleaf.learners.tables.trees import Tree, ensemble_graph, leaves_within, round_down
from seedleaf.learners.tables.watched import Watch
from seedleaf.space import Bool, Choice, Float, Param


@dataclass(frozen=True)
class LightGbm:
    name: str = "lightgbm"
    plainness: int = 3
    native: bool = True
    varies: bool = True
    modules: tuple[str, ...] = ("lightgbm",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        return {
            **leaf_by_leaf(kind),
            # Of the rows of a round: all, a share drawn anew, or those with large slopes and a share of the others.
            "rows": Choice(all={}, some=dict(share=Float(0.4, 0.95, prior=0.8)), steep={}, default="all"),
            "random": Bool(default=False),  # one random threshold a column in place of the best
            **coded(kind, "target" if kind.high_cardinality else "onehot"),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Grown:
        import lightgbm

        base = base_of(train)
        most = leaves_within(effort, MOST_LEAVES) // (int(own["leaves"]) * len(base))
        watch = Watch(own, valid, most, effort)
        asked = _asked(own, train.n_classes, effort)
        try:
            data = lightgbm.Dataset(train.x, train.y, init_score=spread_out(base, len(train.x)), params=asked)
            booster = lightgbm.Booster(asked, data)
            if watch.valid is not None:
                rows = watch.valid
                seen = data.create_valid(rows.x, rows.y, init_score=spread_out(base, len(rows.x)))
                booster.add_valid(seen, "valid")
            while watch.more():
                if booster.update():  # no leaf can be split any more
                    break
                watch.told(float(booster.eval_valid()[0][2]) if watch.valid is not None else None)
        except lightgbm.basic.LightGBMError as error:
            raise TrialError(f"lightgbm failed: {first_line(error)}") from error
        if not watch.done:  # nothing can be split: the same answer for every row
            bare = [columns([(0, 0.0, -1, -1, False, True, 0.0)], k) for k in range(len(base))]
            return Grown(
                base,
                lambda x: np.zeros((len(x), len(base))),
                lambda g, x: ensemble_graph(g, x, bare, len(base)),
                train.n_classes,
                0,
            )
        rounds = watch.rounds()
        body = booster.dump_model(num_iteration=rounds)["tree_info"]
        trees = [read(t["tree_structure"], i % len(base)) for i, t in enumerate(body)]
        return Grown(
            base,
            lambda x: np.asarray(
                booster.predict(x, raw_score=True, num_iteration=rounds, num_threads=THREADS)
            ),
            lambda g, x: ensemble_graph(g, x, trees, len(base)),
            train.n_classes,
            rounds,
        )


def _asked(own: Mapping[str, Any], n_classes: int, effort: Effort) -> dict[str, Any]:
    goals = {0: ("regression", "l2"), 2: ("binary", "binary_logloss")}
    objective, metric = goals.get(n_classes, ("multiclass", "multi_logloss"))
    rows: dict[str, Any] = {}
    if own["rows"] == "some":
        rows = {"bagging_freq": 1, "bagging_fraction": float(own["rows.share"])}
    elif own["rows"] == "steep":
        rows = {"data_sample_strategy": "goss"}
    return {
        "objective": objective,
        "metric": metric,
        **({"num_class": n_classes} if n_classes > 2 else {}),
        "learning_rate": float(own["rate"]),
        "num_leaves": int(own["leaves"]),
        "min_data_in_leaf": int(own["least"]),
        "lambda_l2": float(own["l2"]),
        "feature_fraction_bynode": float(own["columns"]),
        "max_bin": int(own["bins"]),
        "extra_trees": bool(own["random"]),
        **rows,
        "feature_pre_filter": False,
        "boost_from_average": False,
        "deterministic": True,
        "force_row_wise": True,
        "seed": effort.seed % 2**31,
        "num_threads": THREADS,
        "verbosity": -1,
    }


def read(root: Mapping[str, Any], target: int) -> Tree:
    """A tree of its dump. Where a column had no gap in training it takes a missing number for 0."""
    rows: list[tuple[int, float, int, int, bool, bool, float]] = []

    def add(node: Mapping[str, Any]) -> int:
        place = len(rows)
        rows.append((0, 0.0, -1, -1, False, True, float(node.get("leaf_value", 0.0))))
        if "split_feature" in node:
            if node["decision_type"] != "<=":
                raise TrialError(f"lightgbm splits by {node['decision_type']!r}, which is not known here")
            at = float(node["threshold"])
            missing = bool(node["default_left"]) if node["missing_type"] == "NaN" else at >= 0.0
            left, right = add(node["left_child"]), add(node["right_child"])
            rows[place] = (int(node["split_feature"]), at, left, right, missing, False, 0.0)
        return place

    add(root)
    return columns(rows, target)


def columns(rows: Sequence[tuple[int, float, int, int, bool, bool, float]], target: int) -> Tree:
    """Nodes as (feature, threshold, left, right, missing_left, leaf, value), the root first, as a tree."""
    feature, threshold, left, right, missing, leaf, value = (
        np.array(part) for part in zip(*rows, strict=True)
    )
    return Tree(
        feature.astype(np.int64),
        round_down(threshold.astype(np.float64)),
        left.astype(np.int64),
        right.astype(np.int64),
        missing.astype(bool),
        leaf.astype(bool),
        value.astype(np.float64)[:, None],
        target,
    )
