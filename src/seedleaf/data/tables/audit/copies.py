"""Whether rows that are equal were copied, or are equal by chance as those of coarse tables are."""

from __future__ import annotations

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import ranks
from seedleaf.data.tables.audit.same import Rows, equal_pairs, pairs_of
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


def chance(rows: Rows, *, grouped: bool = False) -> str:
    """Why some of `rows` are the same though none was copied; "" where some were.

    `grouped`: rows that are the same are in one group, and cannot come to lie on both sides of a split.
    """
    if by_target(rows):
        return "rows with equal features often have another target, so each says something"
    some: Array | slice = slice(None)
    if rows.n > MOST_ROWS:
        some = rng_for(0, "coarse").choice(rows.n, MOST_ROWS, replace=False)
    more = expected(rows, some)
    if 1 / SURPRISE <= more <= SURPRISE and (grouped or not copied(rows, some, more)):
        return "columns have so few values that as many rows are equal by chance"
    return ""


def by_target(rows: Rows) -> bool:
    """Whether about as many pairs of rows are equal as one expects of rows with equal features.

    Where rows are coarse, many have equal features and each draws its own target: of the pairs that differ in it one learns
    how many should agree. Copies always agree.
    """
    equal, alike = rows.pairs
    agree = pairs_of(rows.counts(rows.goal.name)) / max(1.0, pairs_of(np.asarray([rows.n])))
    return agree < 1 and equal < SURPRISE * (alike - equal) * agree / (1 - agree)


def expected(rows: Rows, some: Array | slice) -> float:
    """How many pairs of rows one expects to have equal features where columns have so few values, of those that have.

    Pairs that agree in all columns but one say how many should agree in that one as well: where its values are shares p of
    the rows, Σp² of all such pairs. Copies agree in all columns and bring no such pairs. The column that expects most
    counts, since the others may follow from it. More than three times as many as there are is not chance either, but a table
    without repeats (as of all positions of a game) and some copies.
    """
    features = rows.hashes[1][some]
    equal = equal_pairs(features)
    most = 0.0
    for name in rows.features[:: -(-len(rows.features) // MOST_COLUMNS)]:
        part = rows.part(name)[some]
        alike = _alike(part)
        if alike < 1:
            nearly = equal_pairs(features - part) - equal
            most = max(most, nearly * alike / (1 - alike))
    return most / equal if equal else (1.0 if not most else np.inf)


def copied(rows: Rows, some: Array | slice, more: float) -> bool:
    """Whether rows were copied even though a column expects as many equal ones: the visit of one patient after another
    brings pairs that agree in all but the visit, and leads to expect others that agree in the visit too.

    Not where some rows with equal features have another target: those were drawn anew, and so may those be that agree.
    `more` is what `expected` says: 1 of rows that are drawn, (1 + c)² / 2c where a share c of the rows was copied once.
    """
    equal, alike = rows.pairs
    most = HARDLY if _alike(rows.codes(rows.goal.name)) * FINE > 1 else SELDOM
    if alike - equal > most * alike:
        return False
    return in_sets(rows.hashes[0][some]) or (more > MORE and far_apart(rows, some))


def in_sets(whole: Array) -> bool:
    """Whether rows come in twos or in threes (up to sevens), and less often once less, or once more, than drawn ones do.

    If each row is drawn for itself, however likely the one or the other is, n(k) rows that come k times are a mixture of
    Poisson distributions. The moments of any mixture are log-convex (Cauchy and Schwarz), so k n(k)² is no more than
    (k + 1) n(k - 1) n(k + 1). A table twice has n(1) = n(3) = 0, one with copies of a third of its rows n(3) = 0.
    """
    times = np.bincount(np.unique(whole, return_counts=True)[1], minlength=9) + 0.0
    at_most = times + DOUBT * np.sqrt(times) + DOUBT**2  # what a Poisson count may have been drawn from
    return any(k * times[k] ** 2 > SURPRISE * (k + 1) * at_most[k - 1] * at_most[k + 1] for k in range(2, 8))


def far_apart(rows: Rows, some: Array | slice) -> bool:
    """Whether rows are either equal or far from one another in columns with many values.

    Of pairs that chance makes equal there are ten times as many that are almost so: equal where each ten neighbouring values
    of such a column count as one (and names not at all). Not if the columns with few values settle the others, as answers
    do their sum: then equal answers are all that equal rows need.
    """
    whole = rows.hashes[0][some]
    few, near = np.zeros_like(whole), np.zeros_like(whole)
    for name in rows.names:
        part = rows.part(name)[some]
        many = 1 / _alike(part)
        few += part if many < FINE else np.zeros_like(part)
        near += part if many < FINE else _blurred(name, rows, int(many / BLUR))[some]
    equal = equal_pairs(whole)
    return equal_pairs(near) <= SURPRISE * equal and equal_pairs(few) >= SURPRISE * equal


def _blurred(name: str, rows: Rows, parts: int) -> Array:
    """Random numbers (N) of the part in which a cell's number lies when the rows are cut into equal `parts`; 0 of a name."""
    values = rows.numbers(name)
    if values is None:
        return np.zeros(rows.n, dtype=np.uint64)
    drawn = rng_for(0, "blurred", name).integers(0, 2**64, parts, dtype=np.uint64)
    of_row: Array = drawn[(ranks(values) / len(values) * parts).astype(np.int64)]
    return of_row


def _alike(cells: Array) -> float:
    """How often two rows have the same value: Σp²."""
    counts = np.unique(cells, return_counts=True)[1]
    return float(((counts / len(cells)) ** 2).sum())
