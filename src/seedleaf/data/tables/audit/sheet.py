"""What checks look at, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawColumn, RawTable
from seedleaf.data.tables.schema import Column, Finding, Target
from seedleaf.seeds import rng_for

MOST_ROWS = 5000  # that costly checks look at


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and the reason to drop its column ("" = it stays), or the column as it is read from now on."""

    finding: Finding
    drop: str = ""
    column: Column | None = None


@dataclass(eq=False)
class Sheet:
    """The training rows of a table as read, and those of the test file where one was given.

    `columns` are replaced as checks settle how they are read, and `leaks` grow; only the audit's own loop does that.
    """

    source: str
    columns: dict[str, Column]
    target: Target
    train: RawTable
    y: Array
    test: RawTable | None = None
    seed: int = 0
    order_by: str = ""  # the column that orders the rows in time
    read: dict[tuple[str, bool], Array] = field(default_factory=dict)
    leaks: set[str] = field(default_factory=set)  # columns that were told to say the target, dropped or not

    @property
    def used(self) -> Iterator[Column]:
        """The columns not yet dropped."""
        return (c for c in list(self.columns.values()) if not c.dropped)

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def classes(self) -> bool:
        return self.target.task != "regression"

    def raw(self, name: str) -> RawColumn:
        return self.train.columns[name]

    def per_value(self, name: str, test: bool = False) -> Array:
        """Each distinct text of a column as a learner gets it."""
        key = (name, test)
        if key not in self.read:
            self.read[key] = self.columns[name].read_values(self._table(test).columns[name].values)
        return self.read[key]

    def values(self, name: str, test: bool = False) -> Array:
        """The cells as a learner gets them (N)."""
        return self._table(test).columns[name].spread(self.per_value(name, test))

    def _table(self, test: bool) -> RawTable:
        return self.test if test and self.test is not None else self.train

    def silent(self, name: str) -> tuple[list[int], list[int]]:
        """Which of a column's distinct texts say that they are missing, and which others cannot be read."""
        column, texts = self.columns[name], self.raw(name).values
        unknown = [int(k) for k in np.flatnonzero(_gone(self.per_value(name)))]
        said = [k for k in unknown if texts[k].lower() in column.missing]
        return said, [k for k in unknown if texts[k].lower() not in column.missing]

    def missing(self, name: str, test: bool = False) -> Array:
        """Which cells are not known (N, bool)."""
        return self._table(test).columns[name].spread(_gone(self.per_value(name, test)))

    def drop(self, name: str, reason: str) -> None:
        self.columns[name] = replace(self.columns[name], dropped=reason)

    def read_as(self, column: Column) -> None:
        """Read a column otherwise."""
        self.columns[column.name] = column
        self.read = {key: values for key, values in self.read.items() if key[0] != column.name}

    @cached_property
    def sample(self) -> Array:
        """Up to MOST_ROWS rows, for what is costly: ascending indices."""
        if self.n <= MOST_ROWS:
            return np.arange(self.n)
        return np.sort(rng_for(self.seed, "audit").choice(self.n, MOST_ROWS, replace=False))


def _gone(values: Array) -> Array:
    gone: Array = values == "" if values.dtype == object else np.isnan(values)
    return gone
