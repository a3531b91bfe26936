"""Which trial is the best: one rule for whoever decides, reports or shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from seedleaf.core.history import History, Trial
from seedleaf.core.types import Objective, State

FOLD = "fold"  # what a step of a trial on a table is called
SCORED = (State.DONE, State.PAUSED, State.RUNNING, State.STOPPED)  # a failed trial is never the best


def order(objective: Objective, trial: Trial) -> tuple[float, int, int]:
    """The key that puts the better trial first: the lowest loss at its last step, the deeper on ties, then the older."""
    return objective.loss(trial.metrics), -trial.step, trial.id


def incumbent(
    history: History,
    objective: Objective,
    keeps: Callable[[Trial], bool] = lambda trial: True,
    trials: Iterable[Trial] | None = None,
) -> Trial | None:
    """Of `trials` (all that have not failed) the first by `order`.

    Only those that `keeps` says keep the limits count; None where none has a finite loss.
    """
    if trials is None:
        trials = history.in_state(*SCORED)
    rows = ((order(objective, t), t) for t in trials if t.measurements and keeps(t))
    best = min((row for row in rows if row[0][0] < math.inf), default=None, key=lambda row: row[0])
    return None if best is None else best[1]


def objectives_of(history: History) -> tuple[Objective, ...]:
    """The study's objectives as its log names them; the error where it names none."""
    listed = history.header.get("objectives") or [{"metric": "error"}]
    return tuple(
        Objective(str(o["metric"]), "max" if o.get("direction") == "max" else "min", o.get("tie"))
        for o in listed
    )


def objective_of(history: History) -> Objective:
    """The study's first objective."""
    return objectives_of(history)[0]


def keeps_logged_limits(history: History, trial: Trial) -> bool:
    """Whether the trial keeps the limits, as far as the log alone tells: one that was not measured counts as kept."""
    limits = history.header.get("limits") or ()
    return all(trial.metrics.get(str(x["metric"]), -math.inf) <= float(x["at_most"]) for x in limits)


def best_logged(history: History) -> Trial | None:
    """The incumbent by the log alone: what a report or a view of a run in any state calls the best.

    Where steps are folds, of those only that were judged on the most folds: a mean over one fold that happened to be easy
    is no match for a mean over five.
    """
    objective = objective_of(history)
    if (history.header.get("fidelity") or {}).get("name") != FOLD:
        return incumbent(history, objective, lambda trial: keeps_logged_limits(history, trial))
    able = [t for t in history.in_state(*SCORED) if keeps_logged_limits(history, t)]
    able = [t for t in able if t.measurements and objective.loss(t.metrics) < math.inf]
    most = max((t.step for t in able), default=0)
    return incumbent(history, objective, trials=[t for t in able if t.step == most])
