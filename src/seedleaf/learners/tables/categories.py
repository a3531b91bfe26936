"""Categories as numbers. Whatever the encoding, it is a table with one row for each level: the graph looks up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.graph import ML, Graph

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
MOST_COLUMNS = 48  # one-hot columns of one category: the most frequent levels, the others are all zero
SMOOTH = 10.0  # rows that the prior is worth in a target encoding
PARTS = 5  # of the training rows: a row's own target never enters what its category is encoded as
MOST_CLASSES = 12  # with more classes a target encoding would be wider than the levels are many


@dataclass(frozen=True, eq=False)
class Lookup:
    """Categories (N, c) -> (N, w): `tables[j]` (levels + 1, w_j), the last row for what is missing or was never seen."""

    levels: tuple[tuple[str, ...], ...]
    tables: tuple[Floats, ...]

    @property
    def width(self) -> int:
        return sum(t.shape[1] for t in self.tables)

    def apply(self, codes: Codes) -> Floats:
        parts = [table[codes[:, j]] for j, table in enumerate(self.tables) if table.shape[1]]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(codes), 0))

    def graph(self, g: Graph) -> str:
        """Float64 (N, w)."""
        alike: dict[tuple[tuple[str, ...], int], list[int]] = {}
        for j, table in enumerate(self.tables):
            if table.shape[1]:
                alike.setdefault((self.levels[j], table.shape[1]), []).append(j)
        parts = [self._columns(g, members) for members in alike.values()]
        order = [j for members in alike.values() for j in members]
        whole = g.concat(parts)
        return whole if order == sorted(order) else g.gather(whole, self._places(order))

    def _places(self, order: Sequence[int]) -> list[int]:
        """Where each column of the matrix stands when the categories come in this order."""
        widths = [self.tables[j].shape[1] for j in order]
        starts = dict(zip(order, np.cumsum([0, *widths[:-1]]).tolist(), strict=True))
        return [starts[j] + k for j in sorted(order) for k in range(self.tables[j].shape[1])]

    def _columns(self, g: Graph, members: Sequence[int]) -> str:
        """Categories with the same levels and as wide tables: one look-up, as ten thousand nodes take minutes to open."""
        names, tables = self.levels[members[0]], [self.tables[j] for j in members]
        height, width = tables[0].shape
        code = g.add(
            "LabelEncoder",
            g.add(
                "Gather", g.texts, g.constant(members[0] if len(members) == 1 else members, "int64"), axis=1
            ),
            domain=ML,
            keys_strings=[*names, ""] if "" not in names else list(names),
            values_int64s=list(range(len(names) + ("" not in names))),
            default_int64=len(names),
        )
        if len(members) > 1:  # the tables stand below each other
            code = g.add("Add", code, g.constant(np.arange(len(members)) * height, "int64"))
        whole = np.concatenate(tables)
        found = g.cast(g.add("Gather", g.constant(whole, _narrow(whole)), code, axis=0), "float64")
        if len(members) == 1:
            return found
        return g.add("Reshape", found, g.constant([-1, len(members) * width], "int64"))


def _narrow(table: Floats) -> str:
    """A table of whole numbers loses nothing in float32."""
    return "float32" if np.array_equal(table, table.astype(np.float32)) else "float64"


def encode(
    levels: Sequence[tuple[str, ...]],
    codes: Codes,
    y: npt.NDArray[Any],
    n_classes: int,
    how: str,
    rng: np.random.Generator,
) -> tuple[Lookup, Floats]:
    """The lookup fitted to training rows, and those rows encoded; for a target encoding from the other rows' targets."""
    if how == "target" and n_classes <= MOST_CLASSES:
        return _target(levels, codes, y, n_classes, rng)
    make = {"onehot": _onehot, "ordinal": _ordinal}.get(how, _ordinal)
    tables = tuple(make(codes[:, j], len(names)) for j, names in enumerate(levels))
    lookup = Lookup(tuple(levels), tables)
    return lookup, lookup.apply(codes)


def _onehot(codes: Codes, n: int) -> Floats:
    counts = np.bincount(codes, minlength=n + 1)
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k] > 1][:MOST_COLUMNS]
    # Of two levels one column says all.
    chosen = order[:1] if len(order) == 2 and counts.sum() == counts[order].sum() else order
    table = np.zeros((n + 1, len(chosen)))
    table[chosen, range(len(chosen))] = 1.0
    return table


def _ordinal(codes: Codes, n: int) -> Floats:
    return np.append(np.arange(n, dtype=np.float64), -1.0)[:, None]


def _target(
    levels: Sequence[tuple[str, ...]],
    codes: Codes,
    y: npt.NDArray[Any],
    n_classes: int,
    rng: np.random.Generator,
) -> tuple[Lookup, Floats]:
    """The smoothed mean of the target for each level (Micci-Barreca 2001), cross-fitted for the training rows."""
    goal = y.astype(np.float64)[:, None] if n_classes == 0 else np.eye(n_classes)[y][:, 1:]
    part = rng.permutation(len(y)) % PARTS
    prior = goal.mean(0)
    tables, columns = [], []
    for j, names in enumerate(levels):
        size = len(names) + 1
        cell = codes[:, j].astype(np.int64) * PARTS + part
        count = np.bincount(cell, minlength=size * PARTS).reshape(size, PARTS)
        sums = np.stack(
            [np.bincount(cell, goal[:, k], size * PARTS) for k in range(goal.shape[1])], axis=1
        ).reshape(size, PARTS, -1)
        n, total = count.sum(1)[:, None], sums.sum(1)
        tables.append((total + SMOOTH * prior) / (n + SMOOTH))
        others = (total[:, None] - sums + SMOOTH * prior) / ((n - count)[:, :, None] + SMOOTH)
        columns.append(others[codes[:, j], part])
    return Lookup(tuple(levels), tuple(tables)), np.concatenate(columns, axis=1)
