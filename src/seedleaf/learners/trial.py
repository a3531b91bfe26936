"""What a worker runs: a config becomes a learner's network, trained step by step, and measured.

`setup` is plain JSON: {"data": folder of mapped images, "learner": "convnet", "seed": the study's seed,
"valid_fraction": share or absent, "part": "train" | "train+valid", "steps_per_epoch": 1, "fidelity": a row of
`train.ramp.AXES`, "pace": the machine's, as JSON, where trials are to tell their latency}.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seedleaf.core import Config, Context, Measurement
from seedleaf.errors import TrialError, first_line
from seedleaf.learners.base import learner_named, learner_of
from seedleaf.learners.images import Source, network, open_source, training_feed
from seedleaf.train import checkpoint
from seedleaf.train.evaluate import probabilities
from seedleaf.train.feed import Feed, smaller
from seedleaf.train.recorded import WARM_UP
from seedleaf.train.trainer import Trainer

if TYPE_CHECKING:
    from seedleaf.data.spec import ImageSpec


HORIZON = 10**6


def run(config: Config, ctx: Context) -> Iterator[Measurement]:
    """Train `config` from step `ctx.start` + 1 to `ctx.stop`; one measurement a step.

    TrialError where it diverges or runs out of memory; CheckpointError where `ctx.start` > 0 has no checkpoint.
    """
    prepare_process()
    with memory_errors():
        learner = learner_of(ctx.setup)
        yield from learner.fit(config, replace(ctx, device=usable(ctx.device)))


@lru_cache
def usable(device: str) -> str:
    """`device`, or the CPU where this torch cannot use it (its driver is too old, say), which goes to the worker's log."""
    if device == "cpu" or torch.cuda.is_available():
        return device
    print(f"{device} cannot be used by this torch ({torch.__version__}): training on the CPU")
    return "cpu"


def prepare_process() -> None:
    """Set a worker up for small networks: one thread, and memory that stays with the process.

    With more threads, steps of small networks beside another busy process take up to 30 times longer. And glibc gives
    large buffers back to the system after each step, to fault them in again page by page: keeping them made steps on
    28×28 maps up to 3 times faster.
    """
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    _keep_memory()


@lru_cache(maxsize=1)
def _keep_memory() -> bool:
    """Tell glibc's allocator never to map or trim; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    return bool(mallopt(mmap_threshold, 1 << 30)) and bool(mallopt(trim_threshold, (1 << 31) - 1))


@contextmanager
def memory_errors() -> Iterator[None]:
    """Running out of memory, in whatever way torch says so, as one TrialError."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TrialError(f"out of memory: {first_line(error)}") from error
    except RuntimeError as error:
        # The CPU allocator has no exception of its own.
        if "DefaultCPUAllocator" in str(error) or "out of memory" in str(error):
            raise TrialError(f"out of memory: {first_line(error)}") from error
        raise


def load_model(config: Config, spec: ImageSpec, checkpoint_path: Path, learner: str = "convnet") -> nn.Module:
    """The trained network (averaged weights where the config asks for them) in eval mode, on the CPU."""
    return _loaded(config, spec, checkpoint_path, learner)[0]


def _loaded(config: Config, spec: ImageSpec, path: Path, learner: str) -> tuple[nn.Module, float]:
    """The trained network, and the share of their sides at which it saw pictures last."""
    body = checkpoint.load(path)
    model = learner_named(learner).build(spec, config, None, None)
    model.load_state_dict(body["judged"] if body["judged"] is not None else body["model"])
    return model.eval(), float(body.get("side", 1.0))


def measure_test(config: Config, folder: Path, setup: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Class probabilities (n_test, n_classes) of the checkpoint in `folder` on the test part."""
    prepare_process()
    data = open_source(setup).data
    model, side = _loaded(
        config, data.spec, Path(folder) / checkpoint.NAME, str(setup.get("learner", "convnet"))
    )
    rows = np.arange(len(data.y_test), dtype=np.int64)
    # A trial that was paused while pictures were small knows them at that size.
    return probabilities(model, Feed(data.x_test, data.y_test, rows), side).numpy()


def seconds_per_step(
    config: Config, setup: Mapping[str, Any], batches: int = 8, device: str = "cpu"
) -> list[float]:
    """About how long a step of `config` trains in each third of a training, from the median of a few batches each."""
    prepare_process()
    with memory_errors():
        return seconds_by_third(config, open_source(setup), setup, batches, usable(device))


def seconds_by_third(
    config: Config, source: Source, setup: Mapping[str, Any], batches: int, device: str = "cpu"
) -> list[float]:
    """Seconds of a step in each third; sides that come twice are measured once."""
    # A long horizon keeps the probe at the start of the schedule.
    ctx = Context(0, 0, 1, HORIZON, 0, Path(), device, {**setup, "steps_per_epoch": 1})
    feed = training_feed(source, setup, device)
    seconds: dict[float, float] = {}  # of a batch, by the side of its pictures
    found = []
    model = network(learner_of(setup), config, source, 0, device)
    trainer = Trainer(model, config, feed, ctx)
    trainer.generator.manual_seed(0)
    for step in (HORIZON, 1, HORIZON // 2):
        side = trainer.ramp.at(step).side
        if side not in seconds:
            seconds[side] = batch_seconds(trainer, feed, side, batches if side == 1 else batches // 2)
        found.append(seconds[side] * trainer.loader.batches(step))
    return [*found[1:], found[0]]


def batch_seconds(trainer: Trainer, feed: Feed, side: float, batches: int) -> float:
    """The median of `batches` optimiser steps on pictures at `side`, after a few to warm up."""
    times = []
    warm = 2 if trainer.recorded is None else WARM_UP + 2
    for index in range(batches + warm):
        rows = next(trainer.loader.step(HORIZON + index))
        x, y = feed.batch(rows)
        begun = time.perf_counter()
        float(trainer.optimise(smaller(x, side), y))  # a GPU has only been asked until its number is read
        times.append(time.perf_counter() - begun)
    return float(np.median(times[warm:]))
