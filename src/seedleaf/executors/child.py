"""A worker process: `python -m seedleaf.executors.child FD`, one JSON message a line over the socket FD.

It imports once, then runs task after task. It ends at once when its driver goes away, whatever it is doing, and takes
along whatever it has started.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedleaf.core import Context
from seedleaf.executors.base import Message
from seedleaf.executors.function import begin, measurements, resolve, trial_function
from seedleaf.executors.line import Line
from seedleaf.executors.reason import describe
from seedleaf.seeds import seed_for


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


def run_call(line: Line, message: Message) -> None:
    try:
        value = resolve(message["function"])(**message["arguments"])
        line.send(kind="returned", call=message["call"], value=value)
    except BaseException as error:
        line.send(kind="returned", call=message["call"], error=describe(error)["error"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
