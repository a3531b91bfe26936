"""Columns that say which rows belong together, and those that say what the target was some rows before."""

from __future__ import annotations

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import ranks
from seedleaf.data.tables.audit.sheet import Sheet
from seedleaf.data.tables.schema import Column

PAIRS = 20  # of rows with the same cell must be expected to differ in the target
EACH = 10  # rows on average up to which cells are names of people or things, and no properties
APART = 0.5  # likeness of rows with neighbouring numbers from which a column measures something
MOST_BEFORE = 400  # rows, as a year of days has
MOVED = 10  # rows in which the target must have changed since
NEARLY = 0.99  # of them say what it was: each row that was left out takes one


def likeness(sheet: Sheet, column: Column) -> float:
    """How alike the targets of rows with the same cell are: 1 - (how far apart they are) / (how far those of any rows are).

    0 is by chance, 1 that none differ. Whether classes differ is what counts, or how far places in order are apart; rows
    count evenly. 0 as well where so few repeat that chance may make them alike, where each cell stands in many rows (how
    well these foretell is seen, alone.py), and of numbers whose neighbours are alike: these measure something.
    """
    if column.kind == "category":
        cells = sheet.raw(column.name).codes
    elif column.kind == "number" and column.whole:
        cells = sheet.values(column.name)
    else:
        return 0.0
    known = ~sheet.missing(column.name)
    cells, y = cells[known], sheet.y[known]
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    again = counts[place] > 1
    if not again.any() or len(cells) > EACH * len(counts):
        return 0.0
    y = y[again] if sheet.classes else ranks(y[again])
    order = np.argsort(place[again], kind="stable")
    _, place, counts = np.unique(place[again][order], return_inverse=True, return_counts=True)
    y = y[order]
    any_two = np.zeros_like(place)
    _, kinds = np.unique(y, return_inverse=True)
    if float(_apart(any_two, kinds, True)[0]) * (counts - 1).sum() < PAIRS:
        return 0.0
    usual = float(_apart(any_two, y, sheet.classes)[0])
    within = float((_apart(place, y, sheet.classes) * counts).sum() / len(y))
    alike = 1 - within / usual
    if column.kind == "number" and alike > 0:
        beside = np.flatnonzero(np.diff(place))
        off = (y[beside] != y[beside + 1]) if sheet.classes else (y[beside] - y[beside + 1]) ** 2 / 2
        if len(beside) and 1 - float(off.mean()) / usual > APART:
            return 0.0
    return alike


def _apart(place: Array, y: Array, classes: bool) -> Array:
    """How far the targets of rows of each place are apart: how often two rows differ in their class, or the variance."""
    counts = np.bincount(place)
    if not classes:
        mean = np.bincount(place, weights=y) / counts
        spread: Array = np.bincount(place, weights=(y - mean[place]) ** 2) / (counts - 1)
        return spread
    kinds = int(y.max()) + 1
    both, times = np.unique(place * kinds + y, return_counts=True)
    same = np.bincount(both // kinds, weights=times * (times - 1.0))
    differ: Array = 1 - same / (counts * (counts - 1.0))
    return differ


def rows_before(sheet: Sheet, column: Column) -> int:
    """How many rows earlier, in the order that was asked for, the target was what the column says; 0 where it never was.

    Only rows in which the target has changed since tell that from the target itself.
    """
    if not sheet.order_by or column.name == sheet.order_by:
        return 0
    if sheet.classes:
        raw = sheet.raw(column.name)
        y = np.asarray(sheet.target.classes, dtype=object)[sheet.y]
        said = np.asarray(raw.values, dtype=object)[raw.codes]
    elif column.kind == "number":
        y, said = sheet.y, sheet.values(column.name)
    else:
        return 0
    known = ~sheet.missing(column.name)
    for k in range(1, min(MOST_BEFORE, len(y) // 2) + 1):
        moved = known[k:] & (y[k:] != y[:-k])
        if moved.sum() >= MOVED and float((said[k:] == y[:-k])[moved].mean()) >= NEARLY:
            return k
    return 0
