"""Which trial is the best: one rule for whoever decides, reports or shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from seedleaf.core.history import History, Trial
from seedleaf.core.types import Objective, State


def incumbent(
    history: History,
    objective: Objective,
    keeps: Callable[[Trial], bool] = lambda trial: True,
    trials: Iterable[Trial] | None = None,
) -> Trial | None:
    """Of `trials` (all that have not failed) the lowest loss at its last step, the deeper on ties, then the older.

    Only those that `keeps` says keep the limits count; None where none has a finite loss.
    """
    if trials is None:
        trials = history.in_state(State.DONE, State.PAUSED, State.RUNNING, State.STOPPED)
    rows = ((objective.loss(t.metrics), -t.step, t.id, t) for t in trials if t.measurements and keeps(t))
    best = min((row for row in rows if row[0] < math.inf), default=None, key=lambda row: row[:3])
    return None if best is None else best[3]


def objective_of(history: History) -> Objective:
    """The study's first objective as its log names it; the error where it names none."""
    first = (history.header.get("objectives") or [{"metric": "error"}])[0]
    return Objective(
        str(first["metric"]), "max" if first.get("direction") == "max" else "min", first.get("tie")
    )
