"""Cells as the delivered graph takes them: one string for each used column, without blanks around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.column import Column
from seedleaf.data.tables.schema import TableSchema

CELLS = "cells"  # the input of the graph: string (N, used columns)


def as_cells(source: Mapping[str, Any] | Any, schema: TableSchema) -> Array:
    """Strings (N, used columns) of a mapping of names to columns, or of a DataFrame. DataError where a column is missing."""
    columns = [_texts(cells, column) for column, cells in schema.found_in(source)]
    return np.ascontiguousarray(np.stack(columns, axis=1)) if columns else np.empty((0, 0), object)


def _texts(cells: RawColumn | Iterable[Any], column: Column) -> Array:
    if isinstance(cells, RawColumn):
        return cells.spread(_sane(cells.values))
    return _sane(column.texts(cells))


def _sane(texts: Iterable[str]) -> Array:
    """An array of strings; what no UTF-8 can say becomes "?", as which no training row has known it."""
    listed = list(texts)
    try:
        "".join(listed).encode()
    except UnicodeEncodeError:
        listed = [t.encode("utf-8", "replace").decode() for t in listed]
    out = np.empty(len(listed), object)
    out[:] = listed
    return out
