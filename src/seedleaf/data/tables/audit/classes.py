"""Checks of the target: classes with fewer rows than folds, or so few that they are hardly ever said."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.folds import FOLDS
from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.words import plural, share

SELDOM = 0.03  # of the rows, of two classes; of more classes as much less as there are more of them


def rare_classes(sheet: Sheet) -> Iterator[Verdict]:
    """Classes that cannot be in every fold."""
    if not sheet.classes:
        return
    counts = np.bincount(sheet.y, minlength=len(sheet.target.classes))
    few = np.flatnonzero(counts < FOLDS)
    if not len(few):
        yield from _seldom(sheet, counts)
        return
    names = ", ".join(f"{sheet.target.classes[k]!r} ({counts[k]})" for k in few[:5])
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    said = f"{plural(len(few), 'class has', 'classes have')} fewer training rows than {FOLDS} folds: {names}{more}"
    action = "kept; each is in as many folds as it has rows"
    where = sheet.train.examples(np.isin(sheet.y, few))
    yield Verdict(Finding("rare-class", sheet.target.name, said, action, len(few), where))


def _seldom(sheet: Sheet, counts: Array) -> Iterator[Verdict]:
    """Classes with a small share of the rows: what is most probable is then seldom one of them."""
    seldom = np.flatnonzero(counts < SELDOM * counts.sum() / max(1.0, len(counts) / 2))
    if not len(seldom):
        return
    total = float(counts.sum())
    names = ", ".join(f"{sheet.target.classes[k]!r} ({share(counts[k] / total)})" for k in seldom[:5])
    more = f" and {len(seldom) - 5} more" if len(seldom) > 5 else ""
    said = f"{plural(len(seldom), 'class is', 'classes are')} rare: {names}{more}"
    action = "kept; a metric such as f1 or balanced_accuracy says them from a lower probability on"
    yield Verdict(Finding("rare-class", sheet.target.name, said, action, len(seldom)))
