"""Trees in a quarter of the bytes: the TreeEnsemble nodes of a graph as one walk down, level by level, over packed arrays.

The operator spends some twenty bytes a split: modes, targets and the places of both children are lists as long as the trees.
Here nodes stand level by level over all trees (Jacobson 1989), so that one bit a node says where its children are; pairs of
column and threshold that occur often are numbered; leaves that half precision holds take two bytes. Ordinary operators
unpack all that out of constants, which ONNX Runtime does once, when it opens the file. The walk ("tree traversal",
Nakandala et al. 2020) comes to the same leaves, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.levels import Operator, Trees, level_by_level
from seedleaf.learners.tables.rounded import as_half

Array = npt.NDArray[Any]
LARGEST = np.finfo(np.float32).max
CODES = 2**16  # pairs that two bytes can number
DEEPEST = 64  # levels beyond which a walk is slower than its bytes are worth
OPERATOR = "TreeEnsemble"
FEWEST = 1_000  # splits of a graph below which the nodes of a walk take more room than the operator
APART = 700  # bytes that telling leaves of two precisions apart takes, beside a bit for each
SHED = 0.8  # of the trees that are walked: where fewer go deeper, the others are left where they are


def walk(g: Graph) -> bool:
    """Put walks into the place of the TreeEnsemble nodes of `g`, none of which may hang on another; few trees stay, and such
    as are very deep. False where nothing was changed."""
    operators = {n.output[0]: Operator.of(n) for n in g.nodes if n.op_type == OPERATOR}
    walked = [o for o in operators.values() if o.depth <= DEEPEST]
    if not walked or sum(len(o.column) for o in operators.values()) < FEWEST:
        return False
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
    return True


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
    n_trees, n_split = len(t.target), len(t.column)

    def whole(number: int) -> str:
        return g.constant(number, "int32")

    inner, rank, own = _ranked(g, t.inner)
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
    return grid(read(g.add("Gather", _values(g, value), g.add("Min", leaf, whole(len(value) - 1)))), n_trees)


def _ranked(g: Graph, flags: Array) -> tuple[str, str, str]:
    """Flags (M), a bit each in the file, as int32: the flags, how many are set before each place, and the places."""
    zero, one, n = (g.constant(k, "int32") for k in (0, 1, len(flags)))
    bits = np.packbits(flags, bitorder="little")
    shifted = g.add(
        "BitShift", g.constant(bits[:, None], "uint8"), g.constant(np.arange(8), "uint8"), direction="RIGHT"
    )
    flat = g.add("Reshape", g.add("BitwiseAnd", shifted, g.constant(1, "uint8")), g.constant([-1], "int64"))
    flat = g.add("Slice", flat, g.constant([0], "int64"), g.constant([len(flags)], "int64"))
    found = g.cast(flat, "int32")
    rank = g.add("Sub", g.add("CumSum", found, zero), found)
    return found, rank, g.add("Range", zero, n, one)


def _values(g: Graph, value: Array) -> str:
    """float32 (L), bit for bit: those that half precision holds take two bytes in the file. Leaves of boosting are among
    them, those of other packages' trees that are joined with them are not."""
    half = as_half(value)
    short = half == value
    if short.all():
        return g.cast(g.constant(value, "float16"), "float32")
    if 2 * short.sum() < len(value) / 8 + APART:
        return g.constant(value, "float32")
    flag, rank, own = _ranked(g, short)
    beyond = g.add("Add", g.add("Sub", own, rank), g.constant(int(short.sum()), "int32"))
    place = g.add("Add", beyond, g.add("Mul", flag, g.add("Sub", rank, beyond)))
    both = g.cast(g.constant(value[short], "float16"), "float32"), g.constant(value[~short], "float32")
    return g.add("Gather", g.add("Concat", *both, axis=0), place)


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
