"""CatBoost (Prokhorenkova et al. 2018): trains, then its trees are read out of its JSON. The extra `boosters`.

All nodes of a level of its trees ask the same, so that a tree of depth d is d questions and 2^d values: which one is a
number of d bits. Written so, and not as nodes, a leaf takes 4 bytes in the file in place of some 20.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError, first_line
from seedleaf.learners.tables.boosting import MOST_LEAVES, THREADS, base_of
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.grown import Grown, spread_out
from seedleaf.learners.tables.model import Effort, Kind, Rows
from seedleaf.learners.tables.options import coded
from seedleaf.learners.tables.trees import round_down
from seedleaf.learners.tables.watched import Watch
from seedleaf.space import Choice, Float, Int, Param


@dataclass(frozen=True)
class CatBoost:
    name: str = "catboost"
    plainness: int = 3
    native: bool = True
    varies: bool = True
    modules: tuple[str, ...] = ("catboost",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        small = kind.n_rows < 2_500
        bernoulli = dict(share=Float(0.4, 0.95, prior=0.8))
        return {
            "rate": Float(0.02, 0.3, log=True, prior=0.08),
            "depth": Int(2, 8, prior=4 if small else 6),
            "l2": Float(0.1, 30.0, log=True, prior=3.0),
            "noise": Float(0.05, 10.0, log=True, prior=1.0),  # in the scores of splits
            "columns": Float(0.3, 1.0, prior=1.0),
            # Of the rows of a round: weighed at random (more the warmer), a share drawn anew, or all.
            "rows": Choice(
                weighed=dict(warmth=Float(0.05, 2.0, log=True, prior=1.0)),
                some=bernoulli,
                all={},
                default="weighed",
            ),
            "bins": Choice(63, 127, 254, ordered=True, default=254),
            **coded(kind, "target" if kind.high_cardinality else "onehot"),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Grown:
        import catboost

        base, depth = base_of(train), int(own["depth"])
        each = 4 * 2**depth * len(base) + 12 * depth  # bytes of a tree
        watch = Watch(own, valid, effort.most(MOST_LEAVES // (2**depth * len(base)), each, 2_000), effort)
        asked = _asked(own, train.n_classes, effort, watch.most)
        model = catboost.CatBoost(asked)
        seen = None if watch.valid is None else _pool(watch.valid, base)
        try:
            model.fit(_pool(train, base), eval_set=seen, callbacks=[_Told(watch, asked["loss_function"])])
        except catboost.CatBoostError as error:
            raise TrialError(f"catboost failed: {first_line(error)}") from error
        rounds = watch.rounds()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(str(path), format="json")
            trees = read(json.loads(path.read_text(encoding="utf-8")), rounds, len(base))
        return Grown(
            base,
            lambda x: np.asarray(
                model.predict(x, prediction_type="RawFormulaVal", ntree_end=rounds, thread_count=THREADS)
            ),
            lambda g, x: level_graph(g, x, trees),
            train.n_classes,
            rounds,
        )


class _Told:
    """What its training calls after each round; False ends it."""

    def __init__(self, watch: Watch, loss: str) -> None:
        self.watch, self.loss = watch, loss

    def after_iteration(self, info: Any) -> bool:
        loss = None if self.watch.valid is None else float(info.metrics["validation"][self.loss][-1])
        return self.watch.told(loss)


def _pool(rows: Rows, base: npt.NDArray[np.float64]) -> Any:
    import catboost

    return catboost.Pool(rows.x, rows.y, baseline=spread_out(base, len(rows.x)), thread_count=THREADS)


def _asked(own: Mapping[str, Any], n_classes: int, effort: Effort, most: int) -> dict[str, Any]:
    rows: dict[str, Any] = {"bootstrap_type": "No"}
    if own["rows"] == "weighed":
        rows = {"bootstrap_type": "Bayesian", "bagging_temperature": float(own["rows.warmth"])}
    elif own["rows"] == "some":
        rows = {"bootstrap_type": "Bernoulli", "subsample": float(own["rows.share"])}
    return {
        "loss_function": {0: "RMSE", 2: "Logloss"}.get(n_classes, "MultiClass"),
        "iterations": most,
        "learning_rate": float(own["rate"]),
        "depth": int(own["depth"]),
        "l2_leaf_reg": float(own["l2"]),
        "random_strength": float(own["noise"]),
        "rsm": float(own["columns"]),
        "border_count": int(own["bins"]),
        **rows,
        "boosting_type": "Plain",
        "boost_from_average": False,
        "use_best_model": False,  # which trees are kept is decided here
        "random_seed": effort.seed % 2**31,
        "thread_count": THREADS,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }


@dataclass(frozen=True, eq=False)
class Levels:
    """T trees of depth d: `feature` and `border` (d, T), question i is bit i; `value` (T, 2^d, n_out)."""

    feature: npt.NDArray[np.int64]
    border: npt.NDArray[np.float32]
    value: npt.NDArray[np.float64]


def read(body: Mapping[str, Any], rounds: int, n_out: int) -> Levels:
    """The first `rounds` trees of its JSON. A shallower tree gets questions to which the answer is always no."""
    trees: Sequence[Any] = body["oblivious_trees"][:rounds]
    treated = {f["nan_value_treatment"] for f in body["features_info"].get("float_features", [])}
    if "AsTrue" in treated or any(
        s["split_type"] != "FloatFeature" for t in trees for s in t["splits"] or ()
    ):
        raise TrialError("catboost splits in a way that is not known here")
    depth = max([1, *(len(t["splits"] or ()) for t in trees)])
    feature, border = np.zeros((depth, len(trees)), np.int64), np.full((depth, len(trees)), np.inf)
    value = np.zeros((len(trees), 2**depth, n_out))
    scale = float(body["scale_and_bias"][0])
    for t, tree in enumerate(trees):
        for i, split in enumerate(tree["splits"] or ()):
            feature[i, t], border[i, t] = split["float_feature_index"], split["border"]
        leaves = np.array(tree["leaf_values"], np.float64).reshape(-1, n_out)
        value[t, : len(leaves)] = scale * leaves
    return Levels(feature, round_down(border), value)


def level_graph(g: Graph, x: str, trees: Levels) -> str:
    """The sum over all trees: float32 (N, n_out). A missing number is larger than nothing, as in CatBoost."""
    n_trees, n_leaves, n_out = trees.value.shape
    place = g.constant(n_leaves * np.arange(n_trees), "int32")
    for i, (feature, border) in enumerate(zip(trees.feature, trees.border, strict=True)):
        above = g.add("Greater", g.gather(x, feature.tolist()), g.constant(border, "float32"))
        bit = g.add("Mul", g.cast(above, "int32"), g.constant(2**i, "int32"))
        place = g.add("Add", place, bit)
    table = g.constant(trees.value.reshape(-1, n_out), "float32")
    return g.total(g.add("Gather", table, place, axis=0), 1, keep=False)
