"""Trees of TreeEnsemble operators as arrays, level by level over all of them (Jacobson 1989): one bit a node says where its
children are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trees:
    """T trees, their nodes level by level. `inner` (M) says of a node whether it is a split. Of each split `column`,
    `threshold` and `gap_left`, where a gap goes; of each leaf `value`; of each tree `target`, one of `outs`, and
    of how many levels it is (`depths`, the deepest tree first)."""

    inner: Array
    column: Array
    threshold: Array
    gap_left: Array
    value: Array
    target: Array
    outs: int
    depths: Array


@dataclass(frozen=True, eq=False)
class Operator:
    """A TreeEnsemble node that `trees.ensemble_graph` made: what it reads and makes, and its attributes as arrays."""

    x: str
    out: str
    outs: int
    roots: Array
    column: Array
    threshold: Array
    gap_left: Array
    yes: Array
    no: Array
    yes_leaf: Array
    no_leaf: Array
    value: Array
    target: Array

    @property
    def depth(self) -> int:
        """Levels of splits of its deepest tree."""
        links = {"yes": self.yes, "no": self.no, "yl": self.yes_leaf, "nl": self.no_leaf, "root": self.roots}
        return int(_descent(links, np.arange(len(self.roots)))[1].max())

    @classmethod
    def of(cls, node: onnx.NodeProto) -> Operator:
        known = {a.name: a for a in node.attribute}

        def ints(name: str, kind: Any = np.int64) -> Array:
            return np.array(known[name].ints, kind)

        return cls(
            node.input[0],
            node.output[0],
            known["n_targets"].i,
            ints("tree_roots"),
            ints("nodes_featureids"),
            numpy_helper.to_array(known["nodes_splits"].t),
            ints("nodes_missing_value_tracks_true", bool),
            ints("nodes_truenodeids"),
            ints("nodes_falsenodeids"),
            ints("nodes_trueleafs", bool),
            ints("nodes_falseleafs", bool),
            numpy_helper.to_array(known["leaf_weights"].t),
            ints("leaf_targetids"),
        )


def level_by_level(operators: Sequence[Operator], columns: Sequence[Mapping[int, int]]) -> Trees:
    """The trees of several operators. `columns`: for each of them where the columns that it splits at stand among those of
    all."""
    parts: dict[str, list[Array]] = {
        k: [] for k in ("f", "t", "gap", "yes", "no", "yl", "nl", "v", "to", "root")
    }
    n_split = n_leaf = outs = 0
    for o, where in zip(operators, columns, strict=True):
        place = np.zeros(max(where) + 1, np.int64)
        place[list(where)] = list(where.values())
        for key, part in {
            "f": place[o.column],
            "t": o.threshold,
            "gap": o.gap_left,
            "yes": o.yes + np.where(o.yes_leaf, n_leaf, n_split),
            "no": o.no + np.where(o.no_leaf, n_leaf, n_split),
            "yl": o.yes_leaf,
            "nl": o.no_leaf,
            "v": o.value,
            "to": o.target + outs,
            "root": o.roots + n_split,
        }.items():
            parts[key].append(part)
        n_split, n_leaf, outs = n_split + len(o.column), n_leaf + len(o.value), outs + o.outs
    x = {k: np.concatenate(v) for k, v in parts.items()}
    _, depths = _descent(x, np.arange(len(x["root"])))
    deepest_first = np.argsort(-depths, kind="stable")
    levels, _ = _descent(x, deepest_first)
    inner, splits, leaves = ([level[k] for level in levels] for k in range(3))
    order, ends = np.concatenate(splits), np.concatenate(leaves)
    target = np.zeros(len(depths), np.int64)
    for _, _, places, trees in levels:
        target[trees] = x["to"][places]
    return Trees(
        np.concatenate(inner),
        x["f"][order],
        x["t"][order],
        x["gap"][order],
        x["v"][ends],
        target,
        outs,
        depths[deepest_first],
    )


def _descent(x: Mapping[str, Array], trees: Array) -> tuple[list[tuple[Array, Array, Array, Array]], Array]:
    """Level by level over all `trees` in that order: which nodes are splits, the places of those, the places of leaves and
    which of the trees these are of. And of each tree how many levels of splits it has."""
    place, leaf, tree = x["root"][trees], np.zeros(len(trees), bool), np.arange(len(trees))
    depths = np.zeros(len(trees), np.int64)
    levels: list[tuple[Array, Array, Array, Array]] = []
    while len(place):
        here = place[~leaf]
        depths[tree] = len(levels)
        levels.append((~leaf, here, place[leaf], tree[leaf]))
        tree = np.repeat(tree[~leaf], 2)
        place = np.column_stack([x["yes"][here], x["no"][here]]).ravel()
        leaf = np.column_stack([x["yl"][here], x["nl"][here]]).ravel()
    return levels, depths
