"""What is known of a table: how each column is read, what the target is, what was found. Prediction needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.data.tables.cells import TOKENS, RawColumn, as_text
from seedleaf.data.tables.dates import read_date
from seedleaf.data.tables.numbers import NumberStyle
from seedleaf.errors import DataError

Kind = Literal["number", "category", "date", "text"]
Task = Literal["binary", "multiclass", "regression"]
KINDS, TASKS = ("number", "category", "date", "text"), ("binary", "multiclass", "regression")

# Column name -> array (N): float64 for numbers and dates (days since 1970; NaN = missing), str objects for categories and
# text ("" = missing, and for a category also: not seen in training). Dropped columns are not in it.
Frame = Mapping[str, Array]


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
    unit; dates in `date_format` (days since 1970, UTC). `levels` are the categories seen in training, in fixed order.
    `whole` says that every training number was whole, `n_values` how many distinct known values training had. A column
    with a reason in `dropped` is not used.
    """

    name: str
    kind: Kind
    missing: tuple[str, ...] = TOKENS
    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    date_format: str = ""
    levels: tuple[str, ...] = ()
    whole: bool = False
    n_values: int = 0
    dropped: str = ""

    @property
    def style(self) -> NumberStyle:
        return NumberStyle(self.decimal, self.thousands, self.prefix, self.suffix)

    def read(self, cells: RawColumn | Iterable[Any]) -> Array:
        """Raw cells (N) as an array (N): float64 for numbers and dates, str objects for categories and text."""
        if isinstance(cells, RawColumn):
            return cells.spread(self.read_values(cells.values))
        known: dict[Any, Any] = {}
        column = list(cells)
        keys = [(type(cell), as_text(cell)) for cell in column]
        for key, cell in zip(keys, column, strict=True):
            if key not in known:
                known[key] = self._read_cell(cell)
        dtype = np.float64 if self.kind in ("number", "date") else object
        out = np.empty(len(column), dtype=dtype)
        out[:] = [known[key] for key in keys]
        return out

    def read_values(self, values: Iterable[str]) -> Array:
        """The same for texts that have been stripped (as those of a RawColumn have)."""
        missing = set(self.missing)
        texts = list(values)
        gone = [t.lower() in missing for t in texts] if missing else [False] * len(texts)
        if self.kind == "number":
            style = self.style
            read = [math.nan if g else _finite(style.read(t)) for t, g in zip(texts, gone, strict=True)]
            return np.asarray(read, dtype=np.float64)
        if self.kind == "date":
            form = self.date_format
            read = [math.nan if g else read_date(t, form) for t, g in zip(texts, gone, strict=True)]
            return np.asarray(read, dtype=np.float64)
        levels = set(self.levels) if self.kind == "category" else None
        out = np.empty(len(texts), dtype=object)
        out[:] = [
            "" if g or (levels is not None and t not in levels) else t
            for t, g in zip(texts, gone, strict=True)
        ]
        return out

    def _read_cell(self, cell: Any) -> Any:
        """A number that comes as a number is not read in the column's style."""
        if self.kind == "number" and isinstance(cell, int | float | np.number) and not isinstance(cell, bool):
            return _finite(float(cell))
        return self.read_values([as_text(cell)])[0]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Column:
        kind = str(body["kind"])
        if kind not in KINDS:
            raise ValueError(f"no kind of column: {kind}")
        known = {f.name: body[f.name] for f in fields(cls)}
        for name in ("missing", "levels"):
            known[name] = tuple(str(v) for v in known[name])
        for name in ("name", "kind", "decimal", "thousands", "prefix", "suffix", "date_format", "dropped"):
            known[name] = str(known[name])
        known.update(whole=bool(known["whole"]), n_values=int(known["n_values"]))
        return cls(**known)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be predicted. `classes[k]` is what label k is called; empty for regression.

    `column` says how its cells are read: a category whose levels are the classes, or a number.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    column: Column

    def read(self, cells: RawColumn | Iterable[Any]) -> Array:
        """y (N): int64 labels (-1 = missing or no class of training), or float64 (NaN = missing)."""
        if self.task == "regression":
            return self.column.read(cells)
        index = {name: k for k, name in enumerate(self.classes)}
        return np.asarray([index.get(name, -1) for name in self.column.read(cells)], dtype=np.int64)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Target:
        task: Any = str(body["task"])
        if task not in TASKS:
            raise ValueError(f"no task: {task}")
        column = Column.from_json(body["column"])
        return cls(str(body["name"]), task, tuple(str(c) for c in body["classes"]), column)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's description, frozen and JSON-readable.

    `columns` are all but the target, in the order of the file, the dropped ones among them. `n_train` and `n_test` count
    rows. `fingerprint` is equal for equal training and test rows read alike.
    """

    name: str
    columns: tuple[Column, ...]
    target: Target
    findings: tuple[Finding, ...] = ()
    n_train: int = 0
    n_test: int = 0
    fingerprint: str = ""
    group: str = ""  # the column whose rows stay together, "" = none
    order_by: str = ""  # the column that orders the rows in time, "" = none
    notes: Mapping[str, str] = field(
        default_factory=dict
    )  # how the file was read: separator, encoding, header

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are features: those of every Frame, in this order."""
        return tuple(c for c in self.columns if not c.dropped)

    def features(self, source: Mapping[str, Any] | Any) -> Frame:
        """Raw cells as a Frame: `source` maps each used column's name to N cells (a dict, or a pandas DataFrame).

        Row-wise pure: a row alone and the same row among others give the same. Columns beyond those are ignored. Raises
        DataError where one is missing.
        """
        names = {str(n).strip(): n for n in source}
        lost = [c.name for c in self.used if c.name not in names]
        if lost:
            raise DataError(
                f"{self.name}: {len(lost)} column{'s' * (len(lost) > 1)} missing: {', '.join(lost[:5])}; "
                f"there are: {', '.join(list(names)[:10])}"
            )
        return {c.name: c.read(source[names[c.name]]) for c in self.used}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal schema back."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> TableSchema:
        """The schema that `to_json` wrote. Raises DataError where a field is missing or of another type."""
        try:
            return cls(
                name=str(body["name"]),
                columns=tuple(Column.from_json(c) for c in body["columns"]),
                target=Target.from_json(body["target"]),
                findings=tuple(Finding.from_json(f) for f in body["findings"]),
                n_train=int(body["n_train"]),
                n_test=int(body["n_test"]),
                fingerprint=str(body["fingerprint"]),
                group=str(body["group"]),
                order_by=str(body["order_by"]),
                notes={str(k): str(v) for k, v in dict(body["notes"]).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"this is not the description of a table: {error!r}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


@dataclass(frozen=True, slots=True, eq=False)
class TableData:
    """A table ready for learners. Frames hold the schema's used columns; y is int64 labels or float64.

    `groups` int64 (n_train): rows of one group stay in one fold. `order` float64 (n_train): the time of each row; where it
    is given the training rows are sorted by it. Either is None where it was not asked for.
    """

    schema: TableSchema
    train: Frame
    y_train: Array
    test: Frame | None = None
    y_test: Array | None = None
    groups: Labels | None = None
    order: Array | None = None


def take(frame: Frame, rows: Array) -> Frame:
    """The rows `rows` of a frame, in that order."""
    return {name: column[rows] for name, column in frame.items()}
