"""A worker process: `python -m seedleaf.executors.child FD`, one JSON message a line over the socket FD.

It imports once, then runs task after task. It ends at once when its driver goes away, whatever it is doing.
"""

from __future__ import annotations

import base64
import errno
import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seedleaf.core import Context, Measurement
from seedleaf.errors import TrialError
from seedleaf.seeds import seed_for

Message = dict[str, Any]


class Line:
    """The socket to the driver: `send` a message, `inbox` receives; EOF ends the process."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self.inbox: queue.Queue[Message] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                self.inbox.put(json.loads(line))
        os._exit(0)  # the driver is gone: no checkpoint is half written, since they are renamed into place

    def send(self, **message: Any) -> None:
        self._socket.sendall((json.dumps(message) + "\n").encode())


def resolve(name: str) -> Callable[..., Any]:
    """The function that "module:name" names."""
    module, _, attribute = name.partition(":")
    function: Any = importlib.import_module(module)
    for part in attribute.split("."):
        function = getattr(function, part)
    return function  # type: ignore[no-any-return]


def main(fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # outside of a task there is nothing to interrupt
    line = Line(fd)
    settings = line.inbox.get()["settings"]
    for module in settings["preload"]:
        importlib.import_module(module)
    line.send(kind="ready")
    while True:
        message = line.inbox.get()
        if message["kind"] == "task":
            run_task(line, settings, message)
        elif message["kind"] == "call":
            run_call(line, message)


def run_task(line: Line, settings: Message, message: Message) -> None:
    """Train until the task's stop; SIGINT from the driver abandons the unfinished step."""
    trial = message["trial"]
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        function = trial_function(settings)
        ctx = Context(
            trial=trial,
            start=message["start"],
            stop=message["stop"],
            full=message["full"],
            seed=seed_for(settings["seed"], "trial", trial),
            folder=Path(message["folder"]),
            device=message["device"],
            setup=message["setup"],
        )
        ctx.folder.mkdir(parents=True, exist_ok=True)
        for m in measurements(function(message["config"], ctx), ctx):
            line.send(kind="step", trial=trial, step=m.step, metrics=dict(m.metrics), seconds=m.seconds)
        answer: Message = {}
    except KeyboardInterrupt:
        answer = {}
    except BaseException as error:
        answer = describe(error)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    line.send(kind="ended", trial=trial, **answer)


def trial_function(settings: Message) -> Callable[..., Any]:
    """The trial function, by name or by value. The value comes from this worker's own driver over its own socket."""
    if settings["pickled"] is None:
        return resolve(settings["function"])
    import cloudpickle

    return cloudpickle.loads(base64.b64decode(settings["pickled"]))  # type: ignore[no-any-return]


def measurements(result: Any, ctx: Context) -> Iterable[Measurement]:
    """What a trial function gave, as measurements from ctx.start + 1 to ctx.stop.

    It may yield Measurements or mappings of metrics, or return one mapping or number. A generator that counts its
    steps from 1 whatever ctx.start says has trained anew; what it repeats is passed over.
    """
    if isinstance(result, (Mapping, int, float)):
        result = [result]
    step, began = ctx.start, time.perf_counter()
    for item in result:
        if isinstance(item, Measurement):
            measurement = item
        else:
            metrics = item if isinstance(item, Mapping) else {"": item}
            now = time.perf_counter()
            measurement = Measurement(step + 1, {str(k): float(v) for k, v in metrics.items()}, now - began)
            began = now
        if measurement.step <= ctx.start:
            continue
        if measurement.step != step + 1:
            raise TrialError(f"the training function yielded step {measurement.step} after step {step}")
        step = measurement.step
        yield measurement
        if step >= ctx.stop:
            return
    raise TrialError(f"the training function ended at step {step}, before step {ctx.stop}")


def describe(error: BaseException) -> Message:
    """The reason of a failure in one line; the traceback goes to the worker's own log."""
    traceback.print_exception(error)
    sys.stderr.flush()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {"error": f"the disk is full ({error.filename or 'checkpoint'})", "fatal": True}
    if isinstance(error, TrialError):
        return {"error": str(error)}
    if isinstance(error, MemoryError):
        return {"error": "out of memory"}
    text = str(error).strip().splitlines()
    return {"error": f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")}


def run_call(line: Line, message: Message) -> None:
    try:
        value = resolve(message["function"])(**message["arguments"])
        line.send(kind="returned", call=message["call"], value=value)
    except BaseException as error:
        line.send(kind="returned", call=message["call"], error=describe(error)["error"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
