"""The first network of a run: as large as limits and the time allow, by what its steps take here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from seedleaf.core import Config, Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import StudyError
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job
from seedleaf.learners.base import Learner
from seedleaf.learners.ladder import deeper
from seedleaf.machine import CPU, devices
from seedleaf.timing import PRESETS, affordable_epoch, delivery_seconds

# It grows until an epoch takes what is affordable: seconds ~ work^POWER on a CPU, less on a GPU.
POWER, LEAST_POWER = 0.9, 0.3
GROWTHS = 3  # tries
WORTH_GROWING = 1.15  # what is not larger by that is not worth a try
LARGEST = 100.0  # times the work of the lightest default
TOO_SLOW = 1.3  # of what is affordable
# Of as much work, a deeper network is the better one from some share of the epochs on that a last training should have: on
# CIFAR-10 at 50k it was 0.02 ahead with 0.4 of them and 0.03 behind with 0.15. (By the preset's share
# of the time; a training that lacks epochs gets more.)
DEEPER, DEEP_FROM = 1.05, 0.3
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
    growing = Growing(executor, job, spec, learner, deadline)
    growing.fill()
    if devices() != CPU:
        growing.leap()
    if growing.room == 1:
        growing.deepen()
    return growing.room, growing.thirds


class Growing:
    """The network that a run would begin with so far: that of `room`, an epoch of which takes `thirds`."""

    def __init__(
        self, executor: LocalExecutor, job: Job, spec: ImageSpec, learner: Learner, deadline: float
    ) -> None:
        self.executor, self.job, self.deadline = executor, job, deadline
        self.spec, self.learner = spec, learner
        self.asked = tuple(Limit(k, v) for k, v in job.limits.items())
        self._networks = dict[float, Config]()
        first = self.network(1.0)
        self.room, self.thirds = 1.0, probe(executor, job, first)
        self.batches = max(spec.n_train / float(first["batch_size"] or 1), 1.0)  # an epoch
        self.power, self.most = POWER, LARGEST

    def fill(self) -> None:
        """Grow until an epoch takes about what is affordable; what proves too slow is followed by something lighter."""
        for _ in range(GROWTHS):
            left, wanted = self._left(), self._affordable()
            more = min(self.room * (wanted / self.thirds[-1]) ** (1 / self.power), self.most)
            growth = self.work(more) / self.work(self.room)
            # The first step may lead to a deeper network of as much work.
            same = more <= self.room or self.network(more) == self.network(self.room)
            if same or (self.room > 1 and growth < WORTH_GROWING):
                return
            if self._look(growth * self.thirds[-1]) > PROBE_SHARE * left:
                return  # with so little time, what a look at a larger one costs is worth more
            taken = self._tried(more)
            if taken is None:
                return
            if taken[-1] > wanted * TOO_SLOW:
                # The network of so much room may have less work than that: limits end it, widths are whole numbers.
                self.most = self.work(more) / self.work(1.0) * (wanted / taken[-1]) ** (1 / POWER)
                continue
            if growth >= WORTH_GROWING:
                slower = math.log(max(taken[-1] / self.thirds[-1], 1.0))
                self.power = min(max(slower / math.log(growth), LEAST_POWER), POWER)
            self.room, self.thirds = more, taken

    def deepen(self) -> None:
        """Take a deeper network of as much work, where the last training has epochs enough for it to be the better one."""
        wanted = self._affordable()
        if not deeper(self.network(DEEPER), self.network(1.0)) or self.thirds[-1] > wanted / DEEP_FROM:
            return
        if self._look(self.thirds[-1]) > PROBE_SHARE * self._left():
            return
        taken = self._tried(DEEPER)
        if taken is not None and taken[-1] <= TOO_SLOW * self.thirds[-1]:
            self.room, self.thirds = DEEPER, taken

    def leap(self) -> None:
        """Take several times the work where that is nearly free, and what is left after it is still a run."""
        dearer, more = NEARLY_FREE * self.thirds[-1], min(LEAP * self.room, LARGEST)
        if self.work(more) < WORTH_GROWING * self.work(self.room):
            return
        left = self._left()
        able = left - self._delivery(dearer) >= FEWEST_EPOCHS * dearer
        taken = self._tried(more) if able and self._look(dearer) <= PROBE_SHARE * left else None
        if taken is not None and taken[-1] <= dearer:
            self.room, self.thirds = more, taken

    def network(self, room: float) -> Config:
        if room not in self._networks:
            self._networks[room] = self.learner.default(self.spec, self.asked, room)
        return self._networks[room]

    def work(self, room: float) -> float:
        return self.learner.work(self.spec, self.network(room))

    def _tried(self, room: float) -> list[float] | None:
        try:
            return probe(self.executor, self.job, self.network(room))
        except StudyError:  # that this one cannot be trained (memory, say) ends nothing: the lighter one can
            return None

    def _look(self, epoch: float) -> float:
        """Seconds that a look takes at a network of so many seconds an epoch."""
        return AROUND + PROBED * epoch / self.batches

    def _left(self) -> float:
        return self.deadline - time.time()

    def _delivery(self, epoch: float) -> float:
        return delivery_seconds(self.spec.n_test, self.spec.n_train, epoch, self.executor.start_seconds)

    def _affordable(self) -> float:
        """Seconds of an epoch that what is left has enough of."""
        delivery = self._delivery(self.thirds[-1])
        return affordable_epoch(self._left(), delivery, self.spec.n_train, PRESETS[self.job.preset])
