"""The charts of a study by steps and by time: learning curves, and the best so far against wall time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seedleaf.core import State
from seedleaf.report.board import baseline_value
from seedleaf.report.ends import end_labels, with_room
from seedleaf.report.facts import Facts, Row
from seedleaf.report.plot import Scale, dot, fit_scale, frame, path, robust_top, rule
from seedleaf.report.text import count, duration, esc, figure, plural, table

POINTS = 45_000  # points drawn over all learning curves: about half a megabyte of page
FULL_CURVES = {State.DONE: "done", State.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot and, for readers who cannot see it, its key numbers as a table."""

    plot: str
    caption: str
    numbers: str
    legend: tuple[tuple[str, str], ...] = ()


def learning_curves(facts: Facts) -> Chart | None:
    """Every trial's objective at every step; None where no trial has two steps."""
    drawn = [r for r in facts.rows if any(math.isfinite(v) for _, v in r.curve)]
    if not any(len(r.curve) > 1 for r in drawn):
        return None
    values = [v for r in drawn for _, v in r.curve]
    last = max(r.step for r in drawn)
    xs = Scale(0 if last > 3 else 0.5, last + (0 if last > 3 else 0.5))
    ys = with_room(objective_scale(facts, values), facts, xs)
    keep = max(POINTS // len(drawn), 12)
    order = {"winner": 2, "default": 1, "": 0}
    drawn.sort(key=lambda r: (order[facts.role(r)], r.state is State.DONE))
    faint = f"--faint:{min(0.8, max(0.16, 7 / math.sqrt(len(drawn)) / 1.6)):.2f}"
    lines = "".join(_curve(r, facts.role(r), xs, ys, keep) for r in drawn)
    base_svg, base_mark = rule(
        ys, baseline_value(facts), str(facts.note("baseline").get("what") or "baseline"), "base"
    )
    above = sum(1 for v in values if math.isfinite(v) and v > ys.high)
    states = {state_css(r) for r in drawn}
    legend = [
        ("winner", "winner"),
        ("default", "default config"),
        ("done", "trained to the end"),
        ("part", "stopped or paused early"),
        ("failed", "failed"),
    ]
    present = {facts.role(r) for r in drawn} | states
    return Chart(
        frame(
            "curves",
            f"Learning curves of {plural(len(drawn), 'trial')}: {facts.objective.metric} against {facts.steps_name}",
            xs,
            ys,
            f'<g style="{faint}">{base_svg}{lines}</g>',
            base_mark + end_labels(facts, xs, ys),
            x_name=f"{facts.steps_name} →",
            y_name=better(facts, ys),
            tall=True,
        ),
        f"{plural(len(drawn), 'trial')}, one line each; a dot is a trial that was judged after its first {facts.steps_name}."
        + (f" {plural(above, 'point')} above the axis sit on its edge." if above else ""),
        _rung_table(facts),
        tuple(x for x in legend if x[0] in present),
    )


def best_so_far(facts: Facts) -> Chart | None:
    """The best objective seen by each moment of wall time; None before the second improvement."""
    steps = improvements(facts)
    if len(steps) < 2:
        return None
    end = max(max((r.ended for r in facts.rows), default=0.0) - facts.started, steps[-1][0])
    xs, ys = Scale(0.0, end * 1.01), objective_scale(facts, [v for _, v, _ in steps])
    corners: list[tuple[float, float]] = []
    for (at, value, _), after in zip(steps, [*steps[1:], None], strict=True):
        corners += [(at, value), (after[0] if after else end, value)]
    default = facts.default.value if facts.default is not None and facts.default.scored else math.nan
    line, mark = rule(ys, default, "default config", "default")
    svg = f'{line}<path class="best" d="{path(corners, xs, ys)}"/>'
    svg += "".join(dot(at, value, xs, ys, "best", trial) for at, value, trial in steps)
    rows = [(duration(at), figure(value), str(trial)) for at, value, trial in steps[-12:]]
    return Chart(
        frame(
            "best",
            f"Best {facts.objective.metric} so far against wall time",
            xs,
            ys,
            svg,
            mark,
            x_name="seconds since the start →",
            y_name=better(facts, ys),
        ),
        f"{plural(len(steps), 'improvement')}, the last after {duration(steps[-1][0])} of {duration(end)}."
        + (" The default config stands where its training ended." if line else ""),
        table(("after", esc(facts.objective.metric), "trial"), rows, "The last improvements"),
    )


def improvements(facts: Facts) -> list[tuple[float, float, int]]:
    """(seconds since the start, objective, trial) whenever the best of all measurements improved."""
    sign = 1 if facts.objective.direction == "min" else -1
    best, found = math.inf, []
    for at, value, trial in sorted(p for r in facts.rows if r.state is not State.FAILED for p in _timed(r)):
        if sign * value < best:
            best = sign * value
            found.append((max(at - facts.started, 0.0), value, trial))
    return found


def objective_scale(facts: Facts, values: list[float]) -> Scale:
    if facts.objective.direction == "max":
        return fit_scale(values)
    top = robust_top(values)
    return fit_scale([min(v, top) for v in values if math.isfinite(v)])


def better(facts: Facts, ys: Scale) -> str:
    scale = ", log scale" if ys.log else ""
    return f"{facts.objective.metric} ({'lower' if facts.objective.direction == 'min' else 'higher'} is better{scale})"


def state_css(row: Row) -> str:
    return FULL_CURVES.get(row.state, "part")


def _curve(row: Row, role: str, xs: Scale, ys: Scale, keep: int) -> str:
    points = thin(row.curve, keep)
    d = path(points, xs, ys)
    css = f"{state_css(row)} {role}".strip()
    return f'<path class="c {css}{" one" if d.endswith("h.1") else ""}" data-t="{row.id}" d="{d}"/>'


def thin(curve: tuple[tuple[int, float], ...], keep: int) -> list[tuple[int, float]]:
    """At most `keep` points of a curve, both ends among them."""
    if len(curve) <= keep:
        return list(curve)
    return [curve[round(i * (len(curve) - 1) / (keep - 1))] for i in range(keep)]


def _rung_table(facts: Facts) -> str:
    steps = sorted({r.step for r in facts.rows if r.step})
    rungs = steps if len(steps) <= 10 else [steps[round(i * (len(steps) - 1) / 9)] for i in range(10)]
    body = []
    for rung in rungs:
        losses = [v for r in facts.rows for s, v in r.curve if s == rung and math.isfinite(v)]
        if losses:
            low, high = (min, max) if facts.objective.direction == "min" else (max, min)
            body.append(
                (
                    count(rung),
                    count(len(losses)),
                    figure(low(losses)),
                    figure(float(np.median(losses))),
                    figure(high(losses)),
                )
            )
    return table(
        (esc(facts.steps_name), "trials", "best", "median", "worst"),
        body,
        f"{esc(facts.objective.metric)} by {esc(facts.steps_name)}",
    )


def _timed(row: Row) -> Iterator[tuple[float, float, int]]:
    """When each measurement was logged."""
    for (_, value), at in zip(row.curve, row.step_times, strict=True):
        if math.isfinite(value):
            yield at, value, row.id
