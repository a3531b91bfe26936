"""The one accounting for every method: steps paid for, simulated seconds, and the incumbent judged at full fidelity.

    meter = Meter(scenario, steps=50 * scenario.full)
    try:
        while True:
            with meter.deciding():
                config, start, stop = method.ask()
            metrics = meter.step(config, start, stop)      # one mapping per step; shorter where it diverges
            with meter.deciding():
                method.tell(metrics)
    except BudgetUsed:
        pass
    append(path, meter.line("method", seed=0))

Rules, the same for all. A step costs one unit whoever asks for it; a resumed config pays for its new steps only, a config
that is trained anew pays again. A divergence ends a call: it is told as NaN and the steps after it are not paid. The
incumbent is the config with the best value observed so far at any step, the deeper observation on ties, later ones on equal
depth do not replace it; a config that diverged is none. It is judged by its value at full fidelity, which the method does
not see unless it paid for it. `last` is the same trace for the rule "best by its latest value", which is the one that
`Study.best` uses, so that a reader sees how much the rule matters.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.scenarios import Scenario
from seedleaf.core import Config, Value, config_key

Point = tuple[int, float]  # (steps used, loss at full fidelity of the incumbent from then on)


class BudgetUsed(Exception):
    """The steps are used up; whatever was measured in the call that raised it is in the trace."""


@dataclass
class Meter:
    """Counts what a method spends on `scenario` and follows its incumbent; BudgetUsed once `steps` are spent."""

    scenario: Scenario
    steps: int
    used: int = 0
    seconds: float = 0.0  # simulated training time
    decided: float = 0.0  # CPU seconds inside deciding()
    calls: int = 0
    trace: list[Point] = field(default_factory=list)
    last: list[Point] = field(default_factory=list)
    clock: list[tuple[float, float]] = field(default_factory=list)  # (simulated seconds, loss), as trace
    clock_last: list[tuple[float, float]] = field(default_factory=list)  # and as last
    evaluated: list[tuple[int, tuple[float, ...]]] = field(
        default_factory=list
    )  # fully trained: all objectives
    _best: dict[str, tuple[float, int]] = field(
        default_factory=dict, repr=False
    )  # config -> best loss, -step
    _latest: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)
    _configs: dict[str, Config] = field(default_factory=dict, repr=False)
    _chosen: list[str | None] = field(default_factory=lambda: [None, None], repr=False)

    def step(self, config: Mapping[str, Value], start: int, stop: int) -> list[dict[str, float]]:
        """The metrics of the steps start + 1 to stop, paid one by one; the list ends with a step that diverged."""
        if self.used >= self.steps:
            raise BudgetUsed
        self.calls += 1
        affordable = min(stop, start + self.steps - self.used)
        key, known = config_key(config), dict(config)
        metrics: list[dict[str, float]] = []
        for at, (values, seconds) in enumerate(self.scenario.evaluate(config, start, affordable), start + 1):
            self.used += 1
            self.seconds += seconds
            metrics.append(values)
            self._observe(key, known, at, values)
            if not math.isfinite(self.scenario.loss(values)):
                return metrics
        if affordable < stop:
            raise BudgetUsed
        return metrics

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Everything inside counts as the method's own CPU time (all threads of this process)."""
        begun = time.process_time()
        try:
            yield
        finally:
            self.decided += time.process_time() - begun

    def _observe(self, key: str, config: Config, step: int, metrics: Mapping[str, float]) -> None:
        loss = self.scenario.loss(metrics)
        self._configs[key] = config
        if math.isfinite(loss):
            self._best[key] = min(self._best.get(key, (math.inf, 0)), (loss, -step))
            self._latest[key] = (loss, -step)
        else:
            self._best[key] = self._latest[key] = (math.inf, 0)
        if step == self.scenario.full:
            losses = tuple(o.loss(metrics) for o in self.scenario.objectives)
            self.evaluated.append((self.used, losses))
        self._follow(0, self._best, self.trace, key)
        self._follow(1, self._latest, self.last, key)

    def _follow(self, which: int, table: dict[str, tuple[float, int]], trace: list[Point], key: str) -> None:
        """Extend `trace` if what was just seen of `key` changes the incumbent."""
        chosen = self._chosen[which]
        if chosen is None:
            if not math.isfinite(table[key][0]):
                return
            best = key
        elif chosen == key:
            best = min(table, key=table.__getitem__)  # it may have become worse
        else:
            best = key if table[key] < table[chosen] else chosen
        if best != chosen and math.isfinite(table[best][0]):
            self._chosen[which] = best
            loss = self.scenario.full_loss(self._configs[best])
            trace.append((self.used, loss))
            (self.clock_last if which else self.clock).append((self.seconds, loss))

    def line(self, method: str, seed: int, **more: Any) -> dict[str, Any]:
        """The run as one row of a results file. A loss of null is a diverged incumbent."""
        points: dict[str, Any] = {
            "trace": [[s, _plain(v)] for s, v in self.trace],
            "last": [[s, _plain(v)] for s, v in self.last],
            "clock": [[round(s, 3), _plain(v)] for s, v in self.clock],
            "clock_last": [[round(s, 3), _plain(v)] for s, v in self.clock_last],
        }
        if self.scenario.second:
            points["evaluated"] = [[u, [_plain(v) for v in losses]] for u, losses in self.evaluated]
        return {
            "method": method,
            "scenario": self.scenario.name,
            "family": self.scenario.family,
            "seed": seed,
            "full": self.scenario.full,
            "steps": self.used,
            "budget": self.steps,
            "configs": len(self._configs),
            "calls": self.calls,
            "deciding_s": round(self.decided, 3),
            "simulated_s": round(self.seconds, 3),
            **points,
            **more,
        }


def seed_for(scenario: str, seed: int) -> int:
    """A seed of its own for every scenario, so that runs on two instances do not draw the same configs."""
    return zlib.crc32(f"{scenario}#{seed}".encode())


def _plain(value: float) -> float | None:
    return float(f"{value:.9g}") if math.isfinite(value) else None


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add one run to a results file (JSON lines)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")


def read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """All runs of these files; a line that was cut off by a kill is left out."""
    lines = []
    for path in paths:
        for text in path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return lines


def done(path: Path) -> set[tuple[str, str, int]]:
    """(method, scenario, seed) of the runs that stand in a results file; those that broke are to be tried again."""
    lines = read([path]) if path.exists() else []
    return {(r["method"], r["scenario"], r["seed"]) for r in lines if "error" not in r}
