"""Columns that say the target outright: a copy of it, its name in a text, a level for each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import ORDERED, roughness, same_order, skill_alone
from seedleaf.data.tables.audit.kin import likeness, rows_before
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.audit.values import counts_time, passes
from seedleaf.data.tables.schema import Column, Finding
from seedleaf.data.tables.words import plural

CERTAIN = 0.995  # skill of a column alone from which it is dropped, for classes
CERTAIN_NUMBER = 0.9998  # and for a number: what grows together predicts well, and is no leak
PER_CLASS = 2  # numbers a class up to which a column of them is held for its name
LIKELY = 0.95  # from which it is told
SAME = 0.9999  # rank correlation from which a column is the target in another unit or on another scale
ENOUGH = 100  # rows from which that order is no accident
SMOOTH = 0.01  # roughness up to which it is none in fewer rows either
LEFT_OUT = 2  # steps on average from one number to the next up to which they count in even steps
HALF = 0.57  # of a step: the most that rounding leads away from a line, which is itself a little off
ROUNDED = 0.24  # of a step: the least deviation from a line through rounding, which is 0.29 of it
EXACT = 0.02  # of a step: no deviation
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
        said, certain = _rewritten(sheet, column)
        if not said:
            said, certain = _foretells(sheet, column)
        before = rows_before(sheet, column) if said else 0
        if not certain and not before and (finding := _shared(sheet, column)):
            yield Verdict(finding)
            continue
        if not said:
            continue
        action = "kept; is it known before the target is?"
        drop = certain and not column.dropped and not before and len(list(sheet.used)) > 1
        if column.dropped:
            action = "column dropped"
        elif before:
            action = f"kept: it is {sheet.target.name} of {plural(before, 'row')} before"
        elif certain:
            action = "column dropped as a leak" if drop else "kept, as nothing else is left"
            action += f"; {_together(column)}" if _shares(sheet, column) else ""
        finding = Finding("leak", column.name, said, action, sheet.n)
        yield Verdict(finding, "it says the target outright" if drop else "")


def _shared(sheet: Sheet, column: Column) -> Finding | None:
    """Whether rows with the same cell have the same target, as a person's may, be they too few to foretell one another."""
    if not _shares(sheet, column):
        return None
    said = f"rows that have it in common nearly always have {sheet.target.name} in common, too"
    return Finding("leak", column.name, said, f"kept; {_together(column)}", sheet.n)


def _shares(sheet: Sheet, column: Column) -> bool:
    if column.dropped or column.name == sheet.order_by or sheet.n < FEWEST:
        return False
    return likeness(sheet, column) >= LIKELY


def _together(column: Column) -> str:
    return f"if its rows belong together, as those of one person do, split by it (--group {column.name!r})"


def _foretells(sheet: Sheet, column: Column) -> tuple[str, bool]:
    """How well a column predicts the target out of fold, "" where not almost perfectly; whether that makes it a leak."""
    skill = skill_alone(sheet, column) if sheet.n >= FEWEST else 0.0
    if skill < LIKELY:
        return "", False
    said = f"alone it predicts {sheet.target.name} almost perfectly (skill {skill:.3f} of 1, out of fold)"
    if sheet.classes:
        return said, skill >= CERTAIN and _by_name(sheet, column)
    return said, skill >= CERTAIN_NUMBER and not _counts(sheet, column)


def _rewritten(sheet: Sheet, column: Column) -> tuple[str, bool]:
    """Whether a number is the target itself, in another unit, rounded or on another scale, as the logarithm of a price is;
    whether that is certain.

    A tree's steps are too coarse to tell that from a good feature where rows are few or the target is skewed. In few rows a
    feature whose values were set far enough apart has the target's order, too; only another scale is smooth as well.
    """
    if sheet.classes or column.kind != "number" or column.n_values < ORDERED:
        return "", False
    name, values, y = sheet.target.name, sheet.values(column.name)[sheet.sample], sheet.y[sheet.sample]
    order, known = same_order(values, y), ~np.isnan(values)
    values, y = values[known], y[known]
    if order > 0.99 and (_in_another_unit(values, y) or _in_another_unit(y, values)):
        return f"is {name} in another unit, up to rounding", True
    if order < SAME or _turns_back(values, y):
        return "", False
    certain = not _counts(sheet, column) and (len(y) >= ENOUGH or roughness(values, y) <= SMOOTH)
    how = f"grows with {name} in every row (rank correlation {order:.5f})"
    return f"is {name} itself or {how}" if certain else how, certain


def _turns_back(values: Array, y: Array) -> bool:
    """Whether the target ever falls where the column grows, or the other way round: what was measured a moment ago has
    nearly the target's order, and the target itself on another scale has it in every row."""
    if np.corrcoef(values, y)[0, 1] < 0:
        values = -values
    turns = np.diff(y[np.lexsort((y, values))])
    return bool(turns.min() < -1e-9 * float(np.abs(y).max()))


def _counts(sheet: Sheet, column: Column) -> bool:
    """Whether a column counts time, or whatever is counted: what grows with it, as a total does, is no leak. By its name,
    its kind, what was asked, or its values. The order of the rows does not say it: a file may be sorted by the target.
    """
    if column.kind == "date" or column.name == sheet.order_by:
        return True
    if column.kind != "number":
        return False
    target = (
        sheet.target.name
    )  # whose own name, or one that holds it, may be that of what is made of the target
    if passes(column.name) and not counts_time(target) and target.lower() not in column.name.lower():
        return True
    values = sheet.values(column.name)
    steps = np.diff(np.unique(values[~np.isnan(values)]))
    return bool(len(steps) and steps.sum() <= LEFT_OUT * len(steps) * steps.min() * (1 + 1e-9))


def _in_another_unit(a: Array, b: Array) -> bool:
    """Whether `b` is a straight line of `a` up to rounding, and as far from it as rounding leads to.

    Where one was set in steps and the other measured, with errors below half a step, `b` is nearer to the line than that.
    """
    slope, start = np.polyfit(a, b, 1)
    off = np.abs(b - slope * a - start)
    own, others = _step(b), abs(float(slope)) * _step(a)
    if own > b.std() / 20 or off.max() > max(HALF * (own + others), 1e-12 * float(np.abs(b).max())):
        return False
    step, usual = own if off.max() <= HALF * own else np.hypot(own, others), np.sqrt((off**2).mean())
    return bool(usual >= ROUNDED * step or usual <= EXACT * step)


def _step(values: Array) -> float:
    """In which step numbers are written: the least difference, of which all are multiples, else a decimal place, else 0."""
    steps = np.diff(np.unique(values))
    times = steps / steps.min()
    if np.abs(times - np.rint(times)).max() < 1e-3:
        return float(steps.min())
    most = 1e-9 * float(np.abs(values).max())
    return next((10.0**-k for k in range(10) if np.abs(values - values.round(k)).max() <= most), 0.0)
