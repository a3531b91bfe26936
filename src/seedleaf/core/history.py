"""`Trial` and `History.fold`: a study's state is a fold of its log, nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from seedleaf.core.types import DECISIONS, Body, Config, Event, Measurement, Metrics, State, Value


@dataclass(slots=True)
class Trial:
    """One config and all that is known of it. Read it; only `History.apply` writes it."""

    id: int
    config: Config
    state: State = State.QUEUED
    budget: int = 0
    parent: int | None = None
    measurements: list[Measurement] = field(default_factory=list)
    reason: str = ""
    lost: int = 0  # workers lost since its last step
    given: bool = False  # somebody queued it; no sampler proposed it
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def step(self) -> int:
        """The last step measured; 0 before the first."""
        return self.measurements[-1].step if self.measurements else 0

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return sum(m.seconds for m in self.measurements)

    @property
    def metrics(self) -> Metrics:
        """The metrics of the last step; empty before the first."""
        return self.measurements[-1].metrics if self.measurements else {}

    def at(self, step: int) -> Metrics | None:
        """The metrics at exactly `step`, or None."""
        index = step - self.measurements[0].step if self.measurements else -1
        if 0 <= index < len(self.measurements) and self.measurements[index].step == step:
            return self.measurements[index].metrics
        return next((m.metrics for m in self.measurements if m.step == step), None)


def config_key(config: Mapping[str, Value]) -> str:
    """A text that two configs share exactly when they are equal."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"))


class History:
    """The fold of a log, with views. Samplers and schedulers read it; the study alone applies events to it."""

    def __init__(self) -> None:
        self.header: Body = {}
        self.trials: dict[int, Trial] = {}
        self.notes: list[Body] = []
        self.seq = 0
        self.told: list[tuple[int, int]] = []  # (trial, step) of every measurement, in the order of the log
        self.n_decisions = 0
        self.seen: set[str] = set()
        # Derived values that a sampler wants to keep between decisions. Nothing may depend on its being filled.
        # A history belongs to one problem: a study that is opened for another folds its log anew.
        self.memo: dict[str, Any] = {}
        self.finished: str | None = None
        self.updated = 0.0  # when the last event was written, in seconds since the epoch
        self.dropped = 0  # measurements that no longer stand, because their trial failed
        self._by_state: dict[State, dict[int, Trial]] = {s: {} for s in State}
        self._interrupted: dict[int, Trial] = {}
        self._at_step: dict[int, dict[int, Metrics]] = {}

    @classmethod
    def fold(cls, events: Iterable[Event]) -> History:
        """The state that a log describes."""
        history = cls()
        for event in events:
            history.apply(event)
        return history

    @property
    def full(self) -> int:
        """The budget of a full training; 1 where the study has no fidelity."""
        fidelity = self.header.get("fidelity")
        return int(fidelity["high"]) if fidelity else 1

    @property
    def next_trial(self) -> int:
        return len(self.trials)

    def in_state(self, *states: State) -> Iterator[Trial]:
        for state in states:
            yield from self._by_state[state].values()

    def not_running(self, trials: set[int]) -> set[int]:
        """Those of `trials` that are not running: one look in C, for drivers that hold a thousand."""
        return trials.difference(self._by_state[State.RUNNING])

    def queued(self) -> list[Trial]:
        return list(self._by_state[State.QUEUED].values())

    def running(self) -> list[Trial]:
        return list(self._by_state[State.RUNNING].values())

    def paused(self) -> list[Trial]:
        return list(self._by_state[State.PAUSED].values())

    def interrupted(self) -> list[Trial]:
        """Paused trials whose worker was lost before they reached their budget."""
        return list(self._interrupted.values())

    def completed(self) -> list[Trial]:
        """Trials that reached the full budget."""
        return list(self._by_state[State.DONE].values())

    def at(self, step: int) -> Mapping[int, Metrics]:
        """trial -> metrics, for every trial measured at exactly `step` and not failed since."""
        return self._at_step.get(step, {})

    def newest_at(self, step: int, n: int) -> Iterator[tuple[int, Metrics]]:
        """(trial, metrics) of the last `n` that were measured at exactly `step`, newest first."""
        return islice(reversed(self._at_step.get(step, {}).items()), n)

    def steps_measured(self) -> list[int]:
        """The steps at which at least one trial stands measured, ascending."""
        return sorted(s for s, rows in self._at_step.items() if rows)

    # --- folding ---

    def apply(self, event: Event) -> None:
        """Fold one more event in. Unknown kinds are kept out of the state, so that old code reads new logs."""
        if event.seq != self.seq + 1:
            raise ValueError(f"the log has a gap: event {event.seq} follows {self.seq}")
        self.seq, self.updated = event.seq, event.at
        if event.kind in DECISIONS:
            self.n_decisions += 1
            self.finished = None
        handler = _FOLDS.get(event.kind)
        if handler:
            handler(self, event)

    def _move(self, trial: Trial, state: State) -> None:
        self._by_state[trial.state].pop(trial.id, None)
        trial.state = state
        self._by_state[state][trial.id] = trial
        self._interrupted.pop(trial.id, None)
        if state == State.PAUSED and trial.step < trial.budget:
            self._interrupted[trial.id] = trial

    def _study(self, event: Event) -> None:
        self.header = event.body

    def _queue(self, event: Event) -> None:
        body = event.body
        trial = Trial(
            body["trial"],
            dict(body["config"]),
            budget=int(body.get("budget") or 0),
            parent=body.get("parent"),
            given=event.kind == "queue",
        )
        self.trials[trial.id] = trial
        self.seen.add(config_key(trial.config))
        self._move(trial, State.QUEUED)

    def _start(self, event: Event) -> None:
        if event.body["trial"] not in self.trials:
            self._queue(event)
        trial = self.trials[event.body["trial"]]
        trial.started_at = event.at
        self._resume(event)

    def _resume(self, event: Event) -> None:
        trial = self.trials[event.body["trial"]]
        trial.budget = int(event.body["budget"])
        self._move(trial, State.RUNNING)

    def _stop(self, event: Event) -> None:
        self._end(event, State.STOPPED)

    def _fail(self, event: Event) -> None:
        trial = self._end(event, State.FAILED)
        for m in trial.measurements:
            self.dropped += self._at_step[m.step].pop(trial.id, None) is not None

    def _end(self, event: Event, state: State) -> Trial:
        trial = self.trials[event.body["trial"]]
        trial.reason, trial.ended_at = str(event.body.get("reason", "")), event.at
        self._move(trial, state)
        return trial

    def _release(self, event: Event) -> None:
        trial = self.trials[event.body["trial"]]
        trial.lost += int(event.body.get("lost", True))
        self._move(trial, State.PAUSED)

    def _measure(self, event: Event) -> None:
        body = event.body
        trial = self.trials[body["trial"]]
        metrics = {k: math.nan if v is None else float(v) for k, v in body["metrics"].items()}
        trial.measurements.append(
            Measurement(int(body["step"]), metrics, float(body.get("seconds", 0.0)), event.at)
        )
        trial.ended_at, trial.lost = event.at, 0
        self.told.append((trial.id, trial.step))
        rows = self._at_step.setdefault(trial.step, {})
        self.dropped += rows.pop(trial.id, None) is not None
        rows[trial.id] = metrics
        if trial.step >= trial.budget:
            self._move(trial, State.DONE if trial.step >= self.full else State.PAUSED)

    def _finish(self, event: Event) -> None:
        self.finished = str(event.body["reason"])

    def _note(self, event: Event) -> None:
        self.notes.append(event.body)

    def note(self, name: str) -> Body | None:
        """The latest note of that name."""
        return next((n for n in reversed(self.notes) if n.get("name") == name), None)


_FOLDS = {
    "study": History._study,
    "queue": History._queue,
    "start": History._start,
    "resume": History._resume,
    "stop": History._stop,
    "measure": History._measure,
    "fail": History._fail,
    "release": History._release,
    "finish": History._finish,
    "note": History._note,
}
