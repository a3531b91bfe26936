"""Checks of whole rows, before any split: no target, a copy of another row, a row of the test file."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from seedleaf.data.tables.audit.copies import chance
from seedleaf.data.tables.audit.notations import notations
from seedleaf.data.tables.audit.same import Rows
from seedleaf.data.tables.audit.sheet import Sheet
from seedleaf.data.tables.audit.values import ONE_EACH, names_row
from seedleaf.data.tables.cells import SURE, RawTable
from seedleaf.data.tables.infer import infer_column
from seedleaf.data.tables.schema import Finding, Target
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError

ABSURD = (
    10.0  # interquartile ranges from the median, and on a logarithmic scale twice as far as any other number
)
ABSURD_ROWS = 30  # rows below which nothing is said of it
NAMED = 8  # columns that an error lists


def clean_rows(
    table: RawTable,
    goal: Target,
    test: bool = False,
    copies: bool = False,
    grouped: bool = False,
    own: Collection[str] = (),
) -> tuple[RawTable, list[Finding]]:
    """The rows that have a target; copies of rows are dropped (in a test file, and where `copies` are wanted, all stay).

    Columns in `own` are never left out when rows are compared. Raises DataError where no row or one class is left.
    """
    where = "in the test file " if test else ""
    findings: list[Finding] = []
    y = goal.read(table.columns[goal.name])
    gone = np.isnan(y) if goal.task == "regression" else y < 0
    if gone.any():
        count, rows = int(gone.sum()), table.examples(gone)
        unknown = "no known target" if test else "no target"
        written = [
            v for v in table.columns[goal.name].take(np.flatnonzero(gone)).values if v.lower() not in SURE
        ]
        how = f" ({', '.join(repr(v[:20]) for v in written[:3])})" if written else ""
        if written and goal.task == "regression":
            how += f", {'which is no number' if count == 1 else 'which are no numbers'}"
        said = f"{where}{plural(count, 'row has', 'rows have')} {unknown}{how}"
        findings.append(Finding("missing-target", goal.name, said, "dropped", count, rows))
        if not test and gone.all():
            raise DataError(f"{table.source}: no row has a known {goal.name}{how}")
        table = table.take(np.flatnonzero(~gone))
    if goal.task == "regression":
        if told := notations(goal.column, table.columns[goal.name]):
            message = f"{where}{'; '.join(told)}"
            findings.append(Finding("number-as-text", goal.name, message, "read as numbers", len(table)))
        _absurd(table, goal, where, findings)
    if not test:
        table = _distinct(table, goal, findings, copies, grouped, own)
        _enough(table, goal)
    return table, findings


def _absurd(table: RawTable, goal: Target, where: str, findings: list[Finding]) -> None:
    """One or two numbers to be predicted that lie beyond all proportion: told of all rows, held-out ones as well.

    Distances from the median in interquartile ranges, on a scale that is logarithmic far out: heavy tails thin out there
    and leave no gap. More such numbers are found by a forest (labels.py).
    """
    y = goal.read(table.columns[goal.name])
    low, middle, high = np.percentile(y, [25, 50, 75]) if len(y) >= ABSURD_ROWS else (0.0, 0.0, 0.0)
    if not high > low:
        return
    far = np.arcsinh(np.abs(y - middle) / (high - low))
    order = np.argsort(-far, kind="stable")
    for count in (2, 1):
        least = float(far[order[count - 1]])
        if least >= np.arcsinh(ABSURD) and least >= 2 * far[order[count]]:
            rows = np.sort(order[:count])
            values = ", ".join(f"{v:g}" for v in y[rows])
            said = f"{where}{plural(count, 'target')} ({values}) {'lies' if count == 1 else 'lie'} far from all others"
            said += f", whose median is {middle:g}"
            action = "kept; look at these rows"
            findings.append(Finding("label", goal.name, said, action, count, table.examples(rows)))
            return


def _distinct(
    table: RawTable, goal: Target, findings: list[Finding], keep: bool, grouped: bool, own: Collection[str]
) -> RawTable:
    """The rows without copies of earlier ones; all rows where those that are equal are so by chance.

    Then those of rows that differ in their names alone, which are not learned from.
    """
    told = len(findings)
    less = _first(table, Rows.of(goal, table), findings, keep, grouped)
    if len(findings) > told and len(less) == len(table):
        return table
    if named := row_names(less, goal, own):
        less = _first(less, Rows.of(goal, less, without=named), findings, keep, grouped, _but_for(named))
    return less


def _first(
    table: RawTable, rows: Rows, findings: list[Finding], keep: bool, grouped: bool, but: str = ""
) -> RawTable:
    """The first of each rows that are the same."""
    if rows.differ:
        return table
    _, first = np.unique(rows.hashes[0], return_index=True)
    if len(first) == rows.n:
        return table
    again = np.ones(rows.n, dtype=bool)
    again[first] = False
    count, where = int(again.sum()), table.examples(again)
    said = f"{plural(count, 'row is', 'rows are')} exactly like an earlier one{but}"
    if keep:
        action = "kept, as was asked: the score is that of rows of which some are known"
    elif why := chance(rows, grouped=grouped):
        action = f"kept: {why}"
    else:
        action = "dropped before the split, lest they leak"
        table = table.take(np.sort(first))
    findings.append(Finding("duplicate-rows", "", said, action, count, where))
    return table


def row_names(table: RawTable, goal: Target, own: Collection[str]) -> list[str]:
    """Columns that name the rows (values.py) but for those in `own`: numbers of rows, codes.

    None where another column has a value of its own in each row, as then no two rows are the same.
    """
    named, n = [], len(table)
    columns = {name: raw for name, raw in table.columns.items() if name != goal.name}
    for name, raw in columns.items():
        if len(raw.values) < ONE_EACH * n:
            continue
        column = infer_column(name, raw)
        sheet = Sheet(table.source, {name: column}, goal, table, np.zeros(n))
        if name not in own and names_row(sheet, column):
            named.append(name)
        elif column.n_values == n:
            return []
    return named if len(named) < len(columns) else []


def _but_for(named: Collection[str]) -> str:
    some = ", ".join([*named][:3])
    return f" but for {some}{f' and {len(named) - 3} more' if len(named) > 3 else ''}"


def _enough(table: RawTable, goal: Target) -> None:
    y = goal.read(table.columns[goal.name])
    found = np.unique(y)
    if len(found) >= 2:
        return
    only = goal.classes[int(found[0])] if goal.classes else f"{found[0]:g}"
    raise DataError(
        f"{table.source}: the target {goal.name} is {only!r} in every row: there is nothing to learn{_instead(table, goal)}"
    )


def _instead(table: RawTable, goal: Target) -> str:
    """Which columns could be the target; empty where fewer than two vary, as one is needed to learn from."""
    vary = [name for name, raw in table.columns.items() if name != goal.name and len(raw.values) > 1]
    if len(vary) < 2:
        return ""
    more = f" and {len(vary) - NAMED} more" if len(vary) > NAMED else ""
    return f"; choose another --target: {', '.join(vary[:NAMED])}{more}"


def overlap(
    table: RawTable, test: RawTable, goal: Target, findings: list[Finding], own: Collection[str] = ()
) -> None:
    """Tell of test rows that training has seen, cell by cell but for names of rows: more of them than chance explains."""
    named = row_names(table, goal, own)
    rows = Rows.of(goal, table, test, without=named)
    ours, theirs = np.split(rows.hashes[0], [len(table)])
    seen = np.isin(theirs, ours)
    count = int(seen.sum())
    if not count or chance(rows):
        return
    said = f"{count:,} of {plural(len(seen), 'test row')} {'is' if count == 1 else 'are'} also in the training file"
    action = "kept; the score on the test file leans high"
    but = _but_for(named) if named else ""
    findings.append(Finding("test-rows", "", said + but, action, count, test.examples(seen)))
