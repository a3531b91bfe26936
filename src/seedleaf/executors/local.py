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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from seedleaf.core import Measurement, Task
from seedleaf.errors import StudyError
from seedleaf.executors.base import Ended, Report, Returned, Settings, Stepped

# One thread each: two intra-op threads beside a busy process made a step up to 30 times slower, because the threads of
# OpenMP spin while they wait. Passive waiting keeps that from happening where a worker is later given more threads.
ONE_THREAD = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
ONE_THREAD["OMP_WAIT_POLICY"] = "passive"
GRACE = 3.0  # seconds that a worker has to abandon its step before it is killed
WATCH_EVERY = 0.5  # seconds between looks at the clocks and the memory of the workers


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

    @property
    def idle(self) -> bool:
        return self.task is None and self.call is None


class LocalExecutor:
    """`workers` processes; worker i gets the i-th of `devices` in turn. Their output goes to `log_folder`."""

    def __init__(
        self,
        settings: Settings,
        workers: int = 1,
        devices: Sequence[str] = ("cpu",),
        log_folder: Path | None = None,
    ) -> None:
        self.settings = settings  # may be replaced between tasks: `setup` and `patience` are read at each
        self._selector = selectors.DefaultSelector()
        self._log_folder = log_folder
        self._calls = 0
        self._watched = 0.0
        self._workers = [self._start(i, devices[i % len(devices)]) for i in range(max(workers, 1))]

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
        self._send(worker, kind="task", folder=folder, device=worker.device, setup=setup, **asdict(task))

    def call(self, function: str, **arguments: Any) -> int:
        worker = self._idle()
        self._calls += 1
        worker.call, worker.last_sign = self._calls, time.monotonic()
        self._send(worker, kind="call", call=worker.call, function=function, arguments=arguments)
        return worker.call

    def stop(self, trial: int) -> None:
        for worker in self._workers:
            if worker.task and worker.task.trial == trial and worker.stopping is None:
                worker.stopping = time.monotonic()
                worker.process.send_signal(signal.SIGINT)

    def poll(self, timeout: float) -> list[Report]:
        reports: list[Report] = []
        for key, _ in self._selector.select(min(timeout, WATCH_EVERY)):
            reports += self._read(key.data)
        if time.monotonic() - self._watched >= WATCH_EVERY:
            self._watched = time.monotonic()
            for worker in list(self._workers):
                reports += self._watch(worker)
        return reports

    def close(self) -> None:
        for worker in self._workers:
            self._selector.unregister(worker.line)
            worker.line.close()  # the worker sees the end of the line and leaves
        for worker in self._workers:
            try:
                worker.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers = []
        self._selector.close()

    # --- workers ---

    def _start(self, index: int, device: str) -> Worker:
        ours, theirs = socket.socketpair()
        log: IO[bytes] | None = None
        if self._log_folder is not None:
            self._log_folder.mkdir(parents=True, exist_ok=True)
            log = open(self._log_folder / f"worker-{index}.log", "ab")  # noqa: SIM115  # the child keeps it
        command = [sys.executable, "-m", "seedleaf.executors.child", str(theirs.fileno())]
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log or 2,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the driver, which then ends its workers in order
        )
        theirs.close()
        if log is not None:
            log.close()
        worker = Worker(index, device, process, ours)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        self._send(worker, settings=asdict(self.settings))
        return worker

    def _idle(self) -> Worker:
        # A worker that is up is preferred to one that still imports.
        free = sorted((w for w in self._workers if w.idle), key=lambda w: (not w.ready, w.index))
        if not free:
            raise RuntimeError("no worker is free; ask free() first")
        return free[0]

    def _send(self, worker: Worker, **message: Any) -> None:
        try:
            worker.line.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            pass  # it died just now: reading from it will say so

    def _read(self, worker: Worker) -> list[Report]:
        try:
            data = worker.line.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            if not worker.ready:
                raise StudyError(f"a worker could not start: {_death(worker.process)}{self._hint(worker)}")
            return self._replace(worker, _death(worker.process), lost=True)
        worker.last_sign = time.monotonic()
        *lines, worker.unread = (worker.unread + data).split(b"\n")
        return [r for line in lines for r in self._take(worker, json.loads(line))]

    def _take(self, worker: Worker, message: dict[str, Any]) -> list[Report]:
        kind = message["kind"]
        if kind == "ready":
            worker.ready = True
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

    def _hint(self, worker: Worker) -> str:
        return f"; see {self._log_folder / f'worker-{worker.index}.log'}" if self._log_folder else ""

    def _watch(self, worker: Worker) -> list[Report]:
        now = time.monotonic()
        if worker.stopping is not None and now - worker.stopping > GRACE:
            return self._replace(worker, None)
        if worker.task is None:
            return []
        quiet = now - worker.last_sign
        if quiet > self.settings.patience:
            return self._replace(worker, f"hung: no step finished in {quiet:.0f} s")
        held = _resident(worker.process.pid)
        if self.settings.memory is not None and held > self.settings.memory:
            limit = self.settings.memory / 2**20
            return self._replace(worker, f"memory: the worker held {held / 2**20:.0f} MiB, over {limit:.0f}")
        return []

    def _replace(self, worker: Worker, error: str | None, lost: bool = False) -> list[Report]:
        """End the process, start another in its place, and say what became of its work."""
        self._selector.unregister(worker.line)
        worker.line.close()
        worker.process.kill()
        worker.process.wait()
        self._workers[self._workers.index(worker)] = self._start(worker.index, worker.device)
        if worker.task is not None:
            return [Ended(worker.task.trial, error, lost=lost)]
        return [Returned(worker.call, error=error or "stopped")] if worker.call is not None else []


def _death(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(1.0)
    except subprocess.TimeoutExpired:
        return "its worker closed the line"
    if code < 0:
        return f"its worker was killed by {signal.Signals(-code).name}"
    return f"its worker ended with code {code}"


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
