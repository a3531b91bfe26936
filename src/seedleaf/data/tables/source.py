"""Where tables come from: a file, or a frame in memory. Both become the same texts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawColumn, RawTable, as_text
from seedleaf.data.tables.read import read_file
from seedleaf.data.tables.schema import Finding
from seedleaf.errors import DataError

PARQUET = (".parquet", ".pq")
NESTED = (list, tuple, dict, set, np.ndarray)
FRAME = "the frame"  # what a table without a file is called

Read = tuple[RawTable, list[Finding], dict[str, str]]


def read_source(source: Any, names: tuple[str, ...] = ()) -> Read:
    """A path, or what maps names to columns (a pandas DataFrame, a dict): texts, findings, how it was read.

    Raises DataError for what is no table.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if "\0" in str(path) or not path.exists():
            raise DataError(f"{path} does not exist")
        if path.suffix.lower() in PARQUET:
            return from_frame(read_parquet(path), str(path)), [], {"format": "parquet"}
        return read_file(path, names)
    if isinstance(source, Mapping) or (hasattr(source, "columns") and hasattr(source, "iloc")):
        return from_frame(source, FRAME), [], {"format": "frame"}
    raise DataError(f"a table is a file or a pandas DataFrame, not {type(source).__name__}")


def read_parquet(path: Path) -> Any:
    """A file as a DataFrame. DataError where pyarrow is not installed or cannot read it."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow: pip install 'seedleaf[parquet]', or save the table as CSV"
        ) from None
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except Exception as error:  # whatever pyarrow raises for a broken file
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def from_frame(source: Any, name: str) -> RawTable:
    """Columns by name: of a DataFrame or of a mapping to sequences."""
    names = [as_text(n) for n in source]
    if not names:
        raise DataError(f"{name} has no columns")
    twice = {n for n in names if names.count(n) > 1} if len(set(names)) < len(names) else set()
    if twice or "" in names:
        said = f"two columns are called {sorted(twice)[0]!r}" if twice else "a column has no name"
        raise DataError(f"{name}: {said}")
    cells = {text: source[key] for key, text in zip(source, names, strict=True)}
    columns = {text: _column(values, f"{name}: {text}") for text, values in cells.items()}
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"{name}: its columns have different lengths, {min(lengths)} and {max(lengths)}")
    worded = frozenset(n for n, values in cells.items() if _is_text(values))
    return RawTable(name, columns, np.arange(1, lengths.pop() + 1), worded)


def _column(values: Any, what: str) -> RawColumn:
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return _from_numbers(np.asarray(values))
    try:
        cells = list(values)
    except TypeError as error:
        raise DataError(f"{what} is no sequence of cells: {error}") from None
    held = next((k for k, v in enumerate(cells) if isinstance(v, NESTED)), None)
    if held is not None:
        kind = type(cells[held]).__name__
        raise DataError(
            f"{what} holds several values a cell ({kind} in row {held + 1}): make columns of them"
        )
    return RawColumn.of(cells)


def _from_numbers(values: Array) -> RawColumn:
    """Numbers by their distinct values, each written so that it reads back as it was."""
    distinct, codes = np.unique(values, return_inverse=True)  # one NaN stands for all
    texts = tuple(as_text(v) for v in distinct.tolist())
    return RawColumn(texts, codes.reshape(-1).astype(np.int32))


def _is_text(values: Any) -> bool:
    if isinstance(getattr(values, "dtype", None), np.dtype) and values.dtype.kind in "biufM":
        return False
    # Of what is no text, neither equality nor truth need mean anything.
    first = next((v for v in values if isinstance(v, str) or (v is not None and v == v)), None)
    return isinstance(first, str)
