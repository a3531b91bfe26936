"""Cells to predict that say nothing to the model: numbers in another style, dates of another form, categories never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.schema import Column
from seedleaf.data.tables.words import share

FEWEST = 5  # known cells: all of them must be unread then
ENOUGH, SHARE = 20, 0.5  # of so many known cells this share is enough


def unread(found: Iterable[tuple[Column, RawColumn | Sequence[str]]]) -> list[str]:
    """A line for each column most of whose known cells are as if missing. A few rows are not looked at: it costs nothing."""
    return [line for column, cells in found if (line := _unread(column, cells))]


def _unread(column: Column, cells: RawColumn | Sequence[str]) -> str:
    if column.kind == "text" or len(cells) < FEWEST:
        return ""
    if isinstance(cells, RawColumn):
        values, counts = cells.values, cells.counts
    else:
        seen = Counter(cells)
        values, counts = tuple(seen), np.array(list(seen.values()))
    read = column.read_values(values)
    lost = read == "" if column.kind == "category" else np.isnan(read)
    if not lost.any():
        return ""
    missing = frozenset(column.missing)
    known = np.array([v.lower() not in missing for v in values])
    n, n_lost = int(counts[known].sum()), int(counts[known & lost].sum())
    if n_lost < (SHARE * n if n >= ENOUGH else max(n, FEWEST)):
        return ""
    example = values[int(np.where(known & lost, counts, 0).argmax())][:40]
    return f"column {column.name}: {share(n_lost / n)} of its cells are {_what(column)}, e.g. {example!r}"


def _what(column: Column) -> str:
    if column.kind == "category":
        return "categories that training never saw"
    return "not read as numbers" if column.kind == "number" else f"not read as dates ({column.date_format})"
