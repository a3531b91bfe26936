"""Whether rows that are equal were copied, or are equal by chance as those of coarse tables are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import ranks
from seedleaf.data.tables.cells import RawTable
from seedleaf.data.tables.infer import infer_column
from seedleaf.seeds import rng_for

SURPRISE = 3.0  # times as many equal rows as by chance: copies
MOST_ROWS = 100_000  # looked at to learn how often rows are equal by chance
MOST_COLUMNS = 50  # left out one by one to learn it
HARDLY = 0.02  # of the pairs with equal features: so few may have another target where rows were copied
SELDOM = 0.05  # and so few where the target has so many values that no two agree by luck
# So many times as many equal rows are expected as there are: not chance, if the rows are far apart besides.
MORE = 1.3
DOUBT = 2.0  # standard errors that noise may take from the number of rows that come so many times
FINE = 20  # equally frequent values as which a column repeats as seldom: it has many
BLUR = 10  # of those that are taken for one when a column is blurred


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


def chance(whole: Array, features: Array, target: str, *tables: RawTable, grouped: bool = False) -> str:
    """Why rows of `tables` are equal though none was copied; "" where some were.

    `whole` and `features` are the hashes of all their rows with and without the target (row_hashes). `grouped`: equal rows
    are in one group, and cannot come to lie on both sides of a split.
    """
    if by_target(whole, features, tables[0].columns[target].counts):
        return "rows with equal features often have another target, so each says something"
    some: Array | slice = slice(None)
    if len(whole) > MOST_ROWS:
        some = rng_for(0, "coarse").choice(len(whole), MOST_ROWS, replace=False)
    more = expected(features, some, target, tables)
    if 1 / SURPRISE <= more <= SURPRISE and (
        grouped or not copied(whole, features, some, target, tables, more)
    ):
        return "columns have so few values that as many rows are equal by chance"
    return ""


def by_target(whole: Array, features: Array, of_target: Array) -> bool:
    """Whether about as many pairs of rows are equal as one expects of rows with equal features.

    `of_target` counts the target's values. Where rows are coarse, many have equal features and each draws its own target:
    of the pairs that differ in it one learns how many should agree. Copies always agree.
    """
    equal = _equal(whole)
    differ = _equal(features) - equal
    agree = _pairs(of_target) / max(1.0, _pairs(np.asarray([of_target.sum()])))
    return agree < 1 and equal < SURPRISE * differ * agree / (1 - agree)


def expected(features: Array, some: Array | slice, target: str, tables: Sequence[RawTable]) -> float:
    """How many pairs of rows one expects to have equal features where columns have so few values, of those that have.

    Pairs that agree in all columns but one say how many should agree in that one as well: where its values are shares p of
    the rows, Σp² of all such pairs. Copies agree in all columns and bring no such pairs. The column that expects most
    counts, since the others may follow from it. More than three times as many as there are is not chance either, but a table
    without repeats (as of all positions of a game) and some copies.
    """
    features = features[some]
    equal = _equal(features)
    names = [name for name in tables[0].columns if name != target]
    most = 0.0
    for _, parts in _hashes(tables, names[:: -(-len(names) // MOST_COLUMNS)]):
        part = np.concatenate(parts)[some]
        alike = _alike(part)
        if alike < 1:
            nearly = _equal(features - part) - equal
            most = max(most, nearly * alike / (1 - alike))
    return most / equal if equal else (1.0 if not most else np.inf)


def copied(
    whole: Array, features: Array, some: Array | slice, target: str, tables: Sequence[RawTable], more: float
) -> bool:
    """Whether rows were copied even though a column expects as many equal ones: the visit of one patient after another
    brings pairs that agree in all but the visit, and leads to expect others that agree in the visit too.

    Not where some rows with equal features have another target: those were drawn anew, and so may those be that agree.
    `more` is what `expected` says: 1 of rows that are drawn, (1 + c)² / 2c where a share c of the rows was copied once.
    """
    alike = _equal(features)
    [(_, parts)] = _hashes(tables, [target])
    most = HARDLY if _alike(np.concatenate(parts)) * FINE > 1 else SELDOM
    if alike - _equal(whole) > most * alike:
        return False
    return in_sets(whole[some]) or (more > MORE and far_apart(whole[some], some, tables))


def in_sets(whole: Array) -> bool:
    """Whether rows come in twos or in threes (up to sevens), and less often once less, or once more, than drawn ones do.

    If each row is drawn for itself, however likely the one or the other is, n(k) rows that come k times are a mixture of
    Poisson distributions. The moments of any mixture are log-convex (Cauchy and Schwarz), so k n(k)² is no more than
    (k + 1) n(k - 1) n(k + 1). A table twice has n(1) = n(3) = 0, one with copies of a third of its rows n(3) = 0.
    """
    times = np.bincount(np.unique(whole, return_counts=True)[1], minlength=9) + 0.0
    at_most = times + DOUBT * np.sqrt(times) + DOUBT**2  # what a Poisson count may have been drawn from
    return any(k * times[k] ** 2 > SURPRISE * (k + 1) * at_most[k - 1] * at_most[k + 1] for k in range(2, 8))


def far_apart(whole: Array, some: Array | slice, tables: Sequence[RawTable]) -> bool:
    """Whether rows are either equal or far from one another in columns with many values.

    Of pairs that chance makes equal there are ten times as many that are almost so: equal where each ten neighbouring values
    of such a column count as one (and names not at all). Not if the columns with few values settle the others, as answers
    do their sum: then equal answers are all that equal rows need.
    """
    few, near = np.zeros_like(whole), np.zeros_like(whole)
    for name, parts in _hashes(tables, list(tables[0].columns)):
        part = np.concatenate(parts)[some]
        many = 1 / _alike(part)
        few += part if many < FINE else np.zeros_like(part)
        near += part if many < FINE else _blurred(name, tables, int(many / BLUR))[some]
    equal = _equal(whole)
    return _equal(near) <= SURPRISE * equal and _equal(few) >= SURPRISE * equal


def _blurred(name: str, tables: Sequence[RawTable], parts: int) -> Array:
    """Random numbers (N) of the part in which a cell's number lies when the rows are cut into equal `parts`; 0 of a name."""
    column = infer_column(name, tables[0].columns[name])
    if column.kind not in ("number", "date"):
        return np.zeros(sum(len(t) for t in tables), dtype=np.uint64)
    values = np.concatenate([column.read(t.columns[name]) for t in tables])
    drawn = rng_for(0, "blurred", name).integers(0, 2**64, parts, dtype=np.uint64)
    of_row: Array = drawn[(ranks(values) / len(values) * parts).astype(np.int64)]
    return of_row


def _alike(cells: Array) -> float:
    """How often two rows have the same value: Σp²."""
    counts = np.unique(cells, return_counts=True)[1]
    return float(((counts / len(cells)) ** 2).sum())


def _equal(rows: Array) -> float:
    """How many pairs of rows are equal, by their hashes."""
    return _pairs(np.unique(rows, return_counts=True)[1])


def _pairs(counts: Array) -> float:
    return float((counts * (counts - 1.0) / 2).sum())
