"""Cells as text: a column is held as its distinct values and a code per row, so each distinct text is judged once."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.clock import write_clock

# What means "not known", compared without case. Only `SURE` counts in a target, where "none" and "-" are honest classes.
SURE = ("", "?", "n/a", "na", "nan", "null", "nat", "<na>", "#n/a")
TOKENS = (
    *SURE,
    "none",
    "nil",
    "-",
    "--",
    ".",
    "#na",
    "#null!",
    "#value!",
    "#div/0!",
    "(null)",
    "n.a.",
    "missing",
)
TOKEN_SET = frozenset(TOKENS)
BLANKS = " \t\r\n\v\f\u00a0\ufeff\u200b"


def as_text(value: Any) -> str:
    """One cell as text without blanks around it; whatever means nothing (None, NaN, NaT) is ""."""
    if isinstance(value, str):
        return value.strip(BLANKS)
    if value is None:
        return ""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        if isinstance(value, np.timedelta64):
            value = value.astype("timedelta64[us]")  # of nanoseconds it would be a mere count
        value = value.item()
        if value is None:
            return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, datetime | date):
        text = value.isoformat()
        return "" if text == "NaT" else text
    if isinstance(value, timedelta):
        return write_clock(value.total_seconds() / 3600)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip(BLANKS)
    text = str(value).strip(BLANKS)
    return "" if text in {"<NA>", "NaT"} else text


@dataclass(frozen=True, slots=True, eq=False)
class RawColumn:
    """A column of N cells: `values[codes[i]]` is the text of row i. `codes` int32 (N); no value stands twice."""

    values: tuple[str, ...]
    codes: Array

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, cells: Iterable[Any]) -> RawColumn:
        """From any cells: text, numbers, dates, None."""
        seen: dict[str, int] = {}
        codes = [seen.setdefault(as_text(cell), len(seen)) for cell in cells]
        return cls(tuple(seen), np.asarray(codes, dtype=np.int32))

    @property
    def counts(self) -> Array:
        """How many rows have each value: int64 (len(values))."""
        return np.bincount(self.codes, minlength=len(self.values))

    def take(self, rows: Array) -> RawColumn:
        """The rows `rows`, in that order; values that none of them has are gone."""
        kept, codes = np.unique(self.codes[rows], return_inverse=True)
        return RawColumn(tuple(self.values[k] for k in kept), codes.astype(np.int32))

    def spread(self, per_value: Array) -> Array:
        """One answer per distinct value, spread over the rows."""
        return per_value[self.codes] if len(self.codes) else per_value[:0]


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """A table as it was read: a column for each name (unique, not empty), all of the same length.

    `rows` int64 (N) says which row of the source each is, counted from 1 at the first row of data. `worded` are the columns
    of a frame in memory that hold text, whatever the text says; None for a file, where everything is text.
    """

    source: str
    columns: Mapping[str, RawColumn]
    rows: Array
    worded: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Array) -> RawTable:
        """The rows `rows` (indices), in that order."""
        return replace(self, columns={n: c.take(rows) for n, c in self.columns.items()}, rows=self.rows[rows])

    def without(self, names: Container[str]) -> RawTable:
        return replace(self, columns={n: c for n, c in self.columns.items() if n not in names})

    def examples(self, where: Array) -> tuple[int, ...]:
        """Row numbers of up to five of the rows `where` (a mask or indices)."""
        return tuple(int(r) for r in self.rows[where][:5])

    @property
    def some_names(self) -> str:
        """Names for an error's text."""
        names = list(self.columns)
        return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
