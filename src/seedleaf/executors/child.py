"""A worker process: `python -m seedleaf.executors.child FD`, one JSON message a line over the socket FD.

It imports once, then runs task after task. It ends at once when its driver goes away, whatever it is doing, and takes
along whatever it has started.
"""

from __future__ import annotations

import base64
import errno
import importlib
import inspect
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
from types import FrameType
from typing import Any, NoReturn, SupportsFloat

from seedleaf.core import Context, Measurement
from seedleaf.errors import TrialError
from seedleaf.seeds import seed_for

Message = dict[str, Any]


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


def resolve(name: str) -> Callable[..., Any]:
    """The function that "module:name" names."""
    module, _, attribute = name.partition(":")
    function: Any = importlib.import_module(module)
    for part in attribute.split("."):
        function = getattr(function, part)
    return function  # type: ignore[no-any-return]


def main(fd: int) -> None:
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # a worker that dies leaves its last words
    line = Line(fd)
    settings = line.inbox.get()["settings"]
    try:
        for module in settings["preload"]:
            importlib.import_module(module)
        function = trial_function(settings)
    except BaseException as error:
        line.send(kind="broken", error=describe(error)["error"])
        return
    line.send(kind="ready")
    while True:
        message = line.inbox.get()
        if message["kind"] == "task":
            run_task(line, function, settings["seed"], message)
        elif message["kind"] == "call":
            run_call(line, message)


def run_task(line: Line, function: Callable[..., Any], seed: int, message: Message) -> None:
    """Train until the task's stop; a stop from the driver abandons the unfinished step."""
    trial = message["trial"]
    answer: Message = {}
    try:
        line.interruptible = True
        if line.stopped != trial:
            train(line, function, seed, message)
        line.interruptible = False
    except BaseException as error:
        line.interruptible = False
        answer = describe(error)
        if line.stopped == trial and not answer.get("fatal"):
            answer = {}  # whatever the interruption turned into on its way up
    line.send(kind="ended", trial=trial, **answer)


def train(line: Line, function: Callable[..., Any], seed: int, message: Message) -> None:
    trial = message["trial"]
    ctx = Context(
        trial=trial,
        start=message["start"],
        stop=message["stop"],
        full=message["full"],
        seed=seed_for(seed, "trial", trial),
        folder=Path(message["folder"]),
        device=message["device"],
        setup=message["setup"],
        parent=None
        if message.get("parent") is None
        else Path(message["folder"]).parent / f"{message['parent']:04d}",
    )
    ctx.folder.mkdir(parents=True, exist_ok=True)
    for m in measurements(begin(function, message["config"], ctx), ctx):
        line.send(kind="step", trial=trial, step=m.step, metrics=m.metrics, seconds=m.seconds)
        if line.stopped == trial:
            return  # the function may have swallowed the interruption


def begin(function: Callable[..., Any], config: Message, ctx: Context) -> Any:
    """Call `function` with the config and the context, or with the config alone where it takes no more."""
    return function(config, ctx) if _takes_two(function) else function(config)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # it was written in C and does not tell
        pass
    return True


def trial_function(settings: Message) -> Callable[..., Any]:
    """The trial function, by name or by value. The value comes from this worker's own driver over its own socket."""
    if settings["pickled"] is None:
        return resolve(settings["function"])
    import cloudpickle

    return cloudpickle.loads(base64.b64decode(settings["pickled"]))  # type: ignore[no-any-return]


def measurements(result: Any, ctx: Context) -> Iterable[Measurement]:
    """What a trial function gave, as measurements from ctx.start + 1 to ctx.stop.

    It may yield Measurements, mappings of metrics or numbers (the metric that `ctx.setup["metric"]` names), or return
    one of these. A generator that counts its steps from 1 whatever ctx.start says has trained anew; what it repeats is
    passed over.
    """
    if isinstance(result, (Measurement, Mapping, SupportsFloat)):
        result = [result]
    if not isinstance(result, Iterable):
        raise TrialError(
            f"the training function gave {result!r}; it should yield or return a number or a mapping of metrics"
        )
    step, began = ctx.start, time.perf_counter()
    for item in result:
        now = time.perf_counter()
        if isinstance(item, Measurement):
            measurement = Measurement(item.step, numbers(item.metrics), item.seconds)
        else:
            metrics = item if isinstance(item, Mapping) else {ctx.setup.get("metric", "error"): item}
            measurement = Measurement(step + 1, numbers(metrics), now - began)
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


def numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Metrics as plain floats, whatever kind of number they are."""
    found = {}
    for name, value in metrics.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            raise TrialError(f"the metric {str(name)!r} is {value!r:.60}, not a number") from None
    return found


def describe(error: BaseException) -> Message:
    """The reason of a failure in one line; the traceback goes to the worker's own log."""
    try:
        traceback.print_exception(error)
        sys.stderr.flush()
    except OSError:
        pass  # the log lies on the same full disk
    full = disk_full(error)
    if full is not None:
        return {"error": f"the disk is full ({full.filename or 'checkpoint'})", "fatal": True}
    if isinstance(error, TrialError):
        return {"error": str(error)}
    if isinstance(error, MemoryError):
        return {"error": "out of memory"}
    if isinstance(error, SystemExit):
        return {"error": f"the training function called sys.exit({error.code!r})"}
    text = str(error).strip().splitlines()
    return {"error": f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")}


def disk_full(error: BaseException | None) -> OSError | None:
    """The OSError that says so, in `error` or in what it came from: torch wraps it in a RuntimeError."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def run_call(line: Line, message: Message) -> None:
    try:
        value = resolve(message["function"])(**message["arguments"])
        line.send(kind="returned", call=message["call"], value=value)
    except BaseException as error:
        line.send(kind="returned", call=message["call"], error=describe(error)["error"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
