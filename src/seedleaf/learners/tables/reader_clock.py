"""Times of a day and durations read inside the graph, as hours."""

from __future__ import annotations

import numpy as np

from seedleaf.data.tables.clock import CLOCK, FRACTION, TWO
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader_text import before, glued, swapped


def read_clocks(g: Graph, cells: str, brief: bool) -> str:
    """Strings (…) -> float64 (…): what `data.tables.clock.read_clock` gives, NaN where a cell is no such time."""

    def looks(pattern: str, x: str = cells) -> str:
        return g.add("RegexFullMatch", x, pattern=pattern)

    said, late, halves = looks(CLOCK), looks(".*[Pp][Mm]"), looks(".*[Mm]")
    short = looks(f"{FRACTION}|{TWO}" if brief else FRACTION)
    days, clock = _days(g, g.add("Where", said, cells, g.text("0:00")))
    minus = looks("-.*", clock)
    for mark in ("a", "A", "p", "P", " "):
        clock = before(g, clock, mark)
    pieces = g.split(glued(g, clock, g.text(":0")), ":")
    hour = g.add("Abs", g.cast(g.piece(pieces, 0), "float64"))
    minute, second = (_decimal(g, g.piece(pieces, k)) for k in (1, 2))
    noon = g.add("And", halves, g.add("Equal", hour, g.constant(12.0)))
    hour = g.add("Where", noon, g.constant(0.0), hour)
    hour = g.add("Add", hour, g.add("Where", late, g.constant(12.0), g.constant(0.0)))
    long = g.add("Add", _times(g, hour, 3600.0), _times(g, minute, 60.0))
    long = g.add("Add", long, second)
    seconds = g.add("Where", short, g.add("Add", _times(g, hour, 60.0), minute), long)
    seconds = g.add("Where", minus, g.add("Neg", seconds), seconds)
    hours = g.add("Add", _times(g, days, 24.0), g.add("Div", seconds, g.constant(3600.0)))
    return g.add("Where", said, hours, g.constant(np.nan))


def _days(g: Graph, x: str) -> tuple[str, str]:
    """The days of "1 days, 02:30:00", 0 where there are none, and the rest."""
    there = g.add("RegexFullMatch", x, pattern=".* day.*")
    pieces = g.split(glued(g, x, g.text(" day . .")), " day", 1)
    days = g.cast(g.add("Where", there, g.piece(pieces, 0), g.text("0")), "float64")
    words = g.split(g.piece(pieces, 1), " ")
    return days, g.add("Where", there, g.piece(words, 1), x)


def _decimal(g: Graph, x: str) -> str:
    return g.cast(glued(g, g.text("0"), swapped(g, x, ",", ".")), "float64")


def _times(g: Graph, x: str, by: float) -> str:
    return g.add("Mul", x, g.constant(by))
