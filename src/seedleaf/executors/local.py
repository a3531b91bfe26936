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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from seedleaf.core import Measurement, Task
from seedleaf.errors import StudyError
from seedleaf.executors.base import OWN_DEVICE, Ended, Report, Returned, Settings, Stepped

# One thread each: two intra-op threads beside a busy process made a step up to 30 times slower, because the threads of
# OpenMP spin while they wait. Passive waiting keeps that from happening where a worker is later given more threads.
ONE_THREAD = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
ONE_THREAD["OMP_WAIT_POLICY"] = "passive"
GRACE = 3.0  # seconds that a worker has to abandon its step before it is killed
WATCH_EVERY = 0.5  # seconds between looks at the clocks and the memory of the workers
START_PATIENCE = 300.0  # seconds that a worker may take to import; a cold disk takes a minute
STARTS = 3  # workers in a row that may be killed while they import before that is held to be no accident
CALL_PATIENCE = 5.0  # a call may take as long as so many steps


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
        given = {k: worker.device if v == OWN_DEVICE else v for k, v in arguments.items()}
        _send(worker, kind="call", call=worker.call, function=function, arguments=given)
        return worker.call

    def stop(self, trial: int) -> None:
        for worker in self._workers:
            if worker.task and worker.task.trial == trial and worker.stopping is None:
                worker.stopping = time.monotonic()
                _send(worker, kind="stop", trial=trial)

    def poll(self, timeout: float) -> list[Report]:
        reports: list[Report] = []
        for key, _ in self._selector.select(min(timeout, WATCH_EVERY)):
            reports += self._read(key.data)
        if time.monotonic() - self._watched >= WATCH_EVERY:
            self._watched = time.monotonic()
            for worker in list(self._workers):
                reports += self._watch(worker)
        if self._broken is not None and not reports:
            raise self._broken
        return reports

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
            return [Ended(message["trial"], message.get("error"), fatal=message.get("fatal", False))]
        elif kind == "returned":
            worker.call = None
            return [Returned(message["call"], message.get("value"), message.get("error"))]
        return []

    def _watch(self, worker: Worker) -> list[Report]:
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
        if worker.call is not None and quiet > CALL_PATIENCE * patience:
            return self._replace(worker, f"hung: no answer in {quiet:.0f} s")
        if worker.task is None:
            return []
        if quiet > patience:
            return self._replace(worker, f"hung: no step finished in {quiet:.0f} s")
        held = _resident(worker.process.pid)
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


def _resident(pid: int) -> int:
    """Resident bytes of a process that no file backs (all share the mapped images); 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
