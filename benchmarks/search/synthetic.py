"""A toy that needs no data, so that the harness is always tested: crossing curves, a conditional, a corner that diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from search.scenarios import Scenario, Steps, reference
from seedleaf.core import Config, Fidelity
from seedleaf.space import Choice, Float, Int, Space

FULL = 27
SPACE = Space(
    lr=Float(1e-5, 1e-1, log=True),
    layers=Int(1, 8),
    dropout=Float(0, 0.6),
    optimizer=Choice({"sgd": dict(momentum=Float(0.5, 0.99)), "adam": {}}),
)


def error(config: Config, step: int) -> float:
    """Error after `step` of 27 steps; NaN where the learning rate is too high for that many layers."""
    lr, layers, sgd = math.log10(float(config["lr"])), int(config["layers"]), config["optimizer"] == "sgd"  # type: ignore[arg-type]
    if lr > -1.4 and layers > 5:
        return math.nan if step > 2 else 0.9
    floor = 0.08 + 0.05 * (lr - (-1.5 if sgd else -3.0)) ** 2 + 0.3 * (float(config["dropout"]) - 0.2) ** 2  # type: ignore[arg-type]
    floor += 0.006 * abs(layers - 5)
    floor += 0.4 * (float(config["optimizer.momentum"]) - 0.9) ** 2 if sgd else 0.02  # type: ignore[arg-type]
    speed = 0.06 + 0.03 * (lr + 5) - 0.0015 * (layers - 1)
    floor = min(floor, 0.9)
    return floor + (0.9 - floor) * math.exp(-speed * step)


class Formula:
    """`error` at every step; deeper networks take longer."""

    def __init__(self, full: int) -> None:
        self.scale = FULL // full

    def steps(self, config: Config, start: int, stop: int) -> Steps:
        seconds = self.scale * (0.5 + int(config["layers"]) / 8)  # type: ignore[arg-type]
        return [({"error": error(config, self.scale * k)}, seconds) for k in range(start + 1, stop + 1)]


def make(family: str, instance: str) -> Scenario:
    """`tree` with its curve, `tree_full` with the last value alone."""
    fidelity = Fidelity("epoch", 1, FULL) if instance == "tree" else None
    name = f"{family}/{instance}"
    source = Formula(FULL if fidelity else 1)
    best, median, drawn = reference(name)
    return Scenario(name, family, SPACE, "error", "min", fidelity, best, median, source, drawn)


MAKERS: Mapping[str, Callable[[str, str], Scenario]] = {"synthetic": make}
