"""Checks of the target: classes with fewer rows than folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.folds import FOLDS
from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.words import plural


def rare_classes(sheet: Sheet) -> Iterator[Verdict]:
    """Classes that cannot be in every fold."""
    if not sheet.classes:
        return
    counts = np.bincount(sheet.y, minlength=len(sheet.target.classes))
    few = np.flatnonzero(counts < FOLDS)
    if not len(few):
        return
    names = ", ".join(f"{sheet.target.classes[k]!r} ({counts[k]})" for k in few[:5])
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    said = f"{plural(len(few), 'class has', 'classes have')} fewer training rows than {FOLDS} folds: {names}{more}"
    action = "kept; each is in as many folds as it has rows"
    where = sheet.train.examples(np.isin(sheet.y, few))
    yield Verdict(Finding("rare-class", sheet.target.name, said, action, len(few), where))
