"""`load_table`: from a file or a frame to rows that learners can use, split before anything is learned from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seedleaf.data.spec import NO_TEST, Array, Labels
from seedleaf.data.tables.audit.registry import audit
from seedleaf.data.tables.audit.rows import clean_rows, overlap
from seedleaf.data.tables.audit.sheet import Sheet
from seedleaf.data.tables.cells import TOKEN_SET, RawTable, as_text
from seedleaf.data.tables.fingerprint import fingerprint
from seedleaf.data.tables.folds import holdout
from seedleaf.data.tables.infer import infer_column, is_comma_file
from seedleaf.data.tables.infer_target import infer_target
from seedleaf.data.tables.positive import with_positive
from seedleaf.data.tables.rest import read_test
from seedleaf.data.tables.schema import Column, Finding, TableData, TableSchema, Target
from seedleaf.data.tables.source import read_source
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError

TARGETS = ("target", "label", "class", "y")  # by these names a target is known, without case
SAMPLED_ROWS, SAMPLED_CELLS = 1_000, 50_000
WHY_GROUP = "it says which rows belong together"


def load_table(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    group: str | None = None,
    order_by: str | None = None,
    task: str | None = None,
    keep: Collection[str] = (),
    copies: str = "drop",
    positive: str | None = None,
    seed: int = 0,
) -> TableData:
    """A table, read, audited and split; what is odd about it stands in `schema.findings`.

    `source` and `test` are CSV or TSV files (also .gz), Parquet files, or pandas DataFrames. `target` is named, else the
    column called target, label, class or y, else the last one. `task` is "classification" or "regression" where the target
    does not say it. Without `test` a fifth of the rows is held out: stratified, whole groups of `group`, or the last by
    `order_by`; with "none" no row is. Copies of rows are dropped before, unless `copies` is "keep". Columns that the audit
    would drop and that `keep` names stay. `positive` says which of two classes is looked for (positive.py).
    Raises DataError, naming the file, for what cannot be used.
    """
    if copies not in ("drop", "keep"):
        raise DataError(f"copies are to drop or to keep, not {copies!r}")
    # A frame's names may be numbers; they become texts, and so do those that are asked for.
    target, group, order_by = (None if n is None else as_text(n) for n in (target, group, order_by))
    keep = [as_text(name) for name in keep]
    asked = tuple(name for name in (target, group, order_by) if name)
    table, findings, notes = read_source(source, asked)
    name, notes["target"] = choose_target(table, target)
    _check_names(table, name, group, order_by, keep)
    goal = infer_target(name, table.columns[name], task, table.source)
    asked_class = None if positive is None else as_text(positive)
    goal, how = with_positive(goal, table.columns[name], asked_class, table.source)
    notes |= {"positive": how} if how else {}
    own = {*keep, *(each for each in (group, order_by) if each is not None)}
    table, found = clean_rows(table, goal, copies=copies == "keep", grouped=group is not None, own=own)
    findings += found
    if order_by is not None:
        table = _in_order(table, order_by, findings)
    whole = isinstance(test, str) and test == NO_TEST
    rest, given = read_test(None if whole else test, table, goal, findings)
    parts = _split(table, rest, goal, group, order_by, seed, findings, whole, own)
    columns = infer_columns(parts.train.without({name}), parts.rest.without({name}), group)
    shown = parts.rest if given else None
    sheet = Sheet(table.source, columns, goal, parts.train, parts.y, shown, seed, order_by or "")
    findings += audit(sheet, keep)
    return _pack(parts, sheet, findings, notes, group, order_by)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """Training rows and the rest, with what they are to predict."""

    train: RawTable
    y: Array
    rest: RawTable
    y_rest: Array


def choose_target(table: RawTable, target: str | None) -> tuple[str, str]:
    """The target column's name, and how it was chosen. Raises DataError where there is none, or nothing beside it."""
    names = list(table.columns)
    if target is not None and target not in names:
        raise DataError(f"{table.source} has no column {target!r}; there are: {table.some_names}")
    if len(names) < 2:
        raise DataError(
            f"{table.source} has one column, {names[0]!r}: a target and at least one feature are needed"
        )
    if len(table) == 0:
        raise DataError(f"{table.source} has names and no rows")
    if target is not None:
        return target, "as asked"
    lower = {name.lower(): name for name in names}
    known = next((lower[t] for t in TARGETS if t in lower), None)
    return (known, "by its name") if known else (names[-1], "the last column")


def _check_names(
    table: RawTable, name: str, group: str | None, order_by: str | None, keep: Collection[str]
) -> None:
    if group is not None and order_by is not None:
        raise DataError("rows are split by group or in order, not both")
    for asked in (*(each for each in (group, order_by) if each is not None), *keep):
        if asked not in table.columns:
            raise DataError(f"{table.source} has no column {asked!r}; there are: {table.some_names}")
        if asked == name:
            raise DataError(f"{table.source}: {asked!r} is the target")


def _in_order(table: RawTable, order_by: str, findings: list[Finding]) -> RawTable:
    """The rows sorted by a column of numbers or dates; rows without one are dropped."""
    column = infer_column(order_by, table.columns[order_by])
    if column.kind not in ("number", "date"):
        example = next((v for v in table.columns[order_by].values if v), None)
        what = "has no known cell" if example is None else f"holds neither numbers nor dates ({example!r})"
        raise DataError(f"{table.source}: {order_by} {what}: no order can be read from it")
    when = column.read(table.columns[order_by])
    known = np.flatnonzero(~np.isnan(when))
    if len(known) < 2:
        raise DataError(
            f"{table.source}: {order_by} has a place for {plural(len(known), 'row')}: no order can be read"
        )
    if lost := len(when) - len(known):
        said = f"{plural(lost, 'row has', 'rows have')} no place in the order"
        where = table.examples(np.isnan(when))
        findings.append(Finding("order", order_by, said, "dropped", lost, where))
    return table.take(known[np.argsort(when[known], kind="stable")])


def _split(
    table: RawTable,
    rest: RawTable | None,
    goal: Target,
    group: str | None,
    order_by: str | None,
    seed: int,
    findings: list[Finding],
    whole: bool,
    own: Collection[str],
) -> _Parts:
    y = goal.read(table.columns[goal.name])
    if rest is not None:
        overlap(table, rest, goal, findings, own)
        return _Parts(table, y, rest, goal.read(rest.columns[goal.name]))
    groups = None if group is None else _groups(table, group, findings)
    order = None if order_by is None else np.arange(len(table))
    try:
        train, held = holdout(y, goal.task != "regression", groups, order, seed)
    except DataError as error:
        copies = sum(f.count for f in findings if f.kind == "duplicate-rows" and "dropped" in f.action)
        less = f" ({plural(copies, 'copy of a row', 'copies of rows')} left out)" if copies else ""
        raise DataError(f"{table.source}: {error}{less}") from None
    if whole:  # what cannot be split cannot be judged on folds either: that has been refused
        train, held = np.arange(len(y)), held[:0]
    return _Parts(table.take(train), y[train], table.take(held), y[held])


def _groups(table: RawTable, group: str, findings: list[Finding]) -> Array:
    """The group of each row. DataError where there is one; rows without one are a group together, which is told."""
    raw = table.columns[group]
    known = [v for v in raw.values if v.lower() not in TOKEN_SET]
    if len(raw.values) < 2 or not known:
        what = f"is {known[0]!r} in every row" if known else "has no known cell"
        raise DataError(f"{table.source}: {group} {what}: rows cannot be split by it")
    gone = np.isin(raw.codes, [k for k, v in enumerate(raw.values) if v.lower() in TOKEN_SET])
    if count := int(gone.sum()):
        said = f"{plural(count, 'row has', 'rows have')} no group"
        where = table.examples(gone)
        findings.append(Finding("group", group, said, "kept together, as one group", count, where))
    return raw.codes


def infer_columns(train: RawTable, rest: RawTable, group: str | None = None) -> dict[str, Column]:
    """How each column is read, judged by the training rows alone."""
    comma = is_comma_file(train)
    columns = {name: infer_column(name, raw, comma) for name, raw in train.columns.items()}
    if group is not None:
        columns[group] = replace(columns[group], dropped=WHY_GROUP)
    return columns


def _pack(
    parts: _Parts,
    sheet: Sheet,
    findings: list[Finding],
    notes: Mapping[str, str],
    group: str | None,
    order_by: str | None,
) -> TableData:
    columns = tuple(sheet.columns.values())
    if all(c.dropped for c in columns):
        why = "; ".join(f"{c.name}: {c.dropped}" for c in columns[:3])
        raise DataError(f"{parts.train.source}: no column is left to learn from ({why})")
    source = parts.train.source
    schema = TableSchema(
        source,
        columns,
        sheet.target,
        tuple(findings),
        len(parts.y),
        len(parts.y_rest),
        "",
        group or "",
        order_by or "",
        notes,
    )
    train = {c.name: sheet.values(c.name) for c in schema.used}
    test = schema.features(parts.rest.columns)
    schema = replace(schema, fingerprint=fingerprint(schema, train, parts.y, test, parts.y_rest))
    groups: Labels | None = None if group is None else parts.train.columns[group].codes.astype(np.int64)
    order: Array | None = None
    if order_by is not None:
        order = next(c for c in columns if c.name == order_by).read(parts.train.columns[order_by])
    sample = _sample(parts.rest if len(parts.rest) else parts.train, schema)
    return TableData(schema, train, parts.y, test, parts.y_rest, groups, order, sample)


def _sample(table: RawTable, schema: TableSchema) -> Mapping[str, tuple[str, ...]]:
    """Cells of the first rows: what reads them otherwise than the schema does is found out by them."""
    n = min(len(table), SAMPLED_ROWS, SAMPLED_CELLS // len(schema.used) + 1)
    raw = {c.name: table.columns[c.name] for c in schema.used}
    return {name: tuple(column.values[k] for k in column.codes[:n]) for name, column in raw.items()}
