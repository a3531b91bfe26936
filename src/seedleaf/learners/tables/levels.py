"""Trees in a quarter of the bytes: the TreeEnsemble nodes of a graph as one walk down, level by level, over packed arrays.

The operator spends some twenty bytes a split: modes, targets and the places of both children are lists as long as the trees.
Here nodes stand level by level over all trees (Jacobson 1989), so that one bit a node says where its children are; pairs of
column and threshold that occur often are numbered; leaves that half precision holds take two bytes. Ordinary operators
unpack all that out of constants, which ONNX Runtime does once, when it opens the file. The walk ("tree traversal",
Nakandala et al. 2020) comes to the same leaves, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seedleaf.learners.tables.graph import Graph

Array = npt.NDArray[Any]
LARGEST = np.finfo(np.float32).max
CODES = 2**16  # pairs that two bytes can number
DEEPEST = 64  # levels beyond which a walk is slower than its bytes are worth
OPERATOR = "TreeEnsemble"
FEWEST = 1_000  # splits of a graph below which the nodes of a walk take more room than the operator
SHED = 0.8  # of the trees that are walked: where fewer go deeper, the others are left where they are


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


def walk(g: Graph) -> None:
    """Put walks into the place of the TreeEnsemble nodes of `g`, none of which may hang on another; few trees stay, and such
    as are very deep."""
    operators = {n.output[0]: Operator.of(n) for n in g.nodes if n.op_type == OPERATOR}
    if sum(len(o.column) for o in operators.values()) < FEWEST:
        return
    walked = [o for o in operators.values() if o.depth <= DEEPEST]
    hanging = {o.out for o in walked}
    before: list[Any] = []
    after: list[Any] = []
    for n in g.nodes:
        if hanging.isdisjoint(n.output):
            late = not hanging.isdisjoint(n.input)
            hanging.update(n.output if late else ())
            (after if late else before).append(n)
    g.nodes, found, gone = before, {}, set()
    plain = []
    for o in walked:
        table = _table_of(o.out, after, g.constants)
        if table is None:
            plain.append(o)
            continue
        trees, x = _columns(g, [o])
        rows = numpy_helper.to_array(g.constants[table[1].input[0]])[trees.value.astype(np.int64)]
        leaf = _descended(g, x, trees, None)
        found[table[1].output[0]] = g.add("Gather", g.constant(rows, str(rows.dtype)), leaf, axis=0)
        gone |= {table[0].output[0], table[1].output[0]}
    for group in _grouped(plain):
        trees, x = _columns(g, group)
        found |= _summed(g, _descended(g, x, trees, trees.value), trees, group)
    g.nodes += [onnx.helper.make_node("Identity", [name], [old]) for old, name in found.items()]
    g.nodes += [n for n in after if gone.isdisjoint(n.output)]
    used = _used(g.nodes)
    for name in [name for name in g.constants if name not in used]:
        g.forget(name)


def _used(nodes: Sequence[onnx.NodeProto]) -> set[str]:
    """All names that nodes read, and those in their branches."""
    inner = [_used(a.g.node) for n in nodes for a in n.attribute if a.HasField("g")]
    return {name for n in nodes for name in n.input}.union(*inner)


def _table_of(
    name: str, after: Sequence[onnx.NodeProto], constants: Mapping[str, Any]
) -> tuple[onnx.NodeProto, onnx.NodeProto] | None:
    """Where `name` holds only places in a table of leaves (`trees.shares_graph`): the nodes that make whole numbers of it,
    and read the table."""
    casts = [n for n in after if name in n.input]
    if len(casts) != 1 or casts[0].op_type != "Cast":
        return None
    reads = [n for n in after if casts[0].output[0] in n.input]
    if len(reads) != 1 or reads[0].op_type != "Gather" or reads[0].input[0] not in constants:
        return None
    return casts[0], reads[0]


def _grouped(operators: Sequence[Operator]) -> list[list[Operator]]:
    """Operators that are walked together: those whose splits recur, no more different ones than two bytes number, and the
    others."""
    groups: dict[bool, list[list[Operator]]] = {}
    sizes: dict[bool, int] = {}
    for o in operators:
        pairs = np.stack([o.column.astype(np.float64), o.threshold.astype(np.float64), o.gap_left])
        different = np.unique(pairs, axis=1).shape[1]
        recur = 2 * different < len(o.column)
        size = sizes.get(recur, CODES) + different
        if recur not in groups or (recur and size >= CODES):
            groups.setdefault(recur, []).append([])
            size = different
        groups[recur][-1].append(o)
        sizes[recur] = size
    return [group for known in groups.values() for group in known]


def _columns(g: Graph, operators: Sequence[Operator]) -> tuple[Trees, str]:
    """The trees of some operators, and the columns that they split at, (N, 2 W): W of them with gaps at the lower end, so
    that those go left, then the same with gaps at the upper end."""
    used: dict[str, set[int]] = {}
    for o in operators:
        used.setdefault(o.x, set()).update(o.column.tolist())
    places: dict[str, dict[int, int]] = {}
    width, parts = 0, []
    for x, some in used.items():
        places[x] = {c: width + i for i, c in enumerate(sorted(some))}
        parts.append(g.gather(x, sorted(some)))
        width += len(some)
    trees = _doubled(level_by_level(operators, [places[o.x] for o in operators]), width)
    whole = g.concat(parts)
    gap = g.add("IsNaN", whole)
    low = g.add("Where", gap, g.constant(-np.inf, "float32"), whole)
    # A split at infinity parts gaps from all else, so that no number may be beyond the largest.
    finite = g.add("Min", whole, g.constant(LARGEST, "float32"))
    return trees, g.concat([low, g.add("Where", gap, g.constant(np.inf, "float32"), finite)])


def _doubled(t: Trees, width: int) -> Trees:
    """The trees as they split at the columns of `_columns`."""
    threshold = np.where(t.gap_left, t.threshold, np.minimum(t.threshold, LARGEST))
    return replace(t, column=np.where(t.gap_left, t.column, t.column + width), threshold=threshold)


def _descended(g: Graph, x: str, t: Trees, value: Array | None) -> str:
    """Where each row of `x` comes to in each tree (N, T): the `value` there, or without one the place of the leaf."""
    n_trees, n, n_split = len(t.target), len(t.inner), len(t.column)

    def whole(number: int) -> str:
        return g.constant(number, "int32")

    bits = np.packbits(t.inner, bitorder="little")
    shifted = g.add(
        "BitShift", g.constant(bits[:, None], "uint8"), g.constant(np.arange(8), "uint8"), direction="RIGHT"
    )
    flat = g.add("Reshape", g.add("BitwiseAnd", shifted, g.constant(1, "uint8")), g.constant([-1], "int64"))
    flat = g.add("Slice", flat, g.constant([0], "int64"), g.constant([n], "int64"))
    inner = g.cast(flat, "int32")
    rank = g.add("Sub", g.add("CumSum", inner, whole(0)), inner)  # splits before this node
    own = g.add("Range", whole(0), whole(n), whole(1))
    child = g.add("Add", g.add("Add", rank, rank), whole(n_trees))
    left = g.add("Add", own, g.add("Mul", inner, g.add("Sub", child, own)))  # of a leaf: itself
    leaf = g.add("Sub", own, rank)
    split = g.add("Add", g.add("Mul", inner, g.add("Sub", rank, whole(n_split))), whole(n_split))
    column, threshold = (g.add("Gather", part, split) for part in _splits(g, t))

    def first(table: str) -> str:
        return g.add("Slice", table, g.constant([0], "int64"), g.constant([n_trees], "int64"))

    seen = g.add("Gather", x, first(column), axis=1)
    beyond = g.add("Greater", seen, first(threshold))
    at = g.add("Add", first(left), g.cast(beyond, "int32"))
    long = g.constant([-1], "int64")
    at = g.add("Reshape", at, long)

    def read(table: str) -> str:
        # Of one dimension GatherElements is several times as quick as Gather.
        return g.add("GatherElements", table, at, axis=0)

    def grid(flat: str, trees: int) -> str:
        return g.add("Reshape", flat, g.constant([-1, trees], "int64"))

    walking, ended = n_trees, []
    for level in range(1, int(t.depths[0])):
        deeper = int((t.depths > level).sum())
        if deeper < SHED * walking:
            going, over = g.cut(grid(at, walking), [deeper, walking - deeper])
            ended.append(over)
            at = g.add("Reshape", going, long)
            walking = deeper
        seen = g.add("GatherElements", x, grid(read(column), walking), axis=1)
        beyond = g.add("Greater", g.add("Reshape", seen, long), read(threshold))
        at = g.add("Add", read(left), g.cast(beyond, "int32"))
    if ended:
        at = g.add("Reshape", g.concat([grid(at, walking), *reversed(ended)]), long)
    if value is None:
        return grid(read(leaf), n_trees)
    half = value.astype(np.float16)
    exact = bool(np.all(half.astype(np.float32) == value))
    values = g.constant(half, "float16") if exact else g.constant(value, "float32")
    of_node = g.add("Gather", values, g.add("Min", leaf, whole(len(value) - 1)))
    return grid(read(g.cast(of_node, "float32") if exact else of_node), n_trees)


def _splits(g: Graph, t: Trees) -> tuple[str, str]:
    """Column int32 and threshold float32 of every split, and then one that sends every row left."""
    columns = np.append(t.column, 0)
    kind = "uint8" if columns.max() < 2**8 else "uint16" if columns.max() < 2**16 else "int32"
    pairs = np.stack([columns.astype(np.float64), np.append(t.threshold, np.inf).astype(np.float64)])
    unique, code = np.unique(pairs, axis=1, return_inverse=True)
    size = np.dtype(kind).itemsize + 4
    numbered = unique.shape[1] <= CODES and unique.shape[1] * size + 2 * len(columns) < len(columns) * size
    if not numbered:
        return g.cast(g.constant(columns, kind), "int32"), g.constant(pairs[1], "float32")
    small = "uint8" if unique.shape[1] <= 2**8 else "uint16"
    codes = g.cast(g.constant(code.ravel(), small), "int32")
    known = g.cast(g.constant(unique[0], kind), "int32")
    return g.add("Gather", known, codes), g.add("Gather", g.constant(unique[1], "float32"), codes)


def _summed(g: Graph, value: str, t: Trees, operators: Sequence[Operator]) -> dict[str, str]:
    """For each operator's output what stands in for it: the sums of values (N, T) by target."""
    kind = "uint8" if t.outs <= 2**8 else "int32"
    target = g.cast(g.constant(t.target[:, None], kind), "int32")
    every = g.add("Range", *(g.constant(k, "int32") for k in (0, t.outs, 1)))
    sums = g.add("MatMul", value, g.cast(g.add("Equal", target, every), "float32"))
    parts = g.cut(sums, [o.outs for o in operators])
    return {o.out: part for o, part in zip(operators, parts, strict=True)}
