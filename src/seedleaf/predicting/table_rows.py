"""Rows to predict from a file of text: each of them is kept, in its order, and what is odd is told.

Training may leave a row out and say so. Here an answer too few would put all that follow on other rows, so what training
drops or guesses is an error that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seedleaf.data.tables.cells import BLANKS, RawTable
from seedleaf.data.tables.encoding import decode_rows
from seedleaf.data.tables.layout import Records, column_names, fill, trim
from seedleaf.data.tables.read import (
    LOOK,
    NAMES,
    SEPARATORS,
    first_rows,
    lines_of,
    no_table,
    records,
    sniff,
    unpack,
)
from seedleaf.data.tables.schema import Column, Finding, TableSchema
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError


def read_rows(path: Path, schema: TableSchema) -> tuple[RawTable, list[str]]:
    """All rows of a CSV or TSV file (also .gz), and what was odd about it."""
    odd: list[Finding] = []
    text = decode_rows(unpack(path), path, odd, schema.notes.get("encoding", "utf-8"))
    used = {c.name for c in schema.used}
    rows = records(text, _separator(text, path, schema, used), path, odd, lone=True)
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
    if len(names) == 1:
        _blank_end(text, body[-1][0] if body else top, path)
    if not top:
        told += _names_above(body, names, path, schema)
    _reaching(body, names, path, schema)
    table = fill(str(path), names, body, odd, most=False)
    told += _long_cells(table, body, schema)
    usual = {f.kind for f in schema.findings} - {"ragged"}
    where = {id(f): f" (row {f.rows[0]})" if f.rows else "" for f in odd}
    return table, [f"{f}{where[id(f)]}" for f in odd if f.kind not in usual] + told


def _separator(text: str, path: Path, schema: TableSchema, used: set[str]) -> str:
    """That under which a row has the model's names, the training file's first, or without names as many cells as that had;
    else as it looks. Under the name of one column alone there are cells of one column, whatever stands in them."""
    first = re.split(r"[\r\n]", text[: 1 << 16].lstrip(BLANKS), maxsplit=1)[0].strip(BLANKS + '"')
    if first in used and not _has_index(schema):
        return next((mark for mark in SEPARATORS if mark not in text), ",")
    bare = schema.notes.get("header") == "no"
    names = used if bare else {name for name in used if not re.fullmatch(r"column\d+", name)}
    noted = next((mark for mark, name in NAMES.items() if name == schema.notes.get("separator")), ",")
    marks: list[str] = [noted, *SEPARATORS, " "]
    for mark in marks:
        rows = first_rows(text[: 1 << 18], mark)
        if _under_names(rows, names) or (bare and mark == noted and rows and len(rows[0]) in _widths(schema)):
            return mark
    return sniff(text, path)


def _under_names(rows: list[list[str]], names: set[str]) -> bool:
    """Whether these rows begin with one that has all of the names, or have but prose above it."""
    for row in rows:
        if names <= {cell.strip(BLANKS) for cell in row}:
            return bool(names)
        if any(cell.strip(BLANKS) for cell in row[1:]):
            break
    return False


def _widths(schema: TableSchema) -> tuple[int, ...]:
    """How many cells, of several, a row without names may have: the target may be left out at the end."""
    width = len(schema.columns) + 1
    return tuple(n for n in (width, width - (schema.target.name == f"column{width}")) if n > 1)


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
        gap = line - before - 1 - breaks if before or width == 1 else 0
        if gap > 0:
            count, first = count + gap, first or before + 1
        before = line
    if count and width == 1:
        raise DataError(f"{path}, line {first}: is this blank line a row? write NA where a cell is missing")
    what = plural(count, "blank line is", "blank lines are")
    return [f"{what} no row, the first of them line {first}"] if count else []


def _blank_end(text: str, last: int, path: Path) -> None:
    """Empty lines behind a column's last row are no rows, as everywhere; blanks may be a cell, which cannot be told."""
    for line, written in enumerate(lines_of(text)[last:], last + 1):
        if written.strip("\r\n"):
            raise DataError(f"{path}, line {line}: are these blanks a row? write NA where a cell is missing")


def _reaching(body: Records, names: list[str], path: Path, schema: TableSchema) -> None:
    """DataError where most rows end before the last of the model's columns, or where a name that training did not have may
    be the half of one: then cells stand under other names than their own."""
    used = {c.name for c in schema.used}
    known = {c.name for c in schema.columns} | {schema.target.name}
    needed = max((k + 1 for k, name in enumerate(names) if name in used), default=0)
    if not known.issuperset(names[:needed]):
        needed = len(names)
    short = [(line, len(row)) for line, row in body if len(row) < needed]
    if len(short) > len(body) / 2:
        line, n = short[0]
        raise DataError(
            f"{path}, line {line}: {plural(n, 'cell')} where the names are {len(names)}, and too few in {len(short)} of "
            f"{plural(len(body), 'row')}: is the separator another? a cell that is missing is written as an empty one"
        )


def _names_above(rows: Records, names: list[str], path: Path, schema: TableSchema) -> list[str]:
    """Whether the first row of a file that should have no names holds some, which would be answered as a row: a line where
    it seems so, DataError where it is plain."""
    line, first = rows[0]
    counted = len(first) > 1 and [c.strip(BLANKS) for c in first] == [str(k) for k in range(len(first))]
    columns = {c.name: c for c in schema.used if c.kind != "text"}
    places = [(columns[name], k) for k, name in enumerate(names) if name in columns]
    read = [_read(column, rows[:1], k) for column, k in places]
    lost = [place for place, share in zip(places, read, strict=True) if share == 0]
    weight = 0 if any(share > 0 for share in read) else sum(_weight(c, rows[1:LOOK], k) for c, k in lost)
    said = f"line {line}: {', '.join(first)[:60]!r}"
    if weight > 1 or (counted and len(first) > 2):  # pandas counts columns that have no names
        raise DataError(
            f"{path}, {said} are names, and the model's training file had none: take the line away, columns go by place"
        )
    return [f"{said} is answered as a row: are they names?"] if weight or counted else []


def _weight(column: Column, below: Records, place: int) -> int:
    """How much it speaks for names that the cell above `below` is not read: a number or a date is surely no name."""
    if column.kind == "category":
        return int(_read(column, below, place) > 0.9)
    return 2 * (not below or _read(column, below, place) > 0.5)


def _read(column: Column, rows: Records, place: int) -> float:
    """The share of the known cells that are read; NaN where none is known."""
    cells = [row[place].strip(BLANKS) for _, row in rows if len(row) > place]
    known = [cell for cell in cells if cell.lower() not in column.missing]
    if not known:
        return float("nan")
    read = column.read_values(known)
    return float(np.mean(read != "" if column.kind == "category" else ~np.isnan(read)))


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
