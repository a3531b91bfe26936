"""What families of boosted trees from other packages share: when to stop, and the model that comes of their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables.boosting import PATIENCE, PATIENT, ROUNDS, answer_graph, answered
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Matrix, Rows

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


class Watch:
    """Says after each round whether another is worth it, as `Boosting` does: by the loss on the rows that may say when to
    stop; without those as many rounds as were asked for."""

    def __init__(self, own: Mapping[str, Any], valid: Rows | None, most: int, effort: Effort) -> None:
        blind = effort.rounds is not None or valid is None
        self.valid = None if blind else valid
        self.effort, self.done, self.best, self.loss = effort, 0, 0, np.inf
        self.most = max(min(ROUNDS, most), 2 if effort.room is None else 1)
        if blind:
            self.most = min(effort.rounds or 100, self.most)
        low, high = PATIENT
        self.patience = int(np.clip(PATIENCE / float(own["rate"]), low, high))

    def more(self) -> bool:
        """Is there to be another round?"""
        waiting = self.valid is None or self.done - self.best < self.patience
        return self.done < self.most and waiting and (self.done == 0 or self.effort.left() > 0)

    def told(self, loss: float | None) -> bool:
        """A round is over, after which the loss is this: is there to be another?"""
        self.done += 1
        if loss is None or loss < self.loss - 1e-6:
            self.best, self.loss = self.done, np.inf if loss is None else loss
        return self.more()

    def rounds(self) -> int:
        """How many rounds are kept. TrialError where none was any good."""
        if not self.best:
            raise TrialError("diverged: the loss of the first trees is not finite")
        return self.best


def spread_out(base: Floats, n: int) -> Floats:
    """The base scores of n rows: (n), or (n, n_out) where there are several outputs."""
    return np.repeat(base, n) if len(base) == 1 else np.repeat(base[None], n, axis=0)
