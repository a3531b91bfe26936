"""Checks of whole rows, before any split: no target, a copy of another row, a row of the test file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import SURE, RawTable
from seedleaf.data.tables.schema import Finding, Target
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for

SURPRISE = 3.0  # times as many equal rows as by chance: copies
ABSURD = (
    10.0  # interquartile ranges from the median, and on a logarithmic scale twice as far as any other number
)
ABSURD_ROWS = 30  # rows below which nothing is said of it
MOST_ROWS = 100_000  # looked at to learn how often rows are equal by chance
MOST_COLUMNS = 50  # left out one by one to learn it


def row_hashes(target: str, *tables: RawTable) -> list[tuple[Array, Array]]:
    """64-bit hashes (N each) of rows by their texts, with and without the target: equal rows have equal ones, over all
    `tables` (of the same columns).

    Each distinct text of a column has a random number, and a row the sum of its texts' (tabulation hashing, Zobrist 1970):
    two rows that differ have the same sum with a chance of 2^-64.
    """
    whole = [np.zeros(len(t), dtype=np.uint64) for t in tables]
    of_target: list[Array] = []
    for name, parts in _hashes(tables, list(tables[0].columns)):
        whole = [total + part for total, part in zip(whole, parts, strict=True)]
        if name == target:
            of_target = parts
    features = [total - part for total, part in zip(whole, of_target, strict=True)]
    return list(zip(whole, features, strict=True))


def _hashes(tables: Sequence[RawTable], names: Sequence[str]) -> Iterator[tuple[str, list[Array]]]:
    """The random numbers of each column's texts, one array (N) for each table."""
    places = {name: place for place, name in enumerate(tables[0].columns)}
    for name in names:
        numbers: dict[str, int] = {}
        for table in tables[1:] and tables:  # one table has each text once, and needs no dictionary
            for value in table.columns[name].values:
                numbers.setdefault(value, len(numbers))
        size = len(numbers) or len(tables[0].columns[name].values)
        drawn = rng_for(0, "rows", places[name]).integers(0, 2**64, size, dtype=np.uint64)
        parts = []
        for table in tables:
            column = table.columns[name]
            index = (
                np.asarray([numbers[v] for v in column.values], dtype=np.int64) if numbers else slice(None)
            )
            parts.append(column.spread(drawn[index]))
        yield name, parts


def clean_rows(
    table: RawTable, goal: Target, test: bool = False, copies: bool = False
) -> tuple[RawTable, list[Finding]]:
    """The rows that have a target; copies of rows are dropped (in a test file, and where `copies` are wanted, all stay).

    Raises DataError where no row or one class is left.
    """
    where = "in the test file " if test else ""
    findings: list[Finding] = []
    y = goal.read(table.columns[goal.name])
    gone = np.isnan(y) if goal.task == "regression" else y < 0
    if gone.any():
        count, rows = int(gone.sum()), table.examples(gone)
        unknown = "no known target" if test else "no target"
        written = [
            v for v in table.columns[goal.name].take(np.flatnonzero(gone)).values if v.lower() not in SURE
        ]
        how = f" ({', '.join(repr(v[:20]) for v in written[:3])})" if written else ""
        said = f"{where}{plural(count, 'row has', 'rows have')} {unknown}{how}"
        findings.append(Finding("missing-target", goal.name, said, "dropped", count, rows))
        if not test and gone.all():
            raise DataError(f"{table.source}: no row has a known {goal.name}{how}")
        table = table.take(np.flatnonzero(~gone))
    if goal.task == "regression":
        _absurd(table, goal, where, findings)
    if not test:
        table = _distinct(table, goal, findings, copies)
        _enough(table, goal)
    return table, findings


def _absurd(table: RawTable, goal: Target, where: str, findings: list[Finding]) -> None:
    """One or two numbers to be predicted that lie beyond all proportion: told of all rows, held-out ones as well.

    Distances from the median in interquartile ranges, on a scale that is logarithmic far out: heavy tails thin out there
    and leave no gap. More such numbers are found by a forest (labels.py).
    """
    y = goal.read(table.columns[goal.name])
    low, middle, high = np.percentile(y, [25, 50, 75]) if len(y) >= ABSURD_ROWS else (0.0, 0.0, 0.0)
    if not high > low:
        return
    far = np.arcsinh(np.abs(y - middle) / (high - low))
    order = np.argsort(-far, kind="stable")
    for count in (2, 1):
        least = float(far[order[count - 1]])
        if least >= np.arcsinh(ABSURD) and least >= 2 * far[order[count]]:
            rows = np.sort(order[:count])
            values = ", ".join(f"{v:g}" for v in y[rows])
            said = f"{where}{plural(count, 'target')} ({values}) {'lies' if count == 1 else 'lie'} far from all others"
            said += f", whose median is {middle:g}"
            action = "kept; look at these rows"
            findings.append(Finding("label", goal.name, said, action, count, table.examples(rows)))
            return


def _distinct(table: RawTable, goal: Target, findings: list[Finding], keep: bool) -> RawTable:
    """The rows without copies of earlier ones; all rows where those that are equal are so by chance."""
    [(whole, features)] = row_hashes(goal.name, table)
    _, first = np.unique(whole, return_index=True)
    if len(first) == len(whole):
        return table
    again = np.ones(len(whole), dtype=bool)
    again[first] = False
    count, where = int(again.sum()), table.examples(again)
    said = f"{plural(count, 'row is', 'rows are')} exactly like an earlier one"
    if keep:
        action = "kept, as was asked: the score is that of rows of which some are known"
    elif by_chance(whole, features, table.columns[goal.name].counts):
        action = "kept: rows with equal features often have another target, so each says something"
    elif coarse(features, goal.name, table):
        action = "kept: columns have so few values that as many rows are equal by chance"
    else:
        action = "dropped before the split, lest they leak"
        table = table.take(np.sort(first))
    findings.append(Finding("duplicate-rows", "", said, action, count, where))
    return table


def by_chance(whole: Array, features: Array, of_target: Array) -> bool:
    """Whether about as many pairs of rows are equal as one expects of rows with equal features.

    `whole` and `features` are hashes of the rows with and without their target, `of_target` counts its values. Where rows
    are coarse, many have equal features and each draws its own target: of the pairs that differ in it one learns how many
    should agree. Copies always agree.
    """
    equal = _pairs(np.unique(whole, return_counts=True)[1])
    differ = _pairs(np.unique(features, return_counts=True)[1]) - equal
    agree = _pairs(of_target) / max(1.0, _pairs(np.asarray([of_target.sum()])))
    return agree < 1 and equal < SURPRISE * differ * agree / (1 - agree)


def coarse(features: Array, target: str, *tables: RawTable) -> bool:
    """Whether about as many pairs of rows have equal features as one expects of columns with so few values.

    `features` are hashes of the rows of all `tables` without their target. Pairs that agree in all columns but one say how
    many should agree in that one as well: where its values are shares p of the rows, Σp² of all such pairs. Copies agree in
    all columns and bring no such pairs. The column that expects most counts, since the others may follow from it. Fewer than
    a third of it is not chance either, but a table without repeats (as of all positions of a game) and some copies.
    """
    some: Array | slice = slice(None)
    if len(features) > MOST_ROWS:
        some = rng_for(0, "coarse").choice(len(features), MOST_ROWS, replace=False)
    features = features[some]
    equal = _pairs(np.unique(features, return_counts=True)[1])
    names = [name for name in tables[0].columns if name != target]
    expected = 0.0
    for _, parts in _hashes(tables, names[:: -(-len(names) // MOST_COLUMNS)]):
        part = np.concatenate(parts)[some]
        counts = np.unique(part, return_counts=True)[1]
        alike = float(((counts / len(part)) ** 2).sum())
        if alike < 1:
            nearly = _pairs(np.unique(features - part, return_counts=True)[1]) - equal
            expected = max(expected, nearly * alike / (1 - alike))
    return expected / SURPRISE <= equal <= expected * SURPRISE


def _pairs(counts: Array) -> float:
    return float((counts * (counts - 1.0) / 2).sum())


def _enough(table: RawTable, goal: Target) -> None:
    y = goal.read(table.columns[goal.name])
    found = np.unique(y)
    if len(found) >= 2:
        return
    only = goal.classes[int(found[0])] if goal.classes else f"{found[0]:g}"
    raise DataError(
        f"{table.source}: the target {goal.name} is {only!r} in every row: there is nothing to learn"
    )


def overlap(table: RawTable, test: RawTable, goal: Target, findings: list[Finding]) -> None:
    """Tell of test rows that training has seen: cell by cell, and more of them than chance explains."""
    ours, theirs = row_hashes(goal.name, table, test)
    seen = np.isin(theirs[0], ours[0])
    count = int(seen.sum())
    if not count:
        return
    whole, features = (np.concatenate(pair) for pair in zip(ours, theirs, strict=True))
    if by_chance(whole, features, table.columns[goal.name].counts) or coarse(
        features, goal.name, table, test
    ):
        return
    said = f"{count:,} of {plural(len(seen), 'test row')} {'is' if count == 1 else 'are'} also in the training file"
    action = "kept; the score on the test file leans high"
    findings.append(Finding("test-rows", "", said, action, count, test.examples(seen)))
