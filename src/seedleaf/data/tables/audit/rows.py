"""Checks of whole rows, before any split: no target, a copy of another row, a row of the test file."""

from __future__ import annotations

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import plural
from seedleaf.data.tables.cells import RawTable
from seedleaf.data.tables.schema import Finding, Target
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for


def row_hashes(*tables: RawTable) -> list[Array]:
    """64-bit hashes (N each) of rows by their texts: equal rows have equal ones, over all `tables` (of the same columns).

    Each distinct text of a column has a random number, and a row the sum of its texts' (tabulation hashing, Zobrist 1970):
    two rows that differ have the same sum with a chance of 2^-64.
    """
    sums = [np.zeros(len(t), dtype=np.uint64) for t in tables]
    for place, name in enumerate(tables[0].columns):
        numbers: dict[str, int] = {}
        for table in tables:
            for value in table.columns[name].values:
                numbers.setdefault(value, len(numbers))
        drawn = rng_for(0, "rows", place).integers(0, 2**64, len(numbers), dtype=np.uint64)
        for table, total in zip(tables, sums, strict=True):
            column = table.columns[name]
            index = np.asarray([numbers[v] for v in column.values], dtype=np.int64)
            total += column.spread(drawn[index])
    return sums


def clean_rows(table: RawTable, goal: Target, test: bool = False) -> tuple[RawTable, list[Finding]]:
    """The rows that have a target; of those that are equal in every cell the first (in a test file all stay).

    Raises DataError where no row or one class is left.
    """
    where = "in the test file " if test else ""
    findings: list[Finding] = []
    y = goal.read(table.columns[goal.name])
    gone = np.isnan(y) if goal.task == "regression" else y < 0
    if gone.any():
        count, rows = int(gone.sum()), table.examples(gone)
        unknown = "no known target" if test else "no target"
        said = f"{where}{plural(count, 'row has', 'rows have')} {unknown}"
        findings.append(Finding("missing-target", goal.name, said, "dropped", count, rows))
        table = table.take(np.flatnonzero(~gone))
    if not test:
        table = _distinct(table, findings)
        _enough(table, goal)
    return table, findings


def _distinct(table: RawTable, findings: list[Finding]) -> RawTable:
    [hashes] = row_hashes(table)
    _, first = np.unique(hashes, return_index=True)
    if len(first) == len(hashes):
        return table
    again = np.ones(len(hashes), dtype=bool)
    again[first] = False
    count = int(again.sum())
    said = f"{plural(count, 'row is', 'rows are')} exactly like an earlier one"
    findings.append(
        Finding(
            "duplicate-rows",
            "",
            said,
            "dropped before the split, lest they leak",
            count,
            table.examples(again),
        )
    )
    return table.take(np.sort(first))


def _enough(table: RawTable, goal: Target) -> None:
    y = goal.read(table.columns[goal.name])
    found = np.unique(y)
    if len(found) >= 2:
        return
    if not len(found):
        raise DataError(f"{table.source}: no row has a known {goal.name}")
    only = goal.classes[int(found[0])] if goal.classes else f"{found[0]:g}"
    raise DataError(
        f"{table.source}: the target {goal.name} is {only!r} in every row: there is nothing to learn"
    )


def without_overlap(table: RawTable, test: RawTable, findings: list[Finding]) -> Array:
    """Indices of the training rows that are not also in the test file, cell by cell."""
    ours, theirs = row_hashes(table, test)
    both = np.isin(ours, theirs)
    count = int(both.sum())
    if count and count < len(both):
        said = f"{plural(count, 'training row is', 'training rows are')} also in the test file"
        findings.append(Finding("test-rows", "", said, "dropped from training", count, table.examples(both)))
        return np.flatnonzero(~both)
    if count:
        raise DataError(f"{test.source} holds every row of {table.source}: nothing would be left to train on")
    return np.arange(len(table))
