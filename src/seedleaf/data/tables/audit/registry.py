"""The checks, in the order in which they look: a column that one drops is not seen by those below."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from seedleaf.data.tables.audit.classes import rare_classes
from seedleaf.data.tables.audit.kinds import (
    dates_as_text,
    free_text,
    infinities,
    many_levels,
    numbers_as_text,
)
from seedleaf.data.tables.audit.labels import wrong_labels
from seedleaf.data.tables.audit.leakage import leakage
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.audit.shift import shift
from seedleaf.data.tables.audit.spelling import spellings
from seedleaf.data.tables.audit.twins import twins
from seedleaf.data.tables.audit.values import constants, empty_columns, identifiers, missing
from seedleaf.data.tables.schema import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """`kinds` are the kinds of finding it may give."""

    name: str
    kinds: tuple[str, ...]
    look: Callable[[Sheet], Iterable[Verdict]]


CHECKS = (
    Check("empty", ("empty",), empty_columns),
    Check("numbers as text", ("number-as-text",), numbers_as_text),
    Check("infinities", ("infinite",), infinities),
    Check("dates as text", ("date-as-text",), dates_as_text),
    Check("constants", ("constant",), constants),
    Check("missing", ("missing",), missing),
    Check("identifiers", ("id",), identifiers),
    Check("free text", ("free-text",), free_text),
    Check("leakage", ("leak",), leakage),
    Check("twins", ("twin",), twins),
    Check("many levels", ("many-levels",), many_levels),
    Check("spellings", ("spelling",), spellings),
    Check("rare classes", ("rare-class",), rare_classes),
    Check("shift", ("shift",), shift),
    Check("wrong labels", ("label",), wrong_labels),
)
# Found before the columns are looked at, by load.py, audit/rows.py and read.py.
OF_ROWS = (
    "missing-target",
    "duplicate-rows",
    "test-rows",
    "test-columns",
    "test-classes",
    "order",
    "group",
    "folds",
)
OF_FILES = ("no-header", "prose", "no-name", "same-name", "encoding", "quotes", "ragged")


def _quietly(check: Check, sheet: Sheet) -> Iterator[Verdict]:
    """What a check answers, one by one, without scikit-learn's warnings about odd targets: the findings tell of them."""
    looked = iter(check.look(sheet))
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            verdict = next(looked, None)
        if verdict is None:
            return
        yield verdict


def audit(sheet: Sheet, keep: Collection[str] = ()) -> list[Finding]:
    """What all checks find. Columns are dropped from `sheet` as they are found useless, but for those in `keep`."""
    findings = []
    for check in CHECKS:
        for verdict in _quietly(check, sheet):
            finding = verdict.finding
            if finding.kind == "leak":
                sheet.leaks.add(finding.column)
            if verdict.column is not None:
                sheet.read_as(verdict.column)
            if verdict.drop and finding.column in keep:
                finding = replace(finding, action="kept, as asked")
            elif verdict.drop:
                sheet.drop(finding.column, verdict.drop)
            findings.append(finding)
    return findings
