"""Columns that say the target outright: a copy of it, its name in a text, a level for each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import ORDERED, same_order, skill_alone
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.audit.twins import rounded
from seedleaf.data.tables.schema import Column, Finding

CERTAIN = 0.995  # skill of a column alone from which it is dropped, for classes
CERTAIN_NUMBER = 0.9998  # and for a number: what grows together predicts well, and is no leak
PER_CLASS = 2  # numbers a class up to which a column of them is held for its name
LIKELY = 0.95  # from which it is told
SAME = 0.9999  # rank correlation from which a column is the target in another unit or on another scale
FEWEST = 30  # rows below which nothing is said but of such a one


def _by_name(sheet: Sheet, column: Column) -> bool:
    """Does it name the classes: by categories, or by few numbers for each? One measurement may well tell classes apart, and
    so may what people write; without it the model would have nothing to go by."""
    if column.kind in ("number", "date"):
        values = sheet.values(column.name)[sheet.sample]
        return len(np.unique(values[~np.isnan(values)])) <= PER_CLASS * len(sheet.target.classes)
    return column.kind == "category"


def leakage(sheet: Sheet) -> Iterator[Verdict]:
    """Columns that predict the target almost perfectly alone. Those dropped as names of rows are looked at too."""
    looked = [
        c for c in sheet.columns.values() if not c.dropped or (c.levels and c.dropped.startswith("it names"))
    ]
    for column in looked:
        if said := _rewritten(sheet, column):
            certain = len(list(sheet.used)) > 1
            action = "column dropped as a leak" if certain else "kept, as nothing else is left"
            finding = Finding("leak", column.name, said, action, sheet.n)
            yield Verdict(finding, "it says the target outright" if certain else "")
            continue
        skill = skill_alone(sheet, column) if sheet.n >= FEWEST else 0.0
        if skill < LIKELY:
            continue
        said = f"alone it predicts {sheet.target.name} almost perfectly (skill {skill:.3f} of 1, out of fold)"
        certain = skill >= (CERTAIN if sheet.classes else CERTAIN_NUMBER) and len(list(sheet.used)) > 1
        certain = certain and (not sheet.classes or _by_name(sheet, column))
        action = "column dropped as a leak" if certain else "kept; is it known before the target is?"
        finding = Finding("leak", column.name, said, "column dropped" if column.dropped else action, sheet.n)
        yield Verdict(finding, "it says the target outright" if certain and not column.dropped else "")


def _rewritten(sheet: Sheet, column: Column) -> str:
    """Whether a number is the target itself, in another unit, rounded or on another scale, as the logarithm of a price is.

    A tree's steps are too coarse to tell that from a good feature where rows are few or the target is skewed.
    """
    if sheet.classes or column.kind != "number" or column.n_values < ORDERED:
        return ""
    values, y = sheet.values(column.name)[sheet.sample], sheet.y[sheet.sample]
    order, known = same_order(values, y), ~np.isnan(values)
    if order >= SAME and not _grows(values[known]):
        return f"is {sheet.target.name} itself or grows with it in every row (rank correlation {order:.5f})"
    if order > 0.99 and (rounded(values[known], y[known]) or rounded(y[known], values[known])):
        return f"is {sheet.target.name} in another unit, up to rounding"
    return ""


def _grows(values: Array) -> bool:
    """Whether a column only grows or only falls from row to row, as time does: what grows with time as well is no leak."""
    steps = np.diff(values)
    return bool((steps >= 0).all() or (steps <= 0).all())
