"""What a fitted model is, and what a family of models brings. One file per family, one row in `registry.FAMILIES`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.graph import Graph
from seedleaf.space import Param

Matrix = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Kind:
    """What a space may depend on: the shape of the table. `n_classes` is 0 for regression."""

    n_rows: int
    n_numbers: int
    n_categories: int
    n_texts: int
    n_classes: int
    has_dates: bool = False
    has_missing: bool = False
    high_cardinality: bool = False
    short_texts: bool = True  # so that cutting them into letters takes little room
    room: int | None = None  # bytes of the file, where they are limited

    @property
    def n_columns(self) -> int:
        return self.n_numbers + self.n_categories + self.n_texts


@dataclass(frozen=True, eq=False)
class Rows:
    """Matrix and target of one part: `x` float32 (N, D), the first `n_smooth` columns are numbers; `y` int64 labels, or
    float64 of mean 0 and spread 1 for regression. `n_classes` is 0 for regression."""

    x: Matrix
    y: Array
    n_classes: int
    n_smooth: int

    @property
    def n_out(self) -> int:
        return self.n_classes or 1


@dataclass(frozen=True)
class Effort:
    """How long a fit may take: `deadline` in seconds since the epoch, and how many rounds were best in cross-validation,
    where that is known (then there is nothing to validate on). `room`: bytes that what is fitted may take in the file, where
    they are limited."""

    deadline: float
    seed: int
    rounds: int | None = None
    room: int | None = None

    def left(self) -> float:
        return self.deadline - time.time()

    def most(self, usual: int, each: float, fixed: int = 300) -> int:
        """How many of what takes `each` bytes may be kept beside `fixed` ones: `usual` where bytes are not limited."""
        return usual if self.room is None else min(usual, max(int((self.room - fixed) / each), 0))


class Model(Protocol):
    """A fitted model: probabilities (N, n_classes), or values (N, 1) in the scale of `Rows.y`."""

    @property
    def rounds(self) -> int:
        """Trees or epochs that it took; 0 where that means nothing."""

    def predict(self, x: Matrix) -> npt.NDArray[np.float64]: ...

    def graph(self, g: Graph, x: str) -> str:
        """The same on a float32 (N, D) tensor of the graph: float32 (N, n_classes) or (N, 1)."""


class Family(Protocol):
    """A family of models."""

    @property
    def name(self) -> str: ...

    @property
    def plainness(self) -> int:
        """Its place on the scale from simple to complex: ties on small data go to the lower one."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What it imports, so that it can be loaded before the clock of a fit starts."""

    @property
    def native(self) -> bool:
        """Does it take missing numbers as they are?"""

    @property
    def varies(self) -> bool:
        """Do its answers vary from fit to fit, so that averaging the models of the folds gains?"""

    def space(self, kind: Kind) -> Mapping[str, Param]:
        """What may vary, its features among it; the defaults are a config that is known to do well."""

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Model:
        """Fit on `train`; `valid` may only decide when to stop. TrialError where it comes to nothing."""


def softmax(z: Array) -> npt.NDArray[np.float64]:
    z = z - z.max(-1, keepdims=True)
    e = np.exp(z)
    return np.asarray(e / e.sum(-1, keepdims=True), np.float64)


def probabilities_graph(g: Graph, scores: str) -> str:
    """Softmax over the classes of float32 scores (N, K); of one score a row (N, 1) the two probabilities."""
    return g.add("Softmax", scores, axis=-1)


def binary_graph(g: Graph, score: str) -> str:
    """(N, 1) log odds -> (N, 2) probabilities."""
    one = g.add("Sigmoid", score)
    return g.concat([g.add("Sub", g.constant(1.0, "float32"), one), one])


def sigmoid(z: Array) -> npt.NDArray[np.float64]:
    """(N) log odds -> (N, 2) probabilities."""
    one = 1.0 / (1.0 + np.exp(-np.clip(z, -60, 60)))
    return np.column_stack([1.0 - one, one])
