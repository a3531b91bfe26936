"""Warm worker processes on this machine: one interpreter start each, replaced when one crashes, hangs or outgrows."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from seedleaf.core import Measurement, Task
from seedleaf.errors import StudyError
from seedleaf.executors.base import OWN_DEVICE, Ended, Report, Returned, Settings, Stepped
from seedleaf.executors.memory import hold_back, resident

# One thread each: two intra-op threads beside a busy process made a step up to 30 times slower, because the threads of
# OpenMP spin while they wait. Passive waiting keeps that from happening where a worker is later given more threads.
ONE_THREAD = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
ONE_THREAD["OMP_WAIT_POLICY"] = "passive"
GRACE = 3.0  # seconds that a worker has to abandon its step before it is killed
WATCH_EVERY = 0.5  # seconds between looks at the clocks and the memory of the workers
WATCH_CLOSELY = 0.1  # the same while one of them holds more than CLOSE of what it may
CLOSE = 0.6
START_PATIENCE = 300.0  # seconds that a worker may take to import; a cold disk takes a minute
STARTS = 3  # workers in a row that may be killed while they import before that is held to be no accident
CALL_PATIENCE = 5.0  # a call that nobody set a time may take as long as so many steps
LATE = 20.0  # seconds that a call may be late, however short the run


@dataclass(slots=True)
class Worker:
    """One process and what it is doing now."""

    index: int
    device: str
    process: subprocess.Popen[bytes]
    line: socket.socket
    unread: bytes = b""
    task: Task | None = None
    call: int | None = None
    call_patience: float = 0.0  # seconds that the call may take
    ready: bool = False
    last_sign: float = field(default_factory=time.monotonic)
    stopping: float | None = None
    born: float = field(default_factory=time.monotonic)

    @property
    def idle(self) -> bool:
        return self.task is None and self.call is None


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
        self._selector = selectors.DefaultSelector()
        self._log_folder = log_folder
        self._keeps_log = keeps_log
        self._calls = 0
        self._watched = 0.0
        self._watch_every = WATCH_EVERY
        self.peak = 0  # the most bytes that this process and its workers were seen to hold together
        self.start_seconds = 0.0  # the longest that a worker took to come up
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

    def free(self) -> int:
        return sum(w.idle for w in self._workers)

    def pids(self) -> list[int]:
        return [w.process.pid for w in self._workers]

    def submit(self, task: Task) -> None:
        worker = self._idle()
        worker.task, worker.last_sign = task, time.monotonic()
        folder = str(Path(self.settings.folder) / f"{task.trial:04d}")
        setup = dict(self.settings.setup)
        _send(worker, kind="task", folder=folder, device=worker.device, setup=setup, **asdict(task))

    def call(self, function: str, **arguments: Any) -> int:
        worker = self._idle()
        self._calls += 1
        worker.call, worker.last_sign = self._calls, time.monotonic()
        worker.call_patience = self._call_patience(arguments.get("deadline", self.settings.calls_until))
        given = {k: worker.device if v == OWN_DEVICE else v for k, v in arguments.items()}
        _send(worker, kind="call", call=worker.call, function=function, arguments=given)
        return worker.call

    def _call_patience(self, until: float | None) -> float:
        if until is None:
            return CALL_PATIENCE * self.settings.patience
        # A machine on which workers are slow to start is slow to answer; and the last step of a long run may be long.
        late = max(LATE, 4 * self.start_seconds, 0.2 * self.settings.patience)
        return max(until - time.time(), 0.0) + late

    def stop(self, trial: int) -> None:
        for worker in self._workers:
            if worker.task and worker.task.trial == trial and worker.stopping is None:
                worker.stopping = time.monotonic()
                _send(worker, kind="stop", trial=trial)

    def poll(self, timeout: float) -> list[Report]:
        reports: list[Report] = []
        for key, _ in self._selector.select(min(timeout, self._watch_every)):
            reports += self._read(key.data)
        if time.monotonic() - self._watched >= self._watch_every:
            self._watched = time.monotonic()
            held = {w.index: resident(w.process.pid) for w in self._workers}
            self.peak = max(self.peak, resident() + sum(held.values()))
            near = max(held.values(), default=0) > CLOSE * (self.settings.memory or float("inf"))
            self._watch_every = WATCH_CLOSELY if near else WATCH_EVERY
            for worker in list(self._workers):
                # A call is what the run cannot do without: it may take what others leave.
                mine = held[worker.index]
                reports += self._watch(
                    worker, mine if worker.call is None else sum(held.values()) // len(held)
                )
        if self._broken is not None and not reports:
            raise self._broken
        return reports

    def share(self, memory: int | None, workers: int) -> None:
        """Go on with at most so many workers, each of which may hold `memory` bytes. Those that go must be idle."""
        self.settings = replace(self.settings, memory=memory)
        for worker in self._workers[workers:]:
            if worker.idle:
                self._hang_up(worker)
                _kill(worker.process)
                self._workers.remove(worker)
        for worker in self._workers:
            self._hold_back(worker)

    def _hold_back(self, worker: Worker) -> None:
        # A CUDA context reserves many times what it holds.
        if self.settings.memory is not None and worker.device == "cpu":
            hold_back(worker.process.pid, self.settings.memory)

    def close(self) -> None:
        for worker in self._workers:
            self._hang_up(worker)  # the worker sees the end of the line and leaves
        for worker in self._workers:
            try:
                worker.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _kill(worker.process)
        self._workers = []
        self._selector.close()

    # --- workers ---

    def _start(self, index: int, device: str) -> Worker:
        ours, theirs = socket.socketpair()
        # -P: the working directory is looked into only where the driver looks into it as well.
        command = [
            sys.executable,
            "-P",
            "-X",
            "faulthandler",
            "-m",
            "seedleaf.executors.child",
            str(theirs.fileno()),
        ]
        paths = os.pathsep.join(p or os.getcwd() for p in sys.path)
        try:
            with self._log(index) as log:
                process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log or 2,
                    stderr=log,
                    env={**os.environ, **ONE_THREAD, "PYTHONPATH": paths},
                    start_new_session=True,  # Ctrl-C is for the driver, which then ends its workers in order
                )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(index, device, process, ours)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        self._hold_back(worker)
        _send(worker, kind="settings", settings=asdict(self.settings))
        return worker

    @contextmanager
    def _log(self, index: int) -> Iterator[IO[bytes] | None]:
        if self._log_folder is None:
            yield None
            return
        self._log_folder.mkdir(parents=True, exist_ok=True)
        with (self._log_folder / f"worker-{index}.log").open("ab") as log:
            yield log

    def _idle(self) -> Worker:
        # A worker that is up is preferred to one that still imports.
        free = sorted((w for w in self._workers if w.idle), key=lambda w: (not w.ready, w.index))
        if not free:
            raise RuntimeError("no worker is free; ask free() first")
        return free[0]

    def _read(self, worker: Worker) -> list[Report]:
        try:
            data = worker.line.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return self._replace(worker, _death(worker.process), lost=True)
        worker.last_sign = time.monotonic()
        return self._take(worker, data)

    def _take(self, worker: Worker, data: bytes) -> list[Report]:
        *lines, worker.unread = (worker.unread + data).split(b"\n")
        return [r for line in lines for r in self._understand(worker, json.loads(line))]

    def _understand(self, worker: Worker, message: dict[str, Any]) -> list[Report]:
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

    def _watch(self, worker: Worker, held: int) -> list[Report]:
        if self._broken is not None:
            return []
        now = time.monotonic()
        quiet = now - worker.last_sign
        patience = self.settings.patience
        if worker.process.poll() is not None:  # a process that it had started may still hold the line open
            return self._replace(worker, _death(worker.process), lost=True)
        if worker.stopping is not None and now - worker.stopping > GRACE:
            return self._replace(worker, None)
        if not worker.ready:
            slow = quiet > max(START_PATIENCE, patience)
            return self._replace(worker, f"it was not ready in {quiet:.0f} s", lost=True) if slow else []
        if worker.call is not None and quiet > worker.call_patience:
            return self._replace(worker, f"hung: no answer in {quiet:.0f} s")
        if worker.task is not None and quiet > patience:
            return self._replace(worker, f"hung: no step finished in {quiet:.0f} s")
        if worker.idle:
            return []
        if self.settings.memory is not None and held > self.settings.memory:
            limit = self.settings.memory / 2**20
            return self._replace(worker, f"memory: the worker held {held / 2**20:.0f} MiB, over {limit:.0f}")
        return []

    def _replace(self, worker: Worker, error: str | None, lost: bool = False) -> list[Report]:
        """End the process, start another in its place, and say what became of its work."""
        _kill(worker.process)
        reports = self._last_words(worker)
        self._hang_up(worker)
        if not worker.ready:
            self._killed_starts += 1
            ended_by_itself = (worker.process.returncode or 0) >= 0
            if self._broken is not None or ended_by_itself or self._killed_starts >= STARTS:
                self._give_up(worker, error or "it was stopped")
        if self._broken is None:
            self._workers[self._workers.index(worker)] = self._start(worker.index, worker.device)
        if worker.task is not None:
            reports.append(Ended(worker.task.trial, error, lost=lost))
        elif worker.call is not None:
            reports.append(Returned(worker.call, error=error or "stopped"))
        worker.task = worker.call = None
        return reports

    def _last_words(self, worker: Worker) -> list[Report]:
        """What a process that is gone had still written down."""
        reports: list[Report] = []
        try:
            worker.line.setblocking(False)
            while data := worker.line.recv(1 << 16):
                reports += self._take(worker, data)
        except OSError:
            pass
        return reports

    def _give_up(self, worker: Worker, reason: str) -> None:
        hint = ""
        if self._log_folder is not None and self._keeps_log:
            hint = f"; see {self._log_folder / f'worker-{worker.index}.log'}"
        self._broken = self._broken or StudyError(f"a worker could not start: {reason}{hint}")

    def _hang_up(self, worker: Worker) -> None:
        if worker.line.fileno() >= 0:
            self._selector.unregister(worker.line)
            worker.line.close()


def _send(worker: Worker, **message: Any) -> None:
    try:
        worker.line.sendall((json.dumps(message) + "\n").encode())
    except OSError:
        pass  # it died just now: reading from it will say so


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and whatever it has started: it leads a process group of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _death(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(1.0)
    except subprocess.TimeoutExpired:
        return "its worker closed the line"
    if code < 0:
        return f"its worker was killed by {_signal_name(-code)}"
    return f"its worker ended with code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
