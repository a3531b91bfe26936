"""What a peer's objective calls: training on to a step, through the benchmark's one `Meter`.

Be generous: a trial that is asked for at a step it has passed costs nothing, and a trial that goes on pays for its new steps
only, wherever the peer's interface tells a user enough to keep a checkpoint. No peer here takes NaN, so a diverged trial is
told as the worst finite loss that the run has seen (before any: the loss of the median random config).
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from search.scenarios import Scenario
from search.trace import Meter
from seedleaf.core import Config, config_key
from seedleaf.space import Space

FREE_IN_A_ROW = 20_000  # answers from memory before a peer counts as having nothing new to ask


class NothingNew(Exception):
    """The peer asks only for what it knows: it has exhausted a finite space, or goes round in circles."""


class TooSlow(Exception):
    """The run has used its CPU seconds."""


@dataclass
class Work:
    """One run. All CPU time of this process between the calls is the peer's own deciding."""

    scenario: Scenario
    meter: Meter
    cpu_limit: float = math.inf
    curves: dict[Hashable, list[tuple[float, ...]]] = field(default_factory=dict)
    worst: list[float] = field(default_factory=list)
    free: int = 0
    diverged: bool = False
    since: float = field(default_factory=time.process_time)

    @property
    def name(self) -> str:
        return self.scenario.name

    @property
    def space(self) -> Space:
        return self.scenario.space

    @property
    def full(self) -> int:
        return self.scenario.full

    @property
    def evaluations(self) -> int:
        """About how many evaluations the budget pays for under Hyperband with eta = 3 (SMAC wants to know)."""
        deepest = int(math.log(self.full, 3) + 1e-9)
        count, steps = 0, 0.0
        for bracket in range(deepest, -1, -1):
            configs = math.ceil((deepest + 1) / (bracket + 1) * 3**bracket)
            before = 0.0
            for rung in range(bracket, -1, -1):
                count += configs
                steps += configs * (self.full / 3**rung - before)
                before, configs = self.full / 3**rung, max(1, configs // 3)
        return max(1, round(self.meter.steps * count / steps))

    def losses(self, key: Hashable | None, config: Config, stop: int) -> tuple[float, ...]:
        """Train trial `key` (the config itself for None) on to `stop` steps; its losses there, one for each objective."""
        now = time.process_time()
        self.meter.decided += now - self.since
        if self.meter.decided > self.cpu_limit:
            raise TooSlow(f"{self.meter.decided:.0f} s of deciding for {self.meter.used} steps")
        try:
            return self._train(config_key(config) if key is None else key, config, stop)
        finally:
            self.since = time.process_time()

    def loss(self, key: Hashable | None, config: Config, stop: int) -> float:
        """As `losses`, the first objective alone."""
        return self.losses(key, config, stop)[0]

    def _train(self, key: Hashable, config: Config, stop: int) -> tuple[float, ...]:
        curve = self.curves.setdefault(key, [])
        self.free = self.free + 1 if len(curve) >= stop else 0
        if self.free > FREE_IN_A_ROW:
            raise NothingNew(f"{FREE_IN_A_ROW} answers from memory in a row")
        if len(curve) < stop:
            start = len(curve)
            told = [self._finite(m) for m in self.meter.step(config, start, stop)]
            curve += told + [told[-1]] * (stop - start - len(told))
            if self.diverged:  # for good: what comes after it is told the same
                curve += [curve[-1]] * (self.full - len(curve))
        return curve[stop - 1]

    def _finite(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        found = [o.loss(metrics) for o in self.scenario.objectives]
        self.diverged = not all(map(math.isfinite, found))
        if not self.worst:
            self.worst = [self.scenario.median] + [0.0] * (len(found) - 1) if self.diverged else list(found)
        elif not self.diverged:
            self.worst = [max(pair) for pair in zip(self.worst, found, strict=True)]
        return tuple(f if math.isfinite(f) else w for f, w in zip(found, self.worst, strict=True))
