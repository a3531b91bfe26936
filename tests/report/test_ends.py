"""Labels of curves: near the end that they name, clear of their own line, within the chart."""

from __future__ import annotations

import re

import numpy as np
import pytest
from synthetic import Log, header

from seedleaf.report.charts import learning_curves
from seedleaf.report.facts import read

TALL, WIDE = (
    21 / 304,
    0.2,
)  # a label's share of the lowest chart, and of a wide one: 13 px high with its distance


def chart(curve: list[float], direction: str = "min", others: tuple[float, ...] = ()) -> str:
    """A trial trained to the end, and other ends; the first is the default."""
    log, full = Log(), max(len(curve), 8)
    steps = {"name": "epoch", "low": 1, "high": full, "eta": 3}
    log.add(
        "study", **header(fidelity=steps, objectives=[{"metric": "error", "direction": direction}], limits=[])
    )
    log.note("default", trial=0)
    for trial, values in enumerate([*([v] * full for v in others), curve]):
        log.add("start", trial=trial, config={}, budget=full)
        for step, value in enumerate(values, 1):
            log.add("measure", trial=trial, step=step, metrics={"error": value}, seconds=1.0)
    found = learning_curves(read(log.history()))
    assert found is not None
    return found.plot


def spots(plot: str, role: str) -> list[tuple[float, float]]:
    """Points along a curve, from the lower left corner, as shares of the chart."""
    [d] = re.findall(rf'<path class="c [^"]*\b{role}"[^>]*d="M([\d .]*)"', plot)
    numbers = np.array([float(n) / 1000 for n in d.split()])
    every = np.linspace(numbers[0], numbers[-2], 500)
    heights = 1 - np.interp(every, numbers[::2], numbers[1::2])
    return list(zip(every.tolist(), heights.tolist(), strict=True))


def box(plot: str, role: str) -> tuple[float, float, float] | None:
    """From where to where a label reaches upwards, and where it ends to the right; None where there is none."""
    found = re.search(rf'<span class="mark {role}([^"]*)" style="bottom:([\d.]+)%;right:([\d.]+)%', plot)
    if found is None:
        return None
    at, end = float(found[2]) / 100, 1 - float(found[3]) / 100
    return (at - TALL, at, end) if "under" in found[1] else (at, at + TALL, end)


CURVES = {
    "noisy to its end": [
        0.9,
        0.3,
        0.05,
        0.02,
        0.03,
        0.014,
        0.03,
        0.02,
        0.01,
        0.02,
        0.007,
        0.014,
        0.007,
        0.007,
    ],
    "best before its end": [0.9, 0.5, 0.3, 0.1, 0.05, 0.02, 0.01, 0.02, 0.03],
    "level": [0.5] * 9,
    "down to nothing": [0.9, 0.3, 0.1, 0.05, 0.02, 0.01, 0.0, 0.01, 0.0],
    "little change": [0.31, 0.30, 0.29, 0.3, 0.28, 0.29, 0.27, 0.28],
}


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("name", CURVES)
def test_a_label_stands_clear_of_its_own_line(name: str, direction: str) -> None:
    curve = CURVES[name] if direction == "min" else [1 - v for v in CURVES[name]]
    plot = chart(curve, direction, (0.95 if direction == "min" else 0.05,))
    place = box(plot, "winner")
    assert place is not None
    low, high, end = place
    assert low >= 0, "above the numbers of the axis"
    beside = [y for x, y in spots(plot, "winner") if end - WIDE <= x]
    assert all(y <= low + 0.005 or y >= high - 0.005 for y in beside), (low, high, beside)


def test_two_labels_never_lie_on_each_other() -> None:
    for other in (0.0101, 0.011, 0.02, 0.05, 0.5):
        plot = chart([*CURVES["best before its end"][:7], 0.01, 0.01], others=(other,))
        winner, default = box(plot, "winner"), box(plot, "default")
        assert winner is not None
        assert default is None or default[0] >= winner[1] - 0.02 or default[1] <= winner[0] + 0.02


def test_a_default_that_won_has_one_label() -> None:
    alone, beaten = chart([0.5, 0.3, 0.2, 0.1]), chart([0.5, 0.3, 0.2, 0.1], others=(0.4,))
    assert alone.count("winner: trial 0") == 1
    assert "default config" not in alone
    assert (beaten.count("winner: trial 1"), beaten.count("default config")) == (1, 1)
