"""The first network of a run: as large as limits and the time allow, by what its steps take here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from seedleaf.core import Config, Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import StudyError
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job
from seedleaf.learners.base import Learner
from seedleaf.machine import CPU, devices
from seedleaf.timing import PRESETS, affordable_epoch, delivery_seconds

# It grows until an epoch takes what is affordable: seconds ~ multiply-adds^POWER on a CPU, less on a GPU.
POWER, LEAST_POWER = 0.9, 0.3
GROWTHS = 3  # tries
WORTH_GROWING = 1.15  # what is not larger by that is not worth a try
LARGEST = 100.0  # times the work of the lightest default
TOO_SLOW = 1.3  # of what is affordable
# A GPU may take four times the work in nearly the same time, as launches are what it waits for: then it is taken, even where
# trainings are short of epochs (a ResNet of 3.2 times the work had 29 of them for 35, and was 0.04 more accurate).
LEAP, NEARLY_FREE, FEWEST_EPOCHS = 4.0, 1.35, 12.0
PROBED, AROUND = 24, 0.5  # batches of a probe; seconds beside them
PROBE_SHARE = 0.05  # the most of the time that is left


def probe(executor: LocalExecutor, job: Job, config: Mapping[str, Any]) -> list[float]:
    """Seconds of a step of `config` in each third of a training while every worker is busy; the last is an epoch."""
    setup = executor.settings.setup

    def call() -> int:
        name = "seedleaf.learners.trial:seconds_per_step"
        return executor.call(name, config=dict(config), setup=dict(setup), device=OWN_DEVICE)

    calls = {call() for _ in range(job.workers)}
    seconds: list[list[float]] = []
    tries = 2  # a worker may be killed by accident
    why: str | None = None
    while calls:
        for report in executor.poll(1.0):
            if isinstance(report, Returned) and report.call in calls:
                calls.discard(report.call)
                if report.error is None:
                    seconds.append([float(v) for v in report.value])
                    continue
                tries -= 1
                why = why if tries > 0 else report.error
                if why is None:
                    calls.add(call())
    if why is not None:  # once nobody is busy with it any more
        raise StudyError(f"the default network cannot be trained here: {why}")
    return [max(third) for third in zip(*seconds, strict=True)]


def grown(
    executor: LocalExecutor, job: Job, spec: ImageSpec, learner: Learner, deadline: float
) -> tuple[float, list[float]]:
    """How many times the work of the lightest default the one that the time allows may have, and its seconds by third.

    A GPU takes hardly longer for a network of ten times the work, a CPU about as much longer, so what a larger one takes
    is measured before it is begun with.
    """
    asked = tuple(Limit(k, v) for k, v in job.limits.items())

    @cache
    def network(room: float) -> Config:
        return learner.default(spec, asked, room)

    def macs(room: float) -> float:
        return float(learner.costs(spec, network(room))["macs"])

    def tried(more: float) -> list[float] | None:
        try:
            return probe(executor, job, network(more))
        except StudyError:  # that this one cannot be trained (memory, say) ends nothing: the lighter one can
            return None

    room, power, most, first = 1.0, POWER, LARGEST, network(1.0)
    thirds = probe(executor, job, first)
    epoch = max(spec.n_train / float(first["batch_size"] or 1), 1.0)  # in batches

    def look(step: float) -> float:
        """Seconds that a look takes at a network of so many seconds an epoch."""
        return AROUND + PROBED * step / epoch

    for _ in range(GROWTHS):
        left = deadline - time.time()
        delivery = delivery_seconds(spec.n_test, spec.n_train, thirds[-1], executor.start_seconds)
        wanted = affordable_epoch(left, delivery, spec.n_train, PRESETS[job.preset])
        more = min(room * (wanted / thirds[-1]) ** (1 / power), most)
        growth = macs(more) / macs(room)
        # The first step may lead to a deeper network of as much work.
        if more <= room or network(more) == network(room) or (room > 1 and growth < WORTH_GROWING):
            break
        if look(growth * thirds[-1]) > PROBE_SHARE * left:
            break  # with so little time, what a look at a larger one costs is worth more
        taken = tried(more)
        if taken is None:
            return room, thirds
        if taken[-1] > wanted * TOO_SLOW:
            most = more * (wanted / taken[-1]) ** (1 / POWER)
            continue
        if growth >= WORTH_GROWING:
            slower = math.log(max(taken[-1] / thirds[-1], 1.0))
            power = min(max(slower / math.log(growth), LEAST_POWER), POWER)
        room, thirds = more, taken
    left, dearer, more = deadline - time.time(), NEARLY_FREE * thirds[-1], min(LEAP * room, LARGEST)
    delivery = delivery_seconds(spec.n_test, spec.n_train, dearer, executor.start_seconds)
    # It is affordable where what is left after it is still a run, and a look at it costs little of that.
    able = look(dearer) <= PROBE_SHARE * left and left - delivery >= FEWEST_EPOCHS * dearer
    if devices() != CPU and able and macs(more) >= WORTH_GROWING * macs(room):
        taken = tried(more)
        if taken is not None and taken[-1] <= dearer:
            return more, taken
    return room, thirds
