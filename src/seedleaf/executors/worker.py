"""One worker as its driver sees it: a process, the line to it, and what it is doing now.

The other end of the line is `line.py`, in the process that `child.py` is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from seedleaf.core import Task
from seedleaf.executors.base import Message

# One thread each: two intra-op threads beside a busy process made a step up to 30 times slower, because the threads of
# OpenMP spin while they wait. Passive waiting keeps that from happening where a worker is later given more threads.
ONE_THREAD = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
ONE_THREAD["OMP_WAIT_POLICY"] = "passive"
# -P: the working directory is looked into only where the driver looks into it as well.
COMMAND = (sys.executable, "-P", "-X", "faulthandler", "-m", "seedleaf.executors.child")


@dataclass(slots=True)
class Worker:
    """A process, the line to it, and its task or call. Times are those of the monotonic clock, in seconds."""

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
    stopping: float | None = None  # since when
    born: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, index: int, device: str, log: Path | None) -> Worker:
        """A new process whose output is appended to the file `log`, or goes where the driver's errors go."""
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(p or os.getcwd() for p in sys.path)
        try:
            with _appending(log) as output:
                process = subprocess.Popen(
                    [*COMMAND, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=output or 2,
                    stderr=output,
                    env={**os.environ, **ONE_THREAD, "PYTHONPATH": paths},
                    start_new_session=True,  # Ctrl-C is for the driver, which then ends its workers in order
                )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(index, device, process, ours)

    @property
    def idle(self) -> bool:
        return self.task is None and self.call is None

    # --- the line ---

    def send(self, **message: Any) -> None:
        try:
            self.line.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            pass  # it died just now: reading from it will say so

    def read(self) -> list[Message] | None:
        """The messages that have come; None at the end of the line."""
        try:
            data = self.line.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return None
        self.last_sign = time.monotonic()
        return self._messages(data)

    def last_words(self) -> list[Message]:
        """What a process that is gone had still written down."""
        words: list[Message] = []
        try:
            self.line.setblocking(False)
            while data := self.line.recv(1 << 16):
                words += self._messages(data)
        except OSError:
            pass
        return words

    def _messages(self, data: bytes) -> list[Message]:
        *lines, self.unread = (self.unread + data).split(b"\n")
        return [json.loads(line) for line in lines]

    # --- its end ---

    def kill(self) -> None:
        """End the process and whatever it has started: it leads a process group of its own."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    def death(self) -> str:
        """What the process died of, as far as can be told."""
        try:
            code = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "its worker closed the line"
        if code < 0:
            return f"its worker was killed by {_signal_name(-code)}"
        return f"its worker ended with code {code}"


@contextmanager
def _appending(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        yield file


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
