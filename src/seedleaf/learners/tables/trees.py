"""Trees of scikit-learn as arrays, and those as one TreeEnsemble node: the same leaves for every row, bit for bit.

Rows come as float32. scikit-learn holds a threshold in float64 and goes left where x <= threshold; for a float32 x that is
the same as x <= the largest float32 that is not above the threshold, so thresholds are rounded down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from seedleaf.errors import TrialError
from seedleaf.learners.tables.graph import ML, Graph
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.rounded import as_half
from seedleaf.learners.tables.walk import FEWEST

Array = npt.NDArray[Any]
SUM, LEQ = 1, 0  # aggregate function and node mode of TreeEnsemble
LEAF_BYTES = 20  # that a leaf takes in an operator, with the split it hangs on
PACKED_BYTES, WALK_BYTES = (
    9,
    12_000,
)  # the same where trees are walked (walk.py), and what the nodes of a walk take


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree of M nodes, the root first. `value` (M, K) counts at leaves; with K = 1 it adds to output `target`."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    leaf: Array
    value: Array
    target: int = 0


def leaves_within(effort: Effort, usual: int, more: int = 0, exact: bool = True) -> int:
    """How many leaves of trees a file has room for, `usual` without a limit. A leaf takes `more` bytes than one number does;
    `exact`: in single precision."""
    few = effort.most(usual, LEAF_BYTES + more)
    if effort.room is None:
        return few
    return max(min(few, FEWEST), effort.most(usual, PACKED_BYTES + 2 * exact + more, WALK_BYTES))


def round_down(threshold: Array) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each float64."""
    near = threshold.astype(np.float32)
    return np.where(near.astype(np.float64) > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def leaf_values(values: Array) -> Array:
    """The values of leaves as a file keeps them, in half precision: what they are in Python, too."""
    return as_half(np.clip(values, -6e4, 6e4)).astype(np.float64)


def from_boosting(nodes: Array, target: int) -> Tree:
    """A tree of HistGradientBoosting: the `nodes` of its predictor."""
    return Tree(
        nodes["feature_idx"].astype(np.int64),
        round_down(nodes["num_threshold"]),
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["missing_go_to_left"].astype(bool),
        nodes["is_leaf"].astype(bool),
        nodes["value"][:, None],
        target,
    )


def from_forest(tree: Any, value: Array) -> Tree:
    """A tree of a forest (`estimator.tree_`) with `value` (M, K) at its nodes."""
    return Tree(
        np.maximum(tree.feature, 0),
        round_down(tree.threshold),
        tree.children_left,
        tree.children_right,
        tree.missing_go_to_left.astype(bool),
        tree.children_left < 0,
        value,
    )


def ensemble_graph(g: Graph, x: str, trees: Sequence[Tree], n_out: int) -> str:
    """The sum over all trees, each of which has one value a leaf: float32 (N, n_out)."""
    n_split = n_leaf = 0
    roots: list[int] = []
    splits: dict[str, list[Array]] = {k: [] for k in ("f", "t", "yes", "no", "yes_leaf", "no_leaf", "miss")}
    targets, weights = [], []
    for tree in trees:
        tree = _planted(tree)
        inner, leaves = np.flatnonzero(~tree.leaf), np.flatnonzero(tree.leaf)
        place = np.zeros(len(tree.leaf), np.int64)
        place[inner] = n_split + np.arange(len(inner))
        place[leaves] = n_leaf + np.arange(len(leaves))
        roots.append(n_split)
        yes, no = tree.left[inner], tree.right[inner]
        for key, part in zip(
            splits,
            (
                tree.feature[inner],
                tree.threshold[inner],
                place[yes],
                place[no],
                tree.leaf[yes],
                tree.leaf[no],
                tree.missing_left[inner],
            ),
            strict=True,
        ):
            splits[key].append(part)
        targets.append(np.full(len(leaves), tree.target))
        weights.append(tree.value[leaves, 0])
        n_split, n_leaf = n_split + len(inner), n_leaf + len(leaves)
    whole = {k: np.concatenate(v) for k, v in splits.items()}
    ints = {k: whole[k].astype(np.int64).tolist() for k in whole if k != "t"}
    return g.add(
        "TreeEnsemble",
        x,
        domain=ML,
        n_targets=n_out,
        aggregate_function=SUM,
        post_transform=0,
        tree_roots=roots,
        nodes_featureids=ints["f"],
        nodes_splits=numpy_helper.from_array(whole["t"].astype(np.float32)),
        nodes_modes=numpy_helper.from_array(np.full(n_split, LEQ, np.uint8)),
        nodes_truenodeids=ints["yes"],
        nodes_falsenodeids=ints["no"],
        nodes_trueleafs=ints["yes_leaf"],
        nodes_falseleafs=ints["no_leaf"],
        nodes_missing_value_tracks_true=ints["miss"],
        leaf_targetids=np.concatenate(targets).astype(np.int64).tolist(),
        leaf_weights=numpy_helper.from_array(np.concatenate(weights).astype(np.float32)),
    )


def shares_graph(g: Graph, x: str, trees: Sequence[Tree]) -> str:
    """The sum over all trees of the rows (K) at their leaves, squares of whole numbers up to 255: float32 (N, K).

    A leaf of a TreeEnsemble holds one number, so each tree gives the place of its leaf in one table of all leaves.
    """
    trees = [_planted(tree) for tree in trees]
    numbered, rows, n = [], [], 0
    for t, tree in enumerate(trees):
        leaves = np.flatnonzero(tree.leaf)
        place = np.zeros((len(tree.leaf), 1))
        place[leaves, 0] = n + np.arange(len(leaves))
        rows.append(tree.value[leaves])
        numbered.append(replace(tree, value=place, target=t))
        n += len(leaves)
    if n >= 2**24:
        raise TrialError("a forest of so many leaves cannot be numbered in float32")
    places = g.cast(ensemble_graph(g, x, numbered, len(trees)), "int64")
    table = g.constant(np.round(np.sqrt(np.concatenate(rows))), "uint8")
    found = g.cast(g.add("Gather", table, places, axis=0), "float32")
    return g.total(g.add("Mul", found, found), 1, keep=False)


def _planted(tree: Tree) -> Tree:
    """A tree that is a single leaf gets a split both of whose sides are that leaf: the operator knows no bare leaf."""
    if not tree.leaf[0]:
        return tree
    return Tree(
        np.array([0, 0, 0]),
        np.zeros(3, np.float32),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.zeros(3, bool),
        np.array([False, True, True]),
        np.repeat(tree.value[:1], 3, axis=0),
        tree.target,
    )
