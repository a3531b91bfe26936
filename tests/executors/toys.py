"""Small training functions that do what real ones do when things go wrong. Imported by the workers."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.core import Context, Measurement

Config = dict[str, Any]


def saving(config: Config, ctx: Context) -> Iterator[Measurement]:
    """A step takes config["pause"] seconds; every step that is really trained leaves a line in trained.txt."""
    state = ctx.folder / "state.json"
    # A stop may fall between the checkpoint and the report of a step: then the checkpoint is ahead of the driver.
    step = min(json.loads(state.read_text())["step"], ctx.start) if ctx.start else 0
    while step < ctx.stop:
        time.sleep(config.get("pause", 0.0))
        step += 1
        with (ctx.folder / "trained.txt").open("a") as file:
            file.write(f"{step}\n")
        part = state.with_suffix(".part")
        part.write_text(json.dumps({"step": step}))
        part.replace(state)
        yield Measurement(step, {"error": 1.0 / step, "pid": os.getpid()}, 0.01)


def mappings(config: Config, ctx: Context) -> Iterator[dict[str, Any]]:
    for step in range(ctx.start + 1, ctx.stop + 1):
        yield {"error": np.float32(1.0 / step)}


def bare_numbers(config: Config, ctx: Context) -> Iterator[float]:
    for step in range(ctx.start + 1, ctx.stop + 1):
        yield 1.0 / step


def from_the_start(config: Config, ctx: Context) -> Iterator[Measurement]:
    """Knows nothing of checkpoints."""
    for step in range(1, ctx.stop + 1):
        yield Measurement(step, {"error": 1.0 / step})


def a_number(config: Config) -> float:
    return float(config["x"]) ** 2


def a_numpy_number(config: Config, ctx: Context) -> Any:
    return np.float32(0.25)


def a_mapping(config: Config, ctx: Context) -> dict[str, float]:
    return {"error": 0.5, "size": 3}


def nothing(config: Config, ctx: Context) -> None:
    pass


def words(config: Config, ctx: Context) -> dict[str, str]:
    return {"error": "low"}


def wrong_steps(config: Config, ctx: Context) -> Iterator[Measurement]:
    yield Measurement(1, {"error": 1.0})
    yield Measurement(3, {"error": 1.0})


def too_few(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}


def raises(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    raise ValueError("the learning rate is blue\nand this is a second line")


def not_a_number(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": math.nan}


def exits(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    sys.exit(3)


def segfaults(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    if ctx.start == 0:
        yield {"error": 1.0}
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def disk_is_full(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    try:
        raise OSError(28, "No space left on device", "weights.bin")
    except OSError as error:
        raise RuntimeError("the writer failed") from error  # as torch's does


def hangs(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    time.sleep(600)


def will_not_stop(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    end = time.monotonic() + 600
    while time.monotonic() < end:
        try:
            time.sleep(600)
        except BaseException:
            pass


def eats_memory(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": 1.0}
    hoard = np.ones(450 * 2**20, np.uint8)
    time.sleep(600)
    yield {"error": float(hoard[0])}


def wants_much_at_once(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    yield {"error": float(np.ones(3 * 2**30, np.uint8)[-1])}


def talks(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    print('{"kind": "ended", "trial": 0}')
    print("something on stderr", file=sys.stderr)
    os.write(1, b"something raw\n")
    subprocess.run(["echo", "something from a process"], check=True)
    yield {"error": 1.0}


def has_children(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    """Starts a process and, as a loader of data does, a fork that holds every open file."""
    sleeper = subprocess.Popen(["sleep", "600"])
    fork = os.fork()
    if fork == 0:
        time.sleep(600)
        os._exit(0)
    yield {"error": 1.0, "sleeper": sleeper.pid, "fork": fork}
    time.sleep(config.get("pause", 0.0))
    if config.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    yield {"error": 1.0}


def double(value: int) -> int:
    return 2 * value


def pid_of_call(folder: str) -> int:
    """Waits at the first call to be killed; answers at the second."""
    mark = Path(folder) / "called"
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        time.sleep(600)
    return os.getpid()


def hanging_call(folder: str, deadline: float = 0.0) -> None:
    time.sleep(600)


def fails_call() -> None:
    raise RuntimeError("no such luck")


def imports_late(config: Config, ctx: Context) -> Iterator[dict[str, float]]:
    """The first step is stopped in the middle of an import."""
    (ctx.folder / "importing").write_text("")
    import slow_module

    yield {"error": slow_module.LAST}
    time.sleep(config["pause"])
    yield {"error": 1.0}
