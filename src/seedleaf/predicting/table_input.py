"""Rows to predict, from a file, a frame, columns by name or one row's cells by name: each is kept, in its order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.data.tables.cells import as_text
from seedleaf.data.tables.column import LARGEST, Column, is_number
from seedleaf.data.tables.schema import TableSchema
from seedleaf.data.tables.source import NESTED, PARQUET, read_parquet
from seedleaf.errors import DataError
from seedleaf.predicting.table_rows import read_rows
from seedleaf.predicting.table_unread import FEWEST, unread

Found = list[tuple[Column, list[Any]]]  # the model's columns with N cells each

TEXTS = (str, bytes)  # one cell, though it has a length


@dataclass(frozen=True)
class Given:
    """Cells by column, N each, as texts; and lines that say what is odd about them."""

    columns: Mapping[str, Any]
    noticed: tuple[str, ...]


def given(source: Any, schema: TableSchema) -> Given:
    """What `source` (a file, a DataFrame, a mapping of names to columns, or to the cells of one row) holds. DataError where
    a column of the model is missing, or where it cannot be told which cells make which row."""
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() not in PARQUET:
        table, noticed = read_rows(_there(source), schema)
        found = schema.found_in(table.columns, table.source)
        return Given(table.columns, (*noticed, *unread(found)))
    cells = _cells(source, schema)
    texts = {c.name: c.texts(some) for c, some in cells}
    doubtful = [(c, texts[c.name]) for c, some in cells if _doubtful(c, some)]
    return Given(texts, tuple(unread(doubtful)))


def _there(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if "\0" in str(path) or not path.exists():
        raise DataError(f"{path} does not exist")
    return path


def _doubtful(column: Column, cells: list[Any]) -> bool:
    """Whether these cells are looked at once more: numbers of a column of numbers need no reading, but for vast ones, and
    of a few rows nothing else is told."""
    if column.kind != "number":
        return len(cells) >= FEWEST
    numbers = [cell for cell in cells if is_number(cell)]
    return (len(cells) >= FEWEST and len(numbers) < len(cells)) or any(map(_vast, numbers))


def _vast(number: Any) -> bool:
    try:
        return abs(float(number)) > LARGEST
    except OverflowError:  # a whole number that no float can be
        return True
    except ValueError:  # a signalling NaN
        return False


def _cells(source: Any, schema: TableSchema) -> Found:
    """The cells of each of the model's columns, one by one: what a cell is does not depend on those around it."""
    name, columns = _columns(source)
    found = schema.found_in(columns, name)
    single = [c.name for c, cells in found if _is_cell(cells)]
    if single and len(single) < len(found):
        other = next(c.name for c, cells in found if not _is_cell(cells))
        raise DataError(
            f"{name}: {single[0]} is a single cell and {other} a column: make both cells, or both lists"
        )
    listed = [(c, _listed([_item(cells)] if single else cells, name, c.name)) for c, cells in found]
    lengths = {len(cells) for _, cells in listed}
    if len(lengths) > 1:
        raise DataError(f"{name}: its columns have different lengths, {min(lengths)} and {max(lengths)}")
    return listed


def _columns(source: Any) -> tuple[str, Any]:
    """What the source is called, and what gives a column for a name."""
    if isinstance(source, Mapping):
        return "the columns given", source
    name = "the frame"
    if isinstance(source, str | os.PathLike):
        path = _there(source)
        name, source = str(path), read_parquet(path)
    elif not (hasattr(source, "columns") and hasattr(source, "iloc")):
        row = "; one row of a frame is frame.iloc[[0]]" if hasattr(source, "iloc") else ""
        raise DataError(f"a table is a file or a pandas DataFrame, not {type(source).__name__}{row}")
    names = [as_text(n) for n in source]
    if len(set(names)) < len(names) and (twice := {n for n in names if n and names.count(n) > 1}):
        raise DataError(f"{name}: two columns are called {min(twice)!r}")
    return name, source


def _is_cell(cells: Any) -> bool:
    """Whether this is one cell in place of a column of them."""
    if isinstance(cells, np.ndarray):
        return cells.ndim == 0
    return isinstance(cells, TEXTS) or not hasattr(cells, "__iter__")


def _item(cell: Any) -> Any:
    return cell[()] if isinstance(cell, np.ndarray) else cell


def _listed(cells: Any, where: str, column: str) -> list[Any]:
    """The cells of a column. DataError where one holds several values, which as a text would be a category never seen."""
    listed: list[Any] = cells if isinstance(cells, list) else _unpacked(cells, f"{where}: {column}")
    for kind in set(map(type, listed)):
        if issubclass(kind, NESTED):
            row = next(k for k, cell in enumerate(listed) if isinstance(cell, kind)) + 1
            said = f"holds several values a cell ({kind.__name__} in row {row}): make columns of them"
            raise DataError(f"{where}: {column} {said}")
    return listed


def _unpacked(cells: Any, what: str) -> list[Any]:
    if isinstance(cells, Mapping | Set):
        raise DataError(f"{what} is a {type(cells).__name__}, which has no order of rows: make it a list")
    kind = getattr(getattr(cells, "dtype", None), "kind", "")
    try:
        if hasattr(cells, "tolist") and kind not in ("m", "M"):  # of dates it makes counts of nanoseconds
            return list(cells.tolist())
        return list(cells)
    except TypeError as error:
        raise DataError(f"{what} is no sequence of cells: {error}") from None
