"""Cells as text: a column is held as its distinct values and a code per row, so each distinct text is judged once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from seedleaf.data.spec import Array

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
BLANKS = " \t\r\n\v\f\u00a0\ufeff\u200b"
NO_ROWS = np.zeros(0, dtype=np.int64)


def as_text(value: Any) -> str:
    """One cell as text without blanks around it; whatever means nothing (None, NaN, NaT) is ""."""
    if isinstance(value, str):
        return value.strip(BLANKS)
    if value is None:
        return ""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, datetime | date):
        text = value.isoformat()
        return "" if text == "NaT" else text
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
    """A table as it was read: names (unique, not empty), a column for each, and where it came from."""

    source: str
    columns: dict[str, RawColumn]
    n: int
    first_line: int = 1  # line of the file in which row 0 stands; 0 where there is no file
    header: bool = True

    def take(self, rows: Array) -> RawTable:
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return RawTable(self.source, columns, len(rows), self.first_line, self.header)
