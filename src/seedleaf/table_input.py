"""Rows to predict, from a file, a frame or columns by name: each of them is kept, in its order, and what is odd is told.

Training may leave a row out and say so. Here an answer too few would put all that follow on other rows, so what training
drops or guesses is an error that names the line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedleaf.data.tables.cells import BLANKS, RawColumn, RawTable
from seedleaf.data.tables.layout import Records, column_names, fill, trim
from seedleaf.data.tables.read import LOOK, SEPARATORS, decode, no_table, records, sniff, unpack
from seedleaf.data.tables.schema import Finding, TableSchema
from seedleaf.data.tables.source import PARQUET, read_source
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError
from seedleaf.table_unread import unread

FEW = 64  # rows of a frame that are read cell by cell


@dataclass(frozen=True)
class Given:
    """Cells by column, N each, and lines that say what is odd about them."""

    columns: Mapping[str, Any]
    noticed: tuple[str, ...]


def given(source: Any, schema: TableSchema) -> Given:
    """What `source` (a file, a DataFrame, a mapping of names to columns) holds. DataError where a column of the model is
    missing, or where it cannot be told which cells make which row."""
    name, columns, noticed = _open(source, schema)
    found = schema.found_in(columns, name)
    lengths = {len(cells) for _, cells in found if hasattr(cells, "__len__")}
    if len(lengths) > 1:
        raise DataError(f"{name}: its columns have different lengths, {min(lengths)} and {max(lengths)}")
    return Given(columns, (*noticed, *unread(found)))


def _open(source: Any, schema: TableSchema) -> tuple[str, Mapping[str, Any], list[str]]:
    if isinstance(source, Mapping):
        return "the columns given", source, []
    if hasattr(source, "iloc") and len(source) <= FEW and all(isinstance(n, str) for n in source.columns):
        # Reading a column by its distinct values pays for many rows; for one it is most of the time.
        columns = list(zip(*source.itertuples(index=False, name=None), strict=True))
        if columns and source.columns.is_unique:
            return "the frame", dict(zip(source.columns, columns, strict=True)), []
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() not in PARQUET:
        path = Path(source)
        if "\0" in str(path) or not path.exists():
            raise DataError(f"{path} does not exist")
        table, noticed = read_rows(path, schema)
        return table.source, table.columns, noticed
    table, _, _ = read_source(source)
    return table.source, _in_style(table, schema), []


def _in_style(table: RawTable, schema: TableSchema) -> Mapping[str, RawColumn]:
    """Numbers that come as numbers, written as the model's columns write them."""
    columns = dict(table.columns)
    for c in schema.used:
        raw = columns.get(c.name)
        if raw is not None and c.kind == "number" and c.decimal != "." and c.name not in (table.worded or ()):
            columns[c.name] = replace(raw, values=tuple(v.replace(".", c.decimal) for v in raw.values))
    return columns


def read_rows(path: Path, schema: TableSchema) -> tuple[RawTable, list[str]]:
    """All rows of a CSV or TSV file (also .gz), and what was odd about it."""
    odd: list[Finding] = []
    text, _ = decode(unpack(path), path, odd)
    used = {c.name for c in schema.used}
    rows = records(text, _separator(text, path, schema, used), path, odd)
    if not rows:
        raise DataError(f"{path}: the file is empty")
    if why := no_table(text, max(len(row) for _, row in rows[:LOOK])):
        raise DataError(f"{path} is not a table with a separator: {why}")
    if quotes := [f for f in odd if f.kind == "quotes"]:
        raise DataError(f"{path}: {quotes[0].message}: which rows there are cannot be told")
    names, body, top = _named(rows, path, schema, used, odd)
    for line, row in body:
        if len(row) > len(names) and any(cell.strip(BLANKS) for cell in row[len(names) :]):
            raise DataError(
                f"{path}, line {line}: {len(row)} cells where there are {plural(len(names), 'column')}; "
                "a cell that holds the separator needs quotes around it"
            )
    told = _blank_lines(body, top, path, len(names))
    table = fill(str(path), names, body, odd)
    told += _long_cells(table, body, schema)
    usual = {f.kind for f in schema.findings} - {"ragged"}
    where = {id(f): f" (row {f.rows[0]})" if f.rows else "" for f in odd}
    return table, [f"{f}{where[id(f)]}" for f in odd if f.kind not in usual] + told


def _separator(text: str, path: Path, schema: TableSchema, used: set[str]) -> str:
    """As it looks; but under the name of one column alone there are cells of one column, whatever stands in them."""
    first = text[: 1 << 16].lstrip(BLANKS).partition("\n")[0].strip(BLANKS + '"')
    if first in used and not _has_index(schema):
        return next((mark for mark in SEPARATORS if mark not in text), ",")
    return sniff(text, path)


def _has_index(schema: TableSchema) -> bool:
    """Whether the training file began with a column without a name, as R and some of pandas write an index."""
    return bool(schema.columns) and schema.columns[0].name == "column1"


def _named(
    rows: Records, path: Path, schema: TableSchema, used: set[str], odd: list[Finding]
) -> tuple[list[str], Records, int]:
    """Names of the columns, the rows below them, and the line that the names end in (0 where there are none)."""
    if schema.notes.get("header") == "no" and not used & {cell.strip(BLANKS) for cell in rows[0][1]}:
        return _by_place(rows, path, schema), rows, 0
    rows, width = trim(rows, odd)
    line, first = rows[0]
    if not used & {cell.strip(BLANKS) for cell in first}:
        raise DataError(
            f"{path}: its first row, {', '.join(first)[:60]!r}, has none of the columns of the model "
            f"({', '.join([c.name for c in schema.used][:5])}): are the names missing, or written otherwise?"
        )
    names, body = column_names(rows, width, True, odd)
    if body and len(first) == width - 1 and not _has_index(schema):
        raise DataError(
            f"{path}, line {body[0][0]}: {width} cells under {plural(len(first), 'name')}: which are whose cannot be told"
        )
    return names, body, line


def _by_place(rows: Records, path: Path, schema: TableSchema) -> list[str]:
    """The names of a file without any, of a model that was fitted on such a one: the target may be left out at the end."""
    width = len(schema.columns) + 1
    names = [f"column{k + 1}" for k in range(width)]
    n = len(rows[0][1])
    while n > 1 and not any(row[n - 1].strip(BLANKS) for _, row in rows if len(row) >= n):
        n -= 1  # separators behind the last cell
    if n == width - 1 and schema.target.name == names[-1]:
        return names[:-1]
    if n != width:
        raise DataError(
            f"{path}, line {rows[0][0]}: {n} cells and no names, where the training file had {width}: give the columns names"
        )
    return names


def _blank_lines(body: Records, top: int, path: Path, width: int) -> list[str]:
    """Blank lines between rows are no rows; in a file of one column they may be cells, which cannot be told."""
    if not body or body[-1][0] - top == len(body):
        return []
    count, first, before = 0, 0, top
    for line, row in body:
        breaks = sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in row)
        gap = line - before - 1 - breaks if before else 0
        if gap > 0:
            count, first = count + gap, first or before + 1
        before = line
    if count and width == 1:
        raise DataError(f"{path}, line {first}: is this blank line a row? write NA where a cell is missing")
    what = plural(count, "blank line is", "blank lines are")
    return [f"{what} no row, the first of them line {first}"] if count else []


def _long_cells(table: RawTable, body: Sequence[tuple[int, list[str]]], schema: TableSchema) -> list[str]:
    """A cell over several lines, where none is to be expected, may be rows that two stray quotes have swallowed."""
    columns, told = {c.name: c for c in schema.used}, []
    for name, raw in table.columns.items():
        code = next((k for k, v in enumerate(raw.values) if "\n" in v), -1)
        column = columns.get(name)
        if code < 0 or (column is not None and column.kind == "text"):
            continue
        if column is not None and any("\n" in level for level in column.levels):
            continue
        line = body[int((raw.codes == code).argmax())][0]
        said = f"a cell of {name} goes over several lines ({raw.values[code][:30]!r}): two stray quotes?"
        if column is not None:
            raise DataError(f"{table.source}, line {line}: {said}")
        told.append(f"line {line}: {said}")
    return told
