"""Labels at the ends of learning curves, placed so that they stand clear of the curve that they name."""

from __future__ import annotations

import math

from seedleaf.report.facts import Facts, Row
from seedleaf.report.plot import SIDE, Scale, label
from seedleaf.report.text import figure

WIDE, HIGH = 0.25, 0.07  # of the chart: what a label takes
ROOM = 0.08  # of the height: what it needs under a curve, also on a phone


def with_room(ys: Scale, facts: Facts, xs: Scale) -> Scale:
    """`ys` with room for labels under the curves of what is minimised: those end low, with their earlier steps above."""
    lowest = [min(_beside(r, xs)) for r in _labelled(facts) if facts.objective.direction == "min"]
    return ys.with_room(min(lowest), ROOM) if lowest else ys


def end_labels(facts: Facts, xs: Scale, ys: Scale) -> str:
    """Labels of the winner and the default, each where it does not lie on another; else it is left out."""
    marks = ""
    taken: list[tuple[float, float]] = []
    for row in _labelled(facts):
        role, x = facts.role(row), xs.unit(row.step)
        name = f"winner: trial {row.id}" if role == "winner" else "default config"
        for at, side in _places(row, facts, xs, ys):
            y = ys.unit(at) - (HIGH if side else 0.0)
            if all(abs(x - a) > WIDE or abs(y - b) > HIGH for a, b in taken):
                css = f"{role} {side}".strip()
                marks += label(row.step, at, xs, ys, f"{name}, {figure(row.value, 3)}", css)
                taken.append((x, y))
                break
    return marks


def _labelled(facts: Facts) -> list[Row]:
    """The winner and the default; once, where they are one."""
    rows = {r.id: r for r in (facts.winner, facts.default) if r is not None}
    return [r for r in rows.values() if math.isfinite(r.value)]


def _places(row: Row, facts: Facts, xs: Scale, ys: Scale) -> list[tuple[float, str]]:
    """Heights at which a label stands clear of its curve, the best first, with "under" where it hangs from there."""
    own = _beside(row, xs)
    low = facts.objective.direction == "min" and xs.unit(row.step) >= SIDE
    fits = low and ys.unit(min(own)) >= 0.99 * ROOM
    return [(min(own), "under")] * fits + [(max(own), "")]


def _beside(row: Row, xs: Scale) -> list[float]:
    """What a curve has where the label of its end stands: to the right of the end nothing, to its left a part of itself."""
    end = xs.unit(row.step)
    if end < SIDE:
        return [row.value]
    return [v for s, v in row.curve if math.isfinite(v) and xs.unit(s) >= end - WIDE]
