"""When boosting ends, whoever grows the trees: by patience, the clock, the room in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seedleaf.errors import TrialError
from seedleaf.learners.tables.model import Effort, Rows

ROUNDS = 1_500  # the most boosting rounds
PATIENCE = 4.0  # over the rate: rounds without an improvement before it ends
PATIENT = (15, 100)  # rounds, at least and at most


class Watch:
    """Says after each round whether another is worth it: by the loss on the rows that may say when to stop; without those
    as many rounds as were asked for. `most` is what a file has room for."""

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
