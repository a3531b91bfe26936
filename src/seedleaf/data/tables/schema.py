"""What is known of a table: how each column is read, what the target is, what was found. Prediction needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.data.tables.cells import RawColumn, as_text
from seedleaf.data.tables.column import KINDS, Column, Finding, Kind
from seedleaf.data.tables.units import measures
from seedleaf.errors import DataError

__all__ = [
    "KINDS",
    "TASKS",
    "Column",
    "Finding",
    "Frame",
    "Kind",
    "TableData",
    "TableSchema",
    "Target",
    "Task",
    "take",
]

Task = Literal["binary", "multiclass", "regression"]
TASKS = ("binary", "multiclass", "regression")

# Column name -> array (N): float64 for numbers and dates (days since 1970; NaN = missing), str objects for categories and
# text ("" = missing, and for a category also: not seen in training). Dropped columns are not in it.
Frame = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be predicted. `classes[k]` is what label k is called; empty for regression.

    `column` says how its cells are read: a category whose levels are the classes, or a number.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    column: Column

    @property
    def unit(self) -> str:
        """ " of hours" where numbers are, " in kg" where units were converted, else ""."""
        style = self.column.style
        if style.clock:
            return " of hours"
        converted = bool(style.scales) and style.suffix not in dict(style.scales)
        return f" in {style.suffix}" if converted and measures(style.suffix) != "money" else ""

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
        return {c.name: c.read(cells) for c, cells in self.found_in(source)}

    def found_in(self, source: Mapping[str, Any] | Any, where: str = "the rows") -> list[tuple[Column, Any]]:
        """Each used column with its cells in `source`. DataError, which names `where`, if one is missing."""
        shown = {str(n).strip(): n for n in source}
        names = shown | {str(n): n for n in source}  # a name may hold what counts as blank only here
        used = self.used
        if any(
            c.name not in names for c in used
        ):  # what is blank to the reader of files is not always so to Python
            names = {as_text(n): n for n in source} | names
        lost = [c.name for c in used if c.name not in names]
        if lost:
            raise DataError(
                f"{where}: {len(lost)} column{'s' * (len(lost) > 1)} missing: {', '.join(lost[:5])}; "
                f"there are: {', '.join(list(shown)[:10])}"
            )
        return [(c, source[names[c.name]]) for c in used]

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
    is given the training rows are sorted by it. Either is None where it was not asked for. `sample` has the cells of
    some rows as they stand in the source, of the test part where there is one.
    """

    schema: TableSchema
    train: Frame
    y_train: Array
    test: Frame | None = None
    y_test: Array | None = None
    groups: Labels | None = None
    order: Array | None = None
    sample: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def take(frame: Frame, rows: Array) -> Frame:
    """The rows `rows` of a frame, in that order."""
    return {name: column[rows] for name, column in frame.items()}
