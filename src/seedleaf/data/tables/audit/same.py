"""Which rows are the same as they are read: "1.0" is 1, and the third of May is that in any of a column's formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import RawTable
from seedleaf.data.tables.column import LARGEST
from seedleaf.data.tables.infer import coded, infer_column, is_comma_file
from seedleaf.data.tables.numbers import NumberStyle, read_all
from seedleaf.data.tables.schema import Target
from seedleaf.seeds import rng_for

PLAIN = NumberStyle()


@dataclass(eq=False)
class Rows:
    """The rows of one table, or of several one below the other (N in all): `names` of their columns count, the target
    among them. Cells are read as the first table's columns are, and each column once.
    """

    goal: Target
    names: Sequence[str]
    tables: Sequence[RawTable]
    read: dict[str, tuple[Array, Array | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, goal: Target, *tables: RawTable, without: Sequence[str] = ()) -> Rows:
        return cls(goal, [name for name in tables[0].columns if name not in without], tables)

    @property
    def n(self) -> int:
        return sum(len(table) for table in self.tables)

    @property
    def features(self) -> list[str]:
        return [name for name in self.names if name != self.goal.name]

    @property
    def differ(self) -> bool:
        """Whether one column alone says that no two rows are the same, which is quickly seen: few have so many texts."""
        texts = {name: sum(len(t.columns[name].values) for t in self.tables) for name in self.names}
        return any(count >= self.n and len(self.counts(name)) == self.n for name, count in texts.items())

    def codes(self, name: str) -> Array:
        """Which cells of a column are the same: int (N), those that are have the same."""
        return self._look(name)[0]

    def numbers(self, name: str) -> Array | None:
        """A column's cells as numbers or days: float64 (N), NaN where they are missing; None of names and texts."""
        codes, values = self._look(name)
        return None if values is None else values[codes]

    def counts(self, name: str) -> Array:
        """How often each cell of a column stands there."""
        counts = np.bincount(self.codes(name))
        return counts[counts > 0]

    def part(self, name: str) -> Array:
        """A random number for each cell of a column, the same for the same: uint64 (N)."""
        codes = self.codes(name)
        drawn = rng_for(0, "rows", name).integers(0, 2**64, int(codes.max(initial=0)) + 1, dtype=np.uint64)
        of_row: Array = drawn[codes]
        return of_row

    @cached_property
    def hashes(self) -> tuple[Array, Array]:
        """64-bit hashes (N each) of rows with and without the target: rows that are the same have the same.

        A row has the sum of its cells' random numbers (tabulation hashing, Zobrist 1970): two rows that differ have the same
        sum with a chance of 2^-64.
        """
        features = np.zeros(self.n, dtype=np.uint64)
        for name in self.features:
            features += self.part(name)
        return features + self.part(self.goal.name), features

    @cached_property
    def pairs(self) -> tuple[float, float]:
        """How many pairs of rows are the same, and how many are but for the target perhaps."""
        whole, features = self.hashes
        return equal_pairs(whole), equal_pairs(features)

    def _look(self, name: str) -> tuple[Array, Array | None]:
        if name not in self.read:
            raws = [table.columns[name] for table in self.tables]
            texts = [text for raw in raws for text in raw.values]
            values = self._numbers(name, texts)
            if values is not None:
                values, per_text = np.unique(values, return_inverse=True)
            else:
                seen: dict[str, int] = {}
                per_text = np.asarray([seen.setdefault(text, len(seen)) for text in texts], dtype=np.int64)
            per_text = per_text.astype(np.int32)
            ends = np.cumsum([len(raw.values) for raw in raws])[:-1]
            spread = [raw.spread(part) for raw, part in zip(raws, np.split(per_text, ends), strict=True)]
            self.read[name] = np.concatenate(spread), values
        return self.read[name]

    def _numbers(self, name: str, texts: list[str]) -> Array | None:
        """Each text as a number or days; None where the column holds names or texts."""
        if name == self.goal.name:
            return None if self.goal.classes else self.goal.column.read_values(texts)
        plain = read_all(texts, PLAIN)
        if (np.abs(plain) <= LARGEST).all() and not coded(texts):
            return plain  # as nearly always: nothing need be inferred
        column = infer_column(name, self.tables[0].columns[name], self._comma)
        return column.read_values(texts) if column.kind in ("number", "date") else None

    @cached_property
    def _comma(self) -> bool:
        return is_comma_file(self.tables[0])


def equal_pairs(hashes: Array) -> float:
    """How many pairs of rows are equal, by their hashes."""
    return pairs_of(np.unique(hashes, return_counts=True)[1])


def pairs_of(counts: Array) -> float:
    """How many pairs there are among rows of which so many are equal."""
    return float((counts * (counts - 1.0) / 2).sum())
