"""The frozen types that every room shares: the words of a problem, of a piece of work, of a decision and of the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from seedleaf.errors import SpaceError

Value = str | int | float | bool | None
Config = dict[str, Value]
Metrics = Mapping[str, float]
Body = dict[str, Any]


class State(StrEnum):
    """A trial's state, always derived from events."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be minimised or maximised: the name of a metric and a direction.

    `tie` names a metric, to be minimised, that decides between equal values: an error counted on a few hundred images is
    often equal.
    """

    metric: str
    direction: Literal["min", "max"] = "min"
    tie: str | None = None

    def loss(self, metrics: Metrics) -> float:
        """The metric as a number to minimise; +inf where it is missing or NaN."""
        value = metrics.get(self.metric, math.nan)
        if math.isnan(value):
            return math.inf
        loss = value if self.direction == "min" else -value
        second = metrics.get(self.tie, math.nan) if self.tie else math.nan
        return loss if not math.isfinite(second) else loss + TIE * second / (1 + abs(second))


TIE = 1e-5  # weight of the second metric: less than one image in a hundred thousand


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper bound on a cost that is known from the config alone (params, MACs)."""

    metric: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What one step is called, how many steps the first rung takes, and how many are a full training."""

    name: str
    low: int
    high: int
    eta: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise SpaceError(
                f'Fidelity needs the name of a step first, as Fidelity("epoch", 1, 27), got {self.name!r}'
            )
        for name, value in (("low", self.low), ("high", self.high), ("eta", self.eta)):
            if not isinstance(value, Integral):
                raise SpaceError(f"Fidelity needs whole numbers, got {name}={value!r}")
        if not 1 <= self.low <= self.high:
            raise SpaceError(f"Fidelity needs 1 <= low <= high, got low={self.low}, high={self.high}")
        if self.eta < 2:
            raise SpaceError(f"Fidelity needs eta >= 2, got {self.eta}")

    @property
    def rungs(self) -> tuple[int, ...]:
        """The steps at which trials are compared: low, low·eta, … and always high."""
        steps = [self.low]
        while steps[-1] * self.eta < self.high:
            steps.append(steps[-1] * self.eta)
        # A last rung that lies close to the full budget is left out: comparing twice there decides nothing.
        if len(steps) > 1 and steps[-1] * 1.5 > self.high:
            steps.pop()
        return (*steps, self.high) if steps[-1] != self.high else tuple(steps)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one step of one trial gave. `seconds` is the wall time of that step alone; `at` when it was logged, if it was."""

    step: int
    metrics: Metrics
    seconds: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work handed out: train `config` from step `start` (exclusive) to `stop` (inclusive).

    `full` is the budget of a full training, the horizon of schedules. `parent` is the trial to take weights from, if any.
    """

    trial: int
    config: Config
    start: int
    stop: int
    full: int = 1
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a trial function gets beside its config.

    It yields one Measurement (or mapping of metrics) per step from `start` + 1 to `stop`; before it yields it has saved
    in `folder` what it needs to go on from that step. `full` is the budget of a full training, the horizon of
    schedules. `setup` is plain JSON that is the same for every trial of the study (say, where the data lies).
    `deadline` is wall time in seconds since the epoch by which the work must end, where there is one. `parent` is the folder
    of the trial whose weights this one may begin with.
    """

    trial: int
    start: int
    stop: int
    full: int
    seed: int
    folder: Path
    device: str = "cpu"
    setup: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    parent: Path | None = None


# --- decisions: what a scheduler may answer ---


@dataclass(frozen=True, slots=True)
class Start:
    trial: int
    config: Config
    budget: int
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    trial: int
    budget: int


@dataclass(frozen=True, slots=True)
class Stop:
    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to hand out until a running trial reports."""


@dataclass(frozen=True, slots=True)
class Finish:
    reason: str


Decision = Start | Resume | Stop | Wait | Finish


# --- the log ---

DECISIONS = frozenset({"start", "resume", "stop"})
KINDS = DECISIONS | {"study", "queue", "measure", "fail", "release", "finish", "note"}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log. `at` is seconds since the epoch; `body` is plain JSON.

    study {problem…} · queue {trial, config, budget?, parent?} · start {trial, config, budget, parent?} ·
    resume {trial, budget} · stop {trial, reason} · measure {trial, step, metrics, seconds} ·
    fail {trial, reason} · release {trial, reason}: its worker is gone, the trial waits at its last step ·
    finish {reason} · note {name, …}: what the run wants to remember beside the trials
    """

    seq: int
    at: float
    kind: str
    body: Body
