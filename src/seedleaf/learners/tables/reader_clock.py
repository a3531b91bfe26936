"""Times of a day and durations read inside the graph, as hours."""

from __future__ import annotations

import numpy as np

from seedleaf.data.tables.clock import CLOCK
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader_text import before, glued, swapped


def read_clocks(g: Graph, cells: str) -> str:
    """Strings (…) -> float64 (…): what `data.tables.clock.read_clock` gives, NaN where a cell is no such time."""

    def looks(pattern: str) -> str:
        return g.add("RegexFullMatch", cells, pattern=pattern)

    said, late, halves = looks(CLOCK), looks(".*[Pp][Mm]"), looks(".*[Mm]")
    rest = g.add("Where", said, cells, g.text("0:00"))
    for mark in ("a", "A", "p", "P", " "):
        rest = before(g, rest, mark)
    pieces = g.split(glued(g, rest, g.text(":0")), ":")
    hour = g.add("Abs", g.cast(g.piece(pieces, 0), "float64"))
    minute = g.cast(g.piece(pieces, 1), "float64")
    second = g.cast(glued(g, g.text("0"), swapped(g, g.piece(pieces, 2), ",", ".")), "float64")
    noon = g.add("And", halves, g.add("Equal", hour, g.constant(12.0)))
    hour = g.add("Where", noon, g.constant(0.0), hour)
    hour = g.add("Add", hour, g.add("Where", late, g.constant(12.0), g.constant(0.0)))
    seconds = g.add("Mul", hour, g.constant(3600.0))
    seconds = g.add("Add", g.add("Add", seconds, g.add("Mul", minute, g.constant(60.0))), second)
    hours = g.add("Div", seconds, g.constant(3600.0))
    hours = g.add("Where", looks("-.*"), g.add("Neg", hours), hours)
    return g.add("Where", said, hours, g.constant(np.nan))
