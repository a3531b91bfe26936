"""A test file: its columns and classes brought in line with the training file's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedleaf.data.tables.audit.rows import clean_rows
from seedleaf.data.tables.cells import RawTable
from seedleaf.data.tables.schema import Finding, Target
from seedleaf.data.tables.source import read_source
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError


def read_test(
    test: Any, table: RawTable, goal: Target, findings: list[Finding]
) -> tuple[RawTable | None, bool]:
    """The test file, its columns in the order of the training file's."""
    if test is None:
        return None, False
    rest, found, notes = read_source(test, tuple(table.columns))
    names = list(rest.columns)
    if len(rest) == 0:
        raise DataError(f"{rest.source} has names and no rows")
    if names[0] == "column1" == next(iter(table.columns)) and len(names) != len(table.columns):
        raise DataError(f"{rest.source} has {len(names)} columns, {table.source} {len(table.columns)}")
    lost = [n for n in table.columns if n not in rest.columns]
    if lost:
        raise DataError(
            f"{rest.source}: {plural(len(lost), 'column')} of {table.source} {'is' if len(lost) == 1 else 'are'} missing: "
            f"{', '.join(lost[:5])}; {_why(rest, table, notes)}"
        )
    findings += [replace(f, message=f"in the test file {f.message}") for f in found if f.kind != "no-header"]
    if extra := [n for n in names if n not in table.columns]:
        said = f"the test file has {plural(len(extra), 'column')} more: {', '.join(extra[:5])}"
        findings.append(Finding("test-columns", "", said, "not used", len(extra)))
    rest = replace(rest, columns={n: rest.columns[n] for n in table.columns})
    rest = _same_classes(rest, goal, findings)
    written = ", ".join(repr(v[:20]) for v in rest.columns[goal.name].values[:3])
    rest, found = clean_rows(rest, goal, test=True)
    findings += found
    if len(rest) == 0:
        raise DataError(f"{rest.source} has no row with a known {goal.name}: it holds {written}")
    return rest, True


def _why(rest: RawTable, table: RawTable, notes: Mapping[str, str]) -> str:
    """What there is in place of columns that are missing."""
    if notes.get("header") == "no":
        return "its first row is data, not names"
    lower = {n.lower(): n for n in rest.columns}
    if other := [lower[n.lower()] for n in table.columns if n not in rest.columns and n.lower() in lower]:
        return f"the case of names differs: it has {', '.join(other[:5])}"
    return f"there are: {rest.some_names}"


def _same_classes(rest: RawTable, goal: Target, findings: list[Finding]) -> RawTable:
    """Classes that the test file ends with a full stop, as adult's does, are the same classes."""
    column = rest.columns[goal.name]
    dotted = {v: v[:-1] for v in column.values if v.endswith(".") and v[:-1] in goal.classes}
    if not dotted or any(v in goal.classes for v in column.values):
        return rest
    new = replace(column, values=tuple(dotted.get(v, v) for v in column.values))
    findings.append(
        Finding(
            "test-classes",
            goal.name,
            "the test file ends its classes with a full stop",
            "read without",
            len(dotted),
        )
    )
    return replace(rest, columns={**rest.columns, goal.name: new})
