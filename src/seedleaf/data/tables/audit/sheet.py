"""What checks look at, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawColumn, RawTable
from seedleaf.data.tables.schema import Column, Finding, Target

FOLDS = 5  # what classes are counted against


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and the reason to drop its column ("" = it stays)."""

    finding: Finding
    drop: str = ""


@dataclass(eq=False)
class Sheet:
    """The training rows of a table as read, and those of the test file where one was given.

    `columns` are replaced as checks settle how they are read; only the audit's own loop does that.
    """

    source: str
    columns: dict[str, Column]
    target: Target
    train: RawTable
    y: Array
    test: RawTable | None = None
    seed: int = 0
    read: dict[tuple[str, bool], Array] = field(default_factory=dict)

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

    def values(self, name: str, test: bool = False) -> Array:
        """The cells as a learner gets them (N)."""
        key = (name, test)
        if key not in self.read:
            table = self.test if test and self.test is not None else self.train
            self.read[key] = self.columns[name].read(table.columns[name])
        return self.read[key]

    def missing(self, name: str, test: bool = False) -> Array:
        """Which cells are not known (N, bool)."""
        values = self.values(name, test)
        gone: Array = values == "" if values.dtype == object else np.isnan(values)
        return gone

    def drop(self, name: str, reason: str) -> None:
        self.columns[name] = replace(self.columns[name], dropped=reason)

    @cached_property
    def sample(self) -> Array:
        """Up to MOST_ROWS rows, for what is costly: ascending indices."""
        from seedleaf.seeds import rng_for

        if self.n <= MOST_ROWS:
            return np.arange(self.n)
        return np.sort(rng_for(self.seed, "audit").choice(self.n, MOST_ROWS, replace=False))


MOST_ROWS = 5000


def plural(count: int, what: str, many: str = "") -> str:
    """ "1 row", "2 rows"."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def share(part: float) -> str:
    """A share in per cent, without a false 0 or 100."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"
