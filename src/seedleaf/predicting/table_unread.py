"""Cells to predict that say nothing to the model: numbers in another style, dates of another form, categories never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.column import LARGEST
from seedleaf.data.tables.schema import Column
from seedleaf.data.tables.words import plural, share

FEWEST = 5  # known cells: all of them must be unread then
ENOUGH, SHARE = 20, 0.5  # of so many known cells this share is enough


def unread(found: Iterable[tuple[Column, RawColumn | Sequence[str]]]) -> list[str]:
    """Lines for each column with numbers that are infinite or beyond LARGEST, or most of whose known cells are as if
    missing; in a few rows the latter is not told, as one odd cell is most of them."""
    return [line for column, cells in found for line in _unread(column, cells)]


def _unread(column: Column, cells: RawColumn | Sequence[str]) -> Iterator[str]:
    if column.kind == "text" or not len(cells):
        return
    if isinstance(cells, RawColumn):
        values, counts = cells.values, cells.counts
    else:
        seen = Counter(cells)
        values, counts = tuple(seen), np.array(list(seen.values()))
    read = column.read_values(values)
    lost = read == "" if column.kind == "category" else np.isnan(read)
    if not lost.any():
        return
    missing = frozenset(column.missing)
    known = np.array([v.lower() not in missing for v in values])
    if column.kind == "number":
        vast = known & lost
        vast[vast] = [abs(column.style.read(values[k])) > LARGEST for k in np.flatnonzero(vast)]
        if count := int(counts[vast].sum()):
            said = f"{plural(count, 'cell is', 'cells are')} infinite or beyond {LARGEST:g}, as if missing"
            yield f"column {column.name}: {said}, e.g. {_commonest(values, counts, vast)!r}"
        known &= ~vast
    n, n_lost = int(counts[known].sum()), int(counts[known & lost].sum())
    if n_lost >= (SHARE * n if n >= ENOUGH else max(n, FEWEST)) and n_lost:
        told = f"{share(n_lost / n)} of its cells are {_what(column)}"
        yield f"column {column.name}: {told}, e.g. {_commonest(values, counts, known & lost)!r}"


def _commonest(values: Sequence[str], counts: Array, among: Array) -> str:
    return values[int(np.where(among, counts, 0).argmax())][:40]


def _what(column: Column) -> str:
    if column.kind == "category":
        return "categories that training never saw"
    return "not read as numbers" if column.kind == "number" else f"not read as dates ({column.date_format})"
