"""`Ledger`: one study's log and its fold. Decisions are lost when another driver was first, facts are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from seedleaf.core import (
    Body,
    Decision,
    Finish,
    History,
    Limit,
    Metrics,
    Objective,
    Resume,
    Start,
    State,
    Stop,
    Task,
    Trial,
)
from seedleaf.errors import StoreConflict, StudyError
from seedleaf.store import NewEvent, Store

Facts = Callable[[History], Sequence[NewEvent]]


class Ledger:
    """The log `name` in `store`, with `history` always the fold of what has been read of it."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.history = History.fold(store.read(name))

    def catch_up(self) -> bool:
        """Fold in what other drivers wrote. Was there anything?"""
        rows = self.store.read(self.name, self.history.seq)
        for row in rows:
            self.history.apply(row)
        return bool(rows)

    def append(self, events: Sequence[NewEvent]) -> bool:
        """Write what was decided on this very history; False, and caught up, where another driver wrote first."""
        try:
            rows = self.store.append(self.name, self.history.seq, events)
        except StoreConflict:
            self.catch_up()
            return False
        for row in rows:
            self.history.apply(row)
        return True

    def state(self, facts: Facts) -> None:
        """Write what holds whoever else writes; `facts` is asked again where another driver came in between."""
        while (events := facts(self.history)) and not self.append(events):
            continue


def event_of(decision: Decision) -> NewEvent | None:
    """A decision as the event that records it; None for Wait, which changes nothing."""
    if isinstance(decision, Start):
        body: Body = {"trial": decision.trial, "config": decision.config, "budget": decision.budget}
        return "start", body if decision.parent is None else {**body, "parent": decision.parent}
    if isinstance(decision, Resume):
        return "resume", {"trial": decision.trial, "budget": decision.budget}
    if isinstance(decision, Stop):
        return "stop", {"trial": decision.trial, "reason": decision.reason}
    return ("finish", {"reason": decision.reason}) if isinstance(decision, Finish) else None


def running_trial(history: History, trial: int) -> Trial:
    """The trial, if it is running; only of a running one can anything be told."""
    known = history.trials.get(trial)
    if known is None or known.state != State.RUNNING:
        raise StudyError(f"trial {trial} is {known.state if known else 'not known'}, not running")
    return known


def check_told(task: Task, steps: Sequence[Metrics], error: str | None) -> None:
    """StudyError unless `task` is one that was asked for, and `steps` are as many as it was to train or end in `error`."""
    if not isinstance(task, Task):
        raise StudyError(f"tell needs the task that ask() gave, got {task!r:.60}")
    wanted = task.stop - task.start
    if len(steps) > wanted or (error is None and len(steps) < wanted):
        raise StudyError(
            f"trial {task.trial} was to train steps {task.start + 1} to {task.stop}: "
            f"{wanted} mappings are needed, {len(steps)} came"
        )


def measured(
    objectives: Sequence[Objective],
    trial: int,
    after: int,
    steps: Sequence[Metrics],
    seconds: float,
    limits: Sequence[Limit] = (),
) -> list[NewEvent]:
    """The events of the steps after + 1, after + 2, …, `seconds` each.

    They end with a fail where an objective's metric is NaN or infinite. StudyError names what is missing or no number;
    `limits` are those whose metrics must be measured too.
    """
    events: list[NewEvent] = []
    for step, given in enumerate(steps, after + 1):
        # Plain floats from here on: what cannot be read as a number must not get into the log.
        metrics = {str(name): _number(str(name), value, step) for name, value in given.items()}
        for objective in objectives:
            if objective.metric not in metrics:
                names = ", ".join(metrics) or "nothing"
                raise StudyError(f"the metric {objective.metric!r} is missing; step {step} gave {names}")
            value = metrics[objective.metric]
            if not math.isfinite(value):
                reason = f"diverged: {objective.metric} is {value} at step {step}"
                return [*events, ("fail", {"trial": trial, "reason": reason})]
        for limit in limits:
            if limit.metric not in metrics:
                raise StudyError(
                    f"{limit.metric!r} has a limit, but neither costs(config) nor step {step} of the trial gives it"
                )
        events.append(
            ("measure", {"trial": trial, "step": step, "metrics": metrics, "seconds": float(seconds)})
        )
    return events


def _number(name: str, value: object, step: int) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # whatever turns into a float: numpy, a tensor of one element
    except (TypeError, ValueError):
        raise StudyError(f"the metric {name!r} is {value!r} at step {step}: a number is needed") from None
