"""The chart of accuracy against size, or whatever else was to be small."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from seedleaf.report.charts import Chart, better, objective_scale, state_css
from seedleaf.report.facts import Facts, Row, number
from seedleaf.report.plot import UNITS, dot, fit_scale, frame, label, path
from seedleaf.report.text import count, esc, figure, plural, short, table
from seedleaf.tuner.pareto import pareto_front

TOLD = " Latencies are measured where the network was delivered ({}), else told from the config and put on the same scale."


def pareto(facts: Facts) -> Chart | None:
    """The objective against the second objective or the size; None where no trial has both."""
    cost = second_axis(facts)
    rows = [r for r in facts.scored if cost and math.isfinite(r.metric(cost))]
    if cost is None or len(rows) < 2:
        return None
    measured = measured_latencies(facts) if cost == "latency_ms" else {}
    less = "quicker" if cost == "latency_ms" else "smaller"
    costs_of = on_one_scale({r.id: r.metric(cost) for r in rows}, measured)
    flip = any(o.metric == cost and o.direction == "max" for o in facts.objectives)
    costs = np.array([-costs_of[r.id] if flip else costs_of[r.id] for r in rows])
    sign = -1 if facts.objective.direction == "max" else 1
    points = np.column_stack([costs, [sign * r.value for r in rows]])
    front = pareto_front(points)
    limits = [x.at_most for x in facts.limits if x.metric == cost]
    xs = fit_scale([*costs_of.values(), *limits], log=None if min(abs(costs)) else False)
    ys = objective_scale(facts, [r.value for r in rows])
    svg = "".join(
        dot(costs_of[r.id], r.value, xs, ys, _point_css(r, facts, bool(f)), r.id)
        for r, f in sorted(zip(rows, front, strict=True), key=lambda p: (p[1], facts.role(p[0])))
    )
    stairs, best = _stairs([(costs_of[r.id], r.value) for r, f in zip(rows, front, strict=True) if f])
    svg = f'<path class="front" d="{path(stairs, xs, ys)}"/>{svg}'
    marks = ""
    for at_most in limits:
        svg += f'<path class="rule limit" d="M{round(UNITS * xs.unit(at_most))} 0V{UNITS}"/>'
        marks += label(at_most, ys.high, xs, ys, f"limit: {short(at_most)}", "limit top")
    if facts.winner in rows:
        marks += label(costs_of[facts.winner.id], facts.winner.value, xs, ys, "winner", "winner")
    rows_out = [
        (
            count(costs_of[r.id]) if abs(costs_of[r.id]) >= 100 else figure(costs_of[r.id]),
            figure(r.value),
            str(r.id),
        )
        for r in sorted((r for r, f in zip(rows, front, strict=True) if f), key=lambda r: costs_of[r.id])
    ]
    return Chart(
        frame(
            "pareto",
            f"{facts.objective.metric} against {cost}: {len(best)} of {len(rows)} trials on the front",
            xs,
            ys,
            svg,
            marks,
            x_name=f"{cost} →",
            y_name=better(facts, ys),
            tall=True,
        ),
        f"{plural(len(best), 'trial')} on the front of {len(rows)}: no other is both {less} and better."
        + (TOLD.format(plural(len(measured), "trial")) if measured else ""),
        table((esc(cost), esc(facts.objective.metric), "trial"), rows_out, "The front"),
        (("front", "on the front"), ("part", "beaten by another"), ("default", "default config")),
    )


def measured_latencies(facts: Facts) -> dict[int, float]:
    """Of a search against a latency that configs tell, what was measured of the trials that were delivered, by trial."""
    if not facts.note("plan").get("pace"):
        return {}
    members = facts.note("front").get("members") or []
    rows = [facts.note("final"), *(m for m in members if m.get("share_of_widths", 1) == 1)]
    found = {int(number(r, "trial")): number(r, "latency_ms", "median") for r in rows if "trial" in r}
    return {trial: took for trial, took in found.items() if math.isfinite(took)}


def on_one_scale(told: Mapping[int, float], measured: Mapping[int, float]) -> dict[int, float]:
    """What was measured of a trial, else what is told of it times the median share of what is told that others took."""
    shares = [measured[k] / v for k, v in told.items() if k in measured and v > 0]
    scale = float(np.median(shares)) if shares else 1.0
    return {k: measured.get(k, scale * v) for k, v in told.items()}


def second_axis(facts: Facts) -> str | None:
    """What the objective is held against: the second objective, else params, else the first limited metric."""
    wanted = [o.metric for o in facts.objectives[1:]] + ["params"] + [x.metric for x in facts.limits]
    return next((m for m in wanted if any(math.isfinite(r.metric(m)) for r in facts.rows)), None)


def _point_css(row: Row, facts: Facts, on_front: bool) -> str:
    return facts.role(row) or ("front" if on_front else state_css(row))


def _stairs(points: list[tuple[float, float]]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The corners of the line that bounds what the front beats, and the front itself from left to right."""
    front = sorted(set(points))
    corners = [front[0]]
    for before, after in itertools.pairwise(front):
        corners += [(after[0], before[1]), after]
    return corners, front
