"""A table as learners see it: numbers as one matrix, categories as codes, words as lists; and the same as ONNX inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.data.tables import Frame, TableSchema

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
ROWS = 512  # that a graph is asked for at once: walked trees hold a number for each row and tree


@dataclass(frozen=True)
class Layout:
    """Where each column of a schema stands: `numbers` (numbers and dates) in the matrix, `texts` (categories and free text)
    in the matrix of strings. `levels` has the categories of each category column, `dates` the positions of dates."""

    numbers: tuple[str, ...]
    dates: tuple[int, ...]
    categories: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, schema: TableSchema) -> Layout:
        used = schema.used
        numeric = [c for c in used if c.kind in ("number", "date")]
        categories = [c for c in used if c.kind == "category"]
        return cls(
            tuple(c.name for c in numeric),
            tuple(i for i, c in enumerate(numeric) if c.kind == "date"),
            tuple(c.name for c in categories),
            tuple(c.levels for c in categories),
            tuple(c.name for c in used if c.kind == "text"),
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of the input of strings."""
        return (*self.categories, *self.words)

    @cached_property
    def _index(self) -> list[dict[str, int]]:
        return [{level: k for k, level in enumerate(levels)} for levels in self.levels]

    def block(self, frame: Frame) -> Block:
        """The columns of a frame in this layout."""
        n = len(next(iter(frame.values()))) if frame else 0
        numbers = np.empty((n, len(self.numbers)), np.float64)
        for j, name in enumerate(self.numbers):
            numbers[:, j] = frame[name]
        codes = np.empty((n, len(self.categories)), np.int32)
        for j, name in enumerate(self.categories):
            known, other = self._index[j], len(self.levels[j])
            codes[:, j] = [known.get(v, other) for v in frame[name]]
        words = tuple(tuple(str(v) for v in frame[name]) for name in self.words)
        return Block(self, numbers, codes, words)


@dataclass(frozen=True, eq=False)
class Block:
    """N rows: `numbers` float64 (N, d), NaN = missing; `codes` int32 (N, c), where a category that is missing or was not
    seen in training has the code after the last; `words`: for each column of free text N strings."""

    layout: Layout
    numbers: Floats
    codes: Array
    words: tuple[Sequence[str], ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Array) -> Block:
        """The rows `rows`, in that order."""
        words = tuple([column[i] for i in rows] for column in self.words)
        return Block(self.layout, np.asarray(self.numbers[rows]), np.asarray(self.codes[rows]), words)

    @cached_property
    def _strings(self) -> Array:
        out = np.full((len(self), len(self.layout.texts)), "", dtype=object)
        for j, levels in enumerate(self.layout.levels):
            names = np.array([*levels, ""], dtype=object)
            out[:, j] = names[self.codes[:, j]]
        for j, column in enumerate(self.words):
            out[:, len(self.layout.levels) + j] = list(column)
        return out

    def feed(self, inputs: Sequence[str]) -> Mapping[str, Array]:
        """The inputs of the ONNX graph, those of `inputs` that it takes."""
        return {n: self._strings if n == "texts" else np.ascontiguousarray(self.numbers) for n in inputs}
