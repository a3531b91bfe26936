"""Columns that say the target outright: a copy of it, its name in a text, a level for each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.tables.audit.alone import skill_alone
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Column, Finding

CERTAIN = 0.995  # skill of a column alone from which it is dropped, for classes
CERTAIN_NUMBER = 0.9998  # and for a number: what grows together predicts well, and is no leak
PER_CLASS = 2  # numbers a class up to which a column of them is held for its name
LIKELY = 0.95  # from which it is told
FEWEST = 30  # rows below which nothing is said


def _by_name(sheet: Sheet, column: Column) -> bool:
    """Does it name the classes: by categories, or by few numbers for each? One measurement may well tell classes apart, and
    so may what people write; without it the model would have nothing to go by."""
    if column.kind in ("number", "date"):
        values = sheet.values(column.name)[sheet.sample]
        return len(np.unique(values[~np.isnan(values)])) <= PER_CLASS * len(sheet.target.classes)
    return column.kind == "category"


def leakage(sheet: Sheet) -> Iterator[Verdict]:
    """Columns that predict the target almost perfectly alone. Those dropped as names of rows are looked at too."""
    if sheet.n < FEWEST:
        return
    looked = [
        c for c in sheet.columns.values() if not c.dropped or (c.levels and c.dropped.startswith("it names"))
    ]
    for column in looked:
        skill = skill_alone(sheet, column)
        if skill < LIKELY:
            continue
        said = f"alone it predicts {sheet.target.name} almost perfectly (skill {skill:.3f} of 1, out of fold)"
        certain = skill >= (CERTAIN if sheet.classes else CERTAIN_NUMBER) and len(list(sheet.used)) > 1
        certain = certain and (not sheet.classes or _by_name(sheet, column))
        action = "column dropped as a leak" if certain else "kept; is it known before the target is?"
        finding = Finding("leak", column.name, said, "column dropped" if column.dropped else action, sheet.n)
        yield Verdict(finding, "it says the target outright" if certain and not column.dropped else "")
