"""`load_table`: from a file or a frame to rows that learners can use, split before anything is learned from them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.data.tables.cells import RawColumn, RawTable
from seedleaf.data.tables.folds import holdout
from seedleaf.data.tables.infer import infer_column, infer_target
from seedleaf.data.tables.read import PARQUET, read_file
from seedleaf.data.tables.schema import Column, Finding, Frame, TableData, TableSchema, Target
from seedleaf.errors import DataError

TARGETS = ("target", "label", "class", "y")


def read_source(source: Any, names: tuple[str, ...] = ()) -> tuple[RawTable, list[Finding], dict[str, str]]:
    """A path, or anything that maps names to columns (a pandas DataFrame, a dict)."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists():
            raise DataError(f"{path} does not exist")
        if path.suffix.lower() in PARQUET:
            return _from_mapping(_parquet(path), str(path))
        return read_file(path, names)
    if hasattr(source, "columns") or isinstance(source, Mapping):
        return _from_mapping(source, "the frame")
    raise DataError(f"a table is a file or a pandas DataFrame, not {type(source).__name__}")


def _parquet(path: Path) -> Any:
    try:
        import pyarrow  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow: pip install pyarrow, or save the table as CSV"
        ) from None
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except Exception as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None


def _from_mapping(source: Any, name: str) -> tuple[RawTable, list[Finding], dict[str, str]]:
    columns: dict[str, RawColumn] = {}
    names = [str(n).strip() for n in source]
    if len(set(names)) < len(names):
        raise DataError(f"{name}: two columns have the same name")
    for key, text in zip(source, names, strict=True):
        columns[text] = RawColumn.of(list(source[key]))
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"{name}: its columns have different lengths")
    return RawTable(name, columns, lengths.pop() if lengths else 0, 0), [], {}


def load_table(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    group: str | None = None,
    order_by: str | None = None,
    task: str | None = None,
    seed: int = 0,
) -> TableData:
    """A table, read, audited and split.

    `source` and `test` are CSV, TSV (also .gz) or Parquet files, or pandas DataFrames. `target` is named, else the column
    called target, label, class or y, else the last one. Without `test` a holdout is split off: stratified, whole groups of `group`, or the
    last rows by `order_by`. Exact duplicate rows are dropped before. Raises DataError for what cannot be used.
    """
    asked = tuple(n for n in (target, group, order_by) if n)
    table, findings, notes = read_source(source, asked)
    name = choose_target(table, target)
    for what, column in (("group", group), ("order", order_by)):
        if column is not None and (column not in table.columns or column == name):
            raise DataError(f"{table.source} has no {what} column {column!r}; there are: {_some(table)}")
    goal = infer_target(name, table.columns[name], task, table.source)
    y = goal.read(table.columns[name])
    table, y = _keep_known(table, y, goal, findings)
    rows_test = None
    if test is None:
        train, rest = holdout(y, goal, table, group, order_by, seed)
        rows, rows_test = table.take(train), table.take(rest)
        y_train, y_test = y[train], y[rest]
    else:
        rows, y_train = table, y
        rows_test, _, _ = read_source(test, tuple(table.columns))
        y_test = goal.read(rows_test.columns[name])
    columns = tuple(
        replace(infer_column(n, raw), dropped="it says which rows belong together")
        if n == group
        else infer_column(n, raw)
        for n, raw in rows.columns.items()
        if n != name
    )
    schema = TableSchema(
        table.source,
        columns,
        goal,
        tuple(findings),
        rows.n,
        rows_test.n,
        "",
        group or "",
        order_by or "",
        notes,
    )
    frame, frame_test = schema.features(rows.columns), schema.features(rows_test.columns)
    schema = replace(schema, fingerprint=fingerprint(schema, frame, y_train, frame_test, y_test))
    groups = None if group is None else rows.columns[group].codes.astype(np.int64)
    return TableData(schema, frame, y_train, frame_test, y_test, groups, None)


def choose_target(table: RawTable, target: str | None) -> str:
    names = list(table.columns)
    if len(names) < 2:
        raise DataError(
            f"{table.source} has {len(names)} column: a target and at least one feature are needed"
        )
    if target is not None:
        if target not in names:
            raise DataError(f"{table.source} has no column {target!r}; there are: {_some(table)}")
        return target
    lower = {n.lower(): n for n in names}
    return next((lower[t] for t in TARGETS if t in lower), names[-1])


def _some(table: RawTable) -> str:
    names = list(table.columns)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _keep_known(table: RawTable, y: Array, goal: Target, findings: list[Finding]) -> tuple[RawTable, Array]:
    gone = np.isnan(y) if goal.task == "regression" else y < 0
    if gone.any():
        rows = tuple(int(r) + 1 for r in np.flatnonzero(gone)[:5])
        findings.append(
            Finding(
                "missing-target",
                goal.name,
                f"{gone.sum()} rows have no target",
                "dropped",
                int(gone.sum()),
                rows,
            )
        )
    kept = np.flatnonzero(~gone)
    return table.take(kept), y[kept]


def fingerprint(schema: TableSchema, *parts: Frame | Array | None) -> str:
    """32 hexadecimal digits that change with any cell as read, any name and the target."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr([(c.name, c.kind) for c in schema.columns] + [schema.target.classes]).encode())
    for part in parts:
        arrays = part.values() if isinstance(part, Mapping) else [] if part is None else [part]
        for array in arrays:
            if array.dtype == object:
                digest.update("\x1f".join(array).encode("utf-8", "backslashreplace"))
            else:
                digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


__all__ = ["Column", "Labels", "load_table", "read_source"]
