"""Warm worker processes on this machine: one interpreter start each, replaced when one crashes, hangs or outgrows."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seedleaf.core import Measurement, Task
from seedleaf.errors import StudyError, WorkersFailed
from seedleaf.executors.base import OWN_DEVICE, Ended, Message, Report, Returned, Settings, Stepped
from seedleaf.executors.memory import hold_back
from seedleaf.executors.watch import GRACE, Fault, Watch, call_patience, fault
from seedleaf.executors.worker import Worker

STARTS = 3  # workers in a row that may be killed while they import before that is held to be no accident


class LocalExecutor:
    """`workers` processes; worker i gets the i-th of `devices` in turn. Their output goes to `log_folder`.

    `keeps_log` says whether that folder outlives the executor, so that a message may point to it.
    `poll` raises StudyError where no worker can start.
    """

    def __init__(
        self,
        settings: Settings,
        workers: int = 1,
        devices: Sequence[str] = ("cpu",),
        log_folder: Path | None = None,
        keeps_log: bool = True,
    ) -> None:
        self.settings = settings  # may be replaced between tasks: `setup` and `patience` are read at each
        self.start_seconds = 0.0  # the longest that a worker took to come up
        self._selector = selectors.DefaultSelector()
        self._watch = Watch()
        self._log_folder = log_folder
        self._keeps_log = keeps_log
        self._calls = 0
        self._killed_starts = 0  # in a row
        self._broken: StudyError | None = None  # raised once all that happened before has been reported
        self._workers: list[Worker] = []
        try:
            for i in range(max(workers, 1)):
                self._workers.append(self._start(i, devices[i % len(devices)]))
        except BaseException:
            self.close()
            raise

    # --- the protocol ---

    @property
    def peak(self) -> int:
        return self._watch.peak

    def free(self) -> int:
        return sum(w.idle for w in self._workers)

    def pids(self) -> list[int]:
        return [w.process.pid for w in self._workers]

    def submit(self, task: Task) -> None:
        worker = self._idle()
        worker.task, worker.last_sign = task, time.monotonic()
        folder = str(Path(self.settings.folder) / f"{task.trial:04d}")
        setup = dict(self.settings.setup)
        worker.send(kind="task", folder=folder, device=worker.device, setup=setup, **asdict(task))

    def call(self, function: str, **arguments: Any) -> int:
        worker = self._idle()
        self._calls += 1
        worker.call, worker.last_sign = self._calls, time.monotonic()
        until = arguments.get("deadline", self.settings.calls_until)
        worker.call_patience = call_patience(self.settings, until, self.start_seconds)
        given = {k: worker.device if v == OWN_DEVICE else v for k, v in arguments.items()}
        worker.send(kind="call", call=worker.call, function=function, arguments=given)
        return worker.call

    def stop(self, trial: int) -> None:
        for worker in self._workers:
            if worker.task and worker.task.trial == trial and worker.stopping is None:
                worker.stopping = time.monotonic()
                worker.send(kind="stop", trial=trial)

    def poll(self, timeout: float) -> list[Report]:
        reports: list[Report] = []
        for key, _ in self._selector.select(min(timeout, self._watch.every)):
            reports += self._read(key.data)
        if self._watch.due():
            reports += self._look_after()
        if self._broken is not None and not reports:
            raise self._broken
        return reports

    def share(self, memory: int | None, workers: int) -> None:
        """Go on with at most so many workers, each of which may hold `memory` bytes. Those that go must be idle."""
        self.settings = replace(self.settings, memory=memory)
        for worker in self._workers[workers:]:
            if worker.idle:
                self._hang_up(worker)
                worker.kill()
                self._workers.remove(worker)
        for worker in self._workers:
            self._hold_back(worker)

    def close(self) -> None:
        for worker in self._workers:
            self._hang_up(worker)  # the worker sees the end of the line and leaves
        for worker in self._workers:
            try:
                worker.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                worker.kill()
        self._workers = []
        self._selector.close()

    # --- workers come and go ---

    def _start(self, index: int, device: str) -> Worker:
        worker = Worker.start(index, device, self._log(index))
        self._selector.register(worker.line, selectors.EVENT_READ, worker)
        self._hold_back(worker)
        worker.send(kind="settings", settings=asdict(self.settings))
        return worker

    def _log(self, index: int) -> Path | None:
        return None if self._log_folder is None else self._log_folder / f"worker-{index}.log"

    def _hold_back(self, worker: Worker) -> None:
        # A CUDA context reserves many times what it holds.
        if self.settings.memory is not None and worker.device == "cpu":
            hold_back(worker.process.pid, self.settings.memory)

    def _idle(self) -> Worker:
        # A worker that is up is preferred to one that still imports.
        free = sorted((w for w in self._workers if w.idle), key=lambda w: (not w.ready, w.index))
        if not free:
            raise RuntimeError("no worker is free; ask free() first")
        return free[0]

    def _look_after(self) -> list[Report]:
        """Replace the workers that died, hang or hold too much."""
        reports: list[Report] = []
        held = self._watch.look(self._workers, self.settings.memory)
        for worker in list(self._workers):
            # A call is what the run cannot do without: it may take what others leave.
            mine = held[worker.index] if worker.call is None else sum(held.values()) // len(held)
            found = fault(worker, self.settings, mine) if self._broken is None else None
            if found is not None:
                reports += self._replace(worker, found)
        return reports

    def _replace(self, worker: Worker, why: Fault) -> list[Report]:
        """End the process, start another in its place, and say what became of its work."""
        worker.kill()
        reports = self._understand_all(worker, worker.last_words())
        self._hang_up(worker)
        if not worker.ready:
            self._killed_starts += 1
            ended_by_itself = (worker.process.returncode or 0) >= 0
            if self._broken is not None or ended_by_itself or self._killed_starts >= STARTS:
                self._give_up(worker, why.error or "it was stopped")
        if self._broken is None:
            self._workers[self._workers.index(worker)] = self._start(worker.index, worker.device)
        if worker.task is not None:
            reports.append(Ended(worker.task.trial, why.error, lost=why.lost))
        elif worker.call is not None:
            reports.append(Returned(worker.call, error=why.error or "stopped"))
        worker.task = worker.call = None
        return reports

    def _give_up(self, worker: Worker, reason: str) -> None:
        log = self._log(worker.index)
        hint = f"; see {log}" if log is not None and self._keeps_log else ""
        self._broken = self._broken or WorkersFailed(f"a worker could not start: {reason}{hint}")

    def _hang_up(self, worker: Worker) -> None:
        if worker.line.fileno() >= 0:
            self._selector.unregister(worker.line)
            worker.line.close()

    # --- what they say ---

    def _read(self, worker: Worker) -> list[Report]:
        messages = worker.read()
        if messages is None:
            return self._replace(worker, Fault(worker.death(), lost=True))
        return self._understand_all(worker, messages)

    def _understand_all(self, worker: Worker, messages: Sequence[Message]) -> list[Report]:
        return [report for message in messages for report in self._understand(worker, message)]

    def _understand(self, worker: Worker, message: Message) -> list[Report]:
        kind = message["kind"]
        if kind == "ready":
            worker.ready, self._killed_starts = True, 0
            self.start_seconds = max(self.start_seconds, time.monotonic() - worker.born)
        elif kind == "broken":
            self._give_up(worker, message["error"])
        elif kind == "step":
            measured = Measurement(message["step"], message["metrics"], message["seconds"])
            return [Stepped(message["trial"], measured)]
        elif kind == "ended":
            worker.task, worker.stopping = None, None
            error = self._with_bound(message.get("error"))
            return [Ended(message["trial"], error, fatal=message.get("fatal", False))]
        elif kind == "returned":
            worker.call = None
            return [Returned(message["call"], message.get("value"), self._with_bound(message.get("error")))]
        return []

    def _with_bound(self, error: str | None) -> str | None:
        """A reason with what a worker may hold, where it ran out of that."""
        if error is None or self.settings.memory is None or not error.startswith("out of memory"):
            return error
        return f"{error} (a worker may hold {self.settings.memory / 2**20:.0f} MiB)"
