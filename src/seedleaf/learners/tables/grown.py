"""What families of boosted trees from other packages share: the model that comes of their scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.boosting import answer_graph, answered
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Matrix

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grown:
    """`scores` are what the package itself answers, (N, n_out) on top of `base`; `written` writes the same into a graph."""

    base: Floats
    scores: Callable[[Matrix], Floats]
    written: Callable[[Graph, str], str]
    n_classes: int
    rounds: int

    def predict(self, x: Matrix) -> Floats:
        return answered(self.base + self.scores(x).reshape(len(x), -1), self.n_classes)

    def graph(self, g: Graph, x: str) -> str:
        return answer_graph(g, self.written(g, x), self.base, self.n_classes)


def spread_out(base: Floats, n: int) -> Floats:
    """The base scores of n rows: (n), or (n, n_out) where there are several outputs."""
    return np.repeat(base, n) if len(base) == 1 else np.repeat(base[None], n, axis=0)
