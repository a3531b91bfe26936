"""How one column is read, cell by cell, and what is said of oddities: the parts of a schema."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import TOKENS, RawColumn, as_text
from seedleaf.data.tables.clock import write_clock
from seedleaf.data.tables.dates import read_date, write_date
from seedleaf.data.tables.numbers import NumberStyle, read_all, read_plain

Kind = Literal["number", "category", "date", "text"]
KINDS = ("number", "category", "date", "text")
NUMBERS = (int, float, np.number, Decimal)  # and no bool, which is an int
MOMENTS = (date, np.datetime64)  # a datetime is a date
LARGEST = 1e36  # what is beyond is no measurement, and single precision ends at 3e38


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd about a table, and what was done about it.

    `column` is "" where it concerns the whole table; `count` says how many rows, cells or columns; `rows` are up to five
    examples, counted from 1 at the first row of data.
    """

    kind: str
    column: str
    message: str
    action: str
    count: int = 0
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{self.column}: " if self.column else ""
        return f"{where}{self.message}; {self.action}"

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Finding:
        texts = {k: str(body[k]) for k in ("kind", "column", "message", "action")}
        return cls(**texts, count=int(body["count"]), rows=tuple(int(r) for r in body["rows"]))


@dataclass(frozen=True, slots=True)
class Column:
    """How the cells of one column are read; the reading of a cell depends on that cell alone.

    A cell that is one of `missing` (without case) is missing. Numbers are written with `decimal`, `thousands` and perhaps a
    unit, in some cells with `before`, `behind`, `scales` and as `ranges` (numbers.py), and missing beyond LARGEST; dates in
    `date_format` (days since 1970, UTC). `levels` are the categories seen in training, in fixed order. `whole` says that
    every training number was whole, `n_values` how many distinct known values training had. A column
    with a reason in `dropped` is not used.
    """

    name: str
    kind: Kind
    missing: tuple[str, ...] = TOKENS
    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    ranges: bool = False
    scales: tuple[tuple[str, float], ...] = ()
    date_format: str = ""
    levels: tuple[str, ...] = ()
    whole: bool = False
    n_values: int = 0
    dropped: str = ""

    @property
    def style(self) -> NumberStyle:
        return NumberStyle(
            self.decimal,
            self.thousands,
            self.prefix,
            self.suffix,
            self.before,
            self.behind,
            self.ranges,
            self.scales,
        )

    def read(self, cells: RawColumn | Iterable[Any]) -> Array:
        """Raw cells (N) as an array (N): float64 for numbers and dates, str objects for categories and text."""
        raw = cells if isinstance(cells, RawColumn) else RawColumn.of(self.texts(cells))
        return raw.spread(self.read_values(raw.values))

    def read_values(self, values: Iterable[str]) -> Array:
        """The same for texts that have been stripped (as those of a RawColumn have)."""
        texts = list(values)
        missing = frozenset(self.missing)
        if self.kind == "number":
            read = read_all(texts, self.style)
            read[~(np.abs(read) <= LARGEST)] = math.nan
            if _has_number(self.missing):
                read[[t.lower() in missing for t in texts]] = math.nan
            return read
        gone = [t.lower() in missing for t in texts]
        if self.kind == "date":
            form = self.date_format
            days = [math.nan if g else read_date(t, form) for t, g in zip(texts, gone, strict=True)]
            return np.asarray(days, dtype=np.float64)
        levels = set(self.levels) if self.kind == "category" else None
        out = np.empty(len(texts), dtype=object)
        out[:] = [
            "" if g or (levels is not None and t not in levels) else t
            for t, g in zip(texts, gone, strict=True)
        ]
        return out

    def texts(self, cells: Iterable[Any]) -> list[str]:
        """Raw cells as `read_values` wants them. Each is judged by its own type: a number or a date that comes as one, and
        not as text, is written as the column writes such, and so reads back as what it is."""
        number = self.kind == "number" and (self.decimal != "." or not self.style.powers)
        styled = number or self.kind == "date"
        return [self._written(cell) for cell in cells] if styled else [as_text(cell) for cell in cells]

    def _written(self, cell: Any) -> str:
        text = as_text(cell)
        if not text or isinstance(cell, str):
            return text
        if self.kind == "number" and is_number(cell):
            if self.style.clock:
                return write_clock(float(cell))
            if "e" in text.lower() and not self.style.powers:  # beside such a unit it would be none
                text = np.format_float_positional(float(cell), trim="-")
            return text.replace(".", self.decimal[0])
        if self.kind == "date" and isinstance(cell, MOMENTS):
            return write_date(cell, self.date_format) or text
        return text

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Column:
        kind = str(body["kind"])
        if kind not in KINDS:
            raise ValueError(f"no kind of column: {kind}")
        # Schemas written before have none of these.
        later: dict[str, Any] = {"before": (), "behind": (), "ranges": False, "scales": ()}
        known = {f.name: (later | dict(body))[f.name] for f in fields(cls)}
        for name in ("missing", "levels", "before", "behind"):
            known[name] = tuple(str(v) for v in known[name])
        known["scales"] = tuple((str(back), float(factor)) for back, factor in known["scales"])
        for name in ("name", "kind", "decimal", "thousands", "prefix", "suffix", "date_format", "dropped"):
            known[name] = str(known[name])
        known.update(
            whole=bool(known["whole"]), ranges=bool(known["ranges"]), n_values=int(known["n_values"])
        )
        return cls(**known)


@lru_cache(maxsize=64)
def _has_number(tokens: tuple[str, ...]) -> bool:
    """Whether a number stands for missing among them."""
    return any(math.isfinite(read_plain(token)) for token in tokens)


def is_number(cell: Any) -> bool:
    """Whether a cell is a number by its type."""
    # A timedelta64 is a np.number, strange to say.
    return isinstance(cell, NUMBERS) and not isinstance(cell, bool | np.timedelta64)
