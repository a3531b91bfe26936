"""Workers on a virtual clock: a thousand of them, with stragglers and losses, run in seconds of real time.

`Study.run` drives it as it drives real workers. Time moves only in `poll`, to the next instant at which anything
happens, so what deciding costs does not count and a run is the same on every machine. Asynchronous schedulers are
compared like this in Li et al. 2020 (MLSys) and in Syne Tune (Salinas et al. 2022, AutoML-Conf).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from seedleaf.core import Config, Measurement, Metrics, Task
from seedleaf.errors import TrialError
from seedleaf.executors.base import Ended, Report, Returned, Stepped
from seedleaf.seeds import seed_for

Seconds = Callable[[Config, int, int], float]  # (config, step, trial) -> how long that step takes
Evaluate = Callable[
    [Config, int, int, int], Sequence[Metrics]
]  # (config, start, stop, trial) -> start + 1 … stop


@dataclass(frozen=True, slots=True)
class Luck:
    """What goes wrong: the chances, at every step, that it ends in an error or that its worker is lost.

    A lost worker is back after `restart` virtual seconds. All is drawn by name (trial, attempt, step), so the luck of a
    trial is the same whatever else runs.
    """

    fail: float = 0.0
    lose: float = 0.0
    restart: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.fail <= 1 and 0 <= self.lose <= 1 and self.restart >= 0):
            raise ValueError(f"Luck needs chances between 0 and 1 and a restart of 0 s or more, got {self}")

    def strikes(self, what: str, chance: float, *names: int) -> bool:
        return chance > 0 and _uniform(self.seed, what, *names) < chance


def stragglers(
    seconds: Seconds, *, share: float = 0.05, tail: float = 1.2, most: float = 100.0, seed: int = 0
) -> Seconds:
    """`seconds`, but a `share` of all steps takes a Pareto(`tail`) factor longer, at most `most` times.

    With a tail index near 1 the slowest of a thousand steps takes longer than all others of its rung together.
    """

    def slowed(config: Config, step: int, trial: int) -> float:
        usual = seconds(config, step, trial)
        if _uniform(seed, "slow", trial, step) >= share:
            return usual
        factor = (1 - _uniform(seed, "how slow", trial, step)) ** (-1 / tail)
        return usual * min(float(factor), most)

    return slowed


@dataclass(slots=True)
class _Work:
    """One task on one worker. `event` is the number of the one event of it that counts."""

    task: Task
    metrics: Sequence[Metrics]
    attempt: int
    began: float
    step: int
    taking: float = 0.0  # seconds of the step under way
    event: int = 0
    stopped: bool = False


class SimExecutor:
    """`workers` that train nothing: `seconds` says how long each step takes, `evaluate` what it measures.

    `poll` gives all that happens at the next virtual instant and waits for nothing. `now` is the virtual time in
    seconds. A TrialError out of `evaluate` fails the trial at once; any other error is the caller's own and is raised.
    """

    def __init__(self, workers: int, seconds: Seconds, evaluate: Evaluate, luck: Luck | None = None) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.workers = workers
        self.now = 0.0
        self.steps = 0  # finished so far
        self._seconds, self._evaluate, self._luck = seconds, evaluate, luck or Luck()
        self._works: dict[int, _Work] = {}
        self._away = 0  # workers that were lost and are not back, or answer a call
        self._attempts: dict[int, int] = {}
        self._events: list[tuple[float, int, _Work | Returned | Ended | None]] = []
        self._numbered = 0
        self._calls = 0
        self._busy = 0.0  # of the tasks that are over
        self._began = 0.0  # sum of the starts of those that are not

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent on tasks so far, lost steps included."""
        return self._busy + len(self._works) * self.now - self._began

    @property
    def utilisation(self) -> float:
        """`busy_seconds` as a part of the time of all workers; 1 before the clock moves."""
        return self.busy_seconds / (self.workers * self.now) if self.now else 1.0

    # --- the protocol ---

    def free(self) -> int:
        return self.workers - len(self._works) - self._away

    def submit(self, task: Task) -> None:
        self._take_worker()
        if task.trial in self._works:
            raise RuntimeError(f"trial {task.trial} is being trained already")
        attempt = self._attempts[task.trial] = self._attempts.get(task.trial, 0) + 1
        try:
            metrics = self._evaluate(task.config, task.start, task.stop, task.trial)
        except TrialError as error:
            self._away += 1
            self._at(self.now, Ended(task.trial, str(error)))
            return
        if len(metrics) != task.stop - task.start:
            raise ValueError(
                f"evaluate gave {len(metrics)} mappings for steps {task.start + 1} to {task.stop}"
            )
        work = self._works[task.trial] = _Work(task, metrics, attempt, self.now, task.start)
        self._began += self.now
        self._next_step(work)

    def call(self, function: str, **arguments: Any) -> int:
        """The function runs here and at once; its value comes with the next poll and takes no virtual time."""
        self._take_worker()
        self._calls += 1
        module, _, name = function.partition(":")
        try:
            value = getattr(importlib.import_module(module), name)(**arguments)
            returned = Returned(self._calls, value)
        except Exception as error:  # whatever it raises is its caller's to hear of
            returned = Returned(self._calls, error=f"{type(error).__name__}: {error}")
        self._away += 1
        self._at(self.now, returned)
        return self._calls

    def stop(self, trial: int) -> None:
        work = self._works.get(trial)
        if work is not None and not work.stopped:
            work.stopped = True
            work.event = self._at(self.now, work)

    def poll(self, timeout: float) -> list[Report]:
        """All that happens at the next instant at which anything does; nothing where nothing is under way."""
        while self._events and _void(self._events[0]):
            heappop(self._events)
        if not self._events:
            return []
        self.now = self._events[0][0]
        reports: list[Report] = []
        while self._events and self._events[0][0] == self.now:
            event = heappop(self._events)
            if not _void(event):
                reports += self._happen(event[2])
        return reports

    def close(self) -> None:
        self._works.clear()
        self._events.clear()
        self._began = 0.0

    # --- what happens ---

    def _happen(self, what: _Work | Returned | Ended | None) -> list[Report]:
        if isinstance(what, _Work):
            return self._end(what) if what.stopped else self._step_over(what)
        self._away -= 1
        return [] if what is None else [what]

    def _step_over(self, work: _Work) -> list[Report]:
        trial, step = work.task.trial, work.step + 1
        if self._luck.strikes("lose", self._luck.lose, trial, work.attempt, step):
            self._away += 1
            self._at(self.now + self._luck.restart, None)
            return self._end(work, "its worker was lost", lost=True)
        if self._luck.strikes("fail", self._luck.fail, trial, work.attempt, step):
            return self._end(work, f"failed at step {step}")
        self.steps += 1
        work.step = step
        metrics = work.metrics[step - work.task.start - 1]
        stepped: list[Report] = [Stepped(trial, Measurement(step, metrics, work.taking))]
        if step == work.task.stop:
            return stepped + self._end(work)
        self._next_step(work)
        return stepped

    def _next_step(self, work: _Work) -> None:
        taking = self._seconds(work.task.config, work.step + 1, work.task.trial)
        if not (taking >= 0 and math.isfinite(taking)):
            raise ValueError(f"step {work.step + 1} of trial {work.task.trial} cannot take {taking} seconds")
        work.taking = taking
        work.event = self._at(self.now + taking, work)

    def _end(self, work: _Work, error: str | None = None, lost: bool = False) -> list[Report]:
        del self._works[work.task.trial]
        self._busy += self.now - work.began
        self._began -= work.began
        return [Ended(work.task.trial, error, lost=lost)]

    def _at(self, time: float, what: _Work | Returned | Ended | None) -> int:
        self._numbered += 1
        heappush(self._events, (time, self._numbered, what))
        return self._numbered

    def _take_worker(self) -> None:
        if self.free() < 1:
            raise RuntimeError("no worker is free; ask free() first")


def _void(event: tuple[float, int, _Work | Returned | Ended | None]) -> bool:
    """Whether another event of the same work has taken this one's place."""
    work = event[2]
    return isinstance(work, _Work) and work.event != event[1]


def _uniform(seed: int, *names: str | int) -> float:
    """A number in [0, 1) that depends on the names alone."""
    return (seed_for(seed, "sim", *names) >> 10) / 2.0**53
