"""A worker's end of the line to its driver: one JSON message a line over a socket. The driver's end is `worker.py`."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import threading
from types import FrameType
from typing import Any, NoReturn

from seedleaf.executors.base import Message


class Line:
    """The socket to the driver: `send` a message, `inbox` receives; EOF ends the process.

    A stop is acted upon as soon as it is read: while `interruptible` it raises KeyboardInterrupt in the main thread, but
    never in the middle of a message, nor of an import, which would leave half a module behind for the rest of the run.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)  # or a process that a trial starts would keep the line open
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.stopped: int | None = None  # the trial that the driver wants no more of
        self.interruptible = False
        signal.signal(signal.SIGINT, self._interrupt)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            self._take_in()
        finally:  # a driver that left messages unread shows as an error, not as the end of the line
            leave()  # no checkpoint is half written, since they are renamed into place

    def _take_in(self) -> None:
        with self._socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                if message["kind"] == "stop":
                    self.stopped = message["trial"]
                    _poke()
                    continue
                if message["kind"] == "task":
                    self.stopped = None  # an earlier stop came too late to matter
                self.inbox.put(message)

    def _interrupt(self, _signal: int, frame: FrameType | None) -> None:
        if not self.interruptible or self.stopped is None:
            return
        if _importing(frame):
            again = threading.Timer(0.02, _poke)
            again.daemon = True
            again.start()
            return
        raise KeyboardInterrupt

    def send(self, **message: Any) -> None:
        before, self.interruptible = self.interruptible, False
        self._socket.sendall((json.dumps(message) + "\n").encode())
        self.interruptible = before


def _poke() -> None:
    """Have the main thread look whether it is to stop."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def leave(code: int = 0) -> NoReturn:
    """End this process and, where it leads a group of its own, whatever it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)
