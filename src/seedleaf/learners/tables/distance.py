"""Rows that a model keeps, and the squared distances to them: in batches in Python, and the same in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.distances import squared_distances
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Matrix

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Halves = npt.NDArray[np.float16]
MOST_CELLS = 200_000  # of the rows that are kept: half precision makes that 400 kB
GRAPH_BYTES = 2_500  # of a file that the nodes take, whatever rows are kept
A_BATCH = 2_000_000  # distances that are held at once


def halved(x: Matrix) -> Halves:
    """Rows as the file keeps them; what they are rounded to is what they are in Python, too."""
    return np.clip(x, -6e4, 6e4).astype(np.float16)


def chosen_rows(x: Matrix, y: Array, classes: bool, most: int, rng: np.random.Generator) -> Array:
    """At most `most` rows, and no more cells than a file may have, at random; every class keeps a row. Ascending."""
    most = max(min(most, MOST_CELLS // max(x.shape[1], 1)), 50)
    if len(x) <= most:
        return np.arange(len(x))
    order = rng.permutation(len(x))
    if not classes:
        return np.sort(order[:most])
    one_each = np.unique(y[order], return_index=True)[1]
    rest = np.setdiff1d(np.arange(len(x)), one_each)
    return np.sort(order[np.concatenate([one_each, rest])[: max(most, len(one_each))]])


def squared_graph(g: Graph, x: str, kept: Halves) -> str:
    """Squared distances of a float32 (N, D) tensor to (M, D) kept rows: float64 (N, M)."""
    wide = g.cast(x, "float64")
    rows = g.cast(g.constant(kept, "float16"), "float64")
    own = g.total(g.add("Mul", wide, wide))
    theirs = g.add("Transpose", g.total(g.add("Mul", rows, rows)), perm=[1, 0])
    both = g.add("MatMul", wide, g.add("Transpose", rows, perm=[1, 0]))
    apart = g.add("Sub", g.add("Add", own, theirs), g.add("Mul", both, g.constant(2.0)))
    return g.add("Max", apart, g.constant(0.0))


def in_batches(x: Matrix, kept: Halves, answer: Callable[[Floats], Floats]) -> Floats:
    """What `answer` makes of the squared distances (rows, M), for a few of the (N, D) rows at a time."""
    size = max(A_BATCH // max(len(kept), 1), 1)
    rows = kept.astype(np.float64)
    starts = range(0, len(x), size) or (0,)  # of no rows there is an answer, too
    return np.concatenate(
        [answer(squared_distances(x[i : i + size].astype(np.float64), rows)) for i in starts]
    )
