"""Dates read inside the graph: texts of one format, a time of day and a zone perhaps behind, as days since 1970."""

from __future__ import annotations

import re
from datetime import date
from itertools import accumulate

import numpy as np
from onnx import TensorProto

from seedleaf.data.tables.dates import EPOCH, FIRST_YEAR, LAST_YEAR, MONTHS, OR, pattern_of
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader_text import anywhere, before, glued, swapped, without

DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0)  # of month 0 to 13
SOME_DAY = date(2001, 2, 3)  # stands in for what is no date while its parts are cut out


def read_dates(g: Graph, cells: str, form: str) -> str:
    """Strings (…) -> float64 (…): what `data.tables.dates.read_date` gives, NaN where a cell is no date."""
    days = _read_dates(g, cells, (forms := form.split(OR))[0])
    for other in forms[1:]:
        days = g.add("Where", g.add("IsNaN", days), _read_dates(g, cells, other), days)
    return days


def _read_dates(g: Graph, cells: str, form: str) -> str:
    said = g.add("RegexFullMatch", cells, pattern=pattern_of(form).pattern)
    rest = g.add("Where", said, cells, g.text(_written(form)))
    parts: dict[str, str] = {}
    fields = re.findall(r"(%[A-Za-z])([^%]*)", form)
    if form != "%Y%m%d":
        for field, separator in fields[:-1]:
            pieces = g.split(rest, separator, 1)
            parts[field], rest = g.piece(pieces, 0), g.piece(pieces, 1)
    timed = anywhere(g, g.add("RegexFullMatch", rest, pattern=".*[^0-9].*"))

    def plain() -> list[str]:
        number = g.cast(rest, "float64")
        return [number, g.add("Mul", number, g.constant(0.0))]

    kinds = [TensorProto.DOUBLE, TensorProto.DOUBLE]
    last, share = g.either(timed, lambda: _clock(g, rest), plain, kinds)
    days = _days(g, *_numbers(g, parts, last, form))
    return g.add("Where", said, g.add("Add", days, share), g.constant(np.nan))


def _written(form: str) -> str:
    day = SOME_DAY
    texts = {"%Y": f"{day.year}", "%y": f"{day.year % 100:02}", "%b": "feb"}
    texts |= {"%a": "Sat", "%m": f"{day.month:02}", "%d": f"{day.day:02}"}
    return re.sub("%[A-Za-z]", lambda found: texts[found[0]], form)


def _numbers(g: Graph, parts: dict[str, str], last: str, form: str) -> tuple[str, str, str]:
    """Year, month and day, float64; `last` is what the last field says."""
    if form == "%Y%m%d":
        year = g.add("Floor", g.add("Div", last, g.constant(10_000.0)))
        rest = g.add("Sub", last, g.add("Mul", year, g.constant(10_000.0)))
        month = g.add("Floor", g.add("Div", rest, g.constant(100.0)))
        return year, month, g.add("Sub", rest, g.add("Mul", month, g.constant(100.0)))
    known = {f: _month(g, x) if f == "%b" else g.cast(x, "float64") for f, x in parts.items() if f != "%a"}
    known[form[-2:]] = last
    if "%y" in known:
        late = g.add("Less", known["%y"], g.constant(69.0))
        century = g.add("Where", late, g.constant(2000.0), g.constant(1900.0))
        known["%Y"] = g.add("Add", known["%y"], century)
    return known["%Y"], known["%b" if "%b" in known else "%m"], known.get("%d", g.constant(1.0))


def _month(g: Graph, x: str) -> str:
    """The number of a month's name: one pattern for each of its four bits."""
    whole = ""
    for bit in (1, 2, 4, 8):
        names = "|".join(name for name, number in MONTHS.items() if number & bit)
        hit = g.cast(g.add("RegexFullMatch", x, pattern=f"(?i)(?:{names}).*"), "float64")
        part = g.add("Mul", hit, g.constant(float(bit)))
        whole = g.add("Add", whole, part) if whole else part
    return whole


def _days(g: Graph, year: str, month: str, day: str) -> str:
    """Days since 1970-01-01, NaN where there is no such day."""

    def floored(x: str, by: float) -> str:
        return g.add("Floor", g.add("Div", x, g.constant(by)))

    def divides(by: float) -> str:
        return g.add("Equal", g.add("Mul", floored(year, by), g.constant(by)), year)

    leap = g.add("And", divides(4.0), g.add("Or", g.add("Not", divides(100.0)), divides(400.0)))
    leap = g.cast(leap, "float64")
    place = g.cast(g.add("Clip", month, g.constant(0.0), g.constant(13.0)), "int64")
    february = g.cast(g.add("Equal", month, g.constant(2.0)), "float64")
    later = g.cast(g.add("Greater", month, g.constant(2.0)), "float64")
    length = g.add("Gather", g.constant(np.array(DAYS, np.float64)), place)
    length = g.add("Add", length, g.add("Mul", february, leap))
    ahead = np.array([0, *accumulate(DAYS[:-1])], np.float64)
    before_year = g.add("Sub", year, g.constant(1.0))
    total = g.add("Mul", before_year, g.constant(365.0))
    total = g.add("Add", total, floored(before_year, 4.0))
    total = g.add("Sub", total, floored(before_year, 100.0))
    total = g.add("Add", total, floored(before_year, 400.0))
    total = g.add("Add", total, g.add("Gather", g.constant(ahead), place))
    total = g.add("Add", total, g.add("Mul", later, leap))
    total = g.add("Add", g.add("Add", total, day), g.constant(float(-EPOCH)))
    first = g.constant(1.0)
    there = g.add("And", g.add("GreaterOrEqual", day, first), g.add("LessOrEqual", day, length))
    there = g.add("And", there, g.add("GreaterOrEqual", year, g.constant(float(FIRST_YEAR))))
    there = g.add("And", there, g.add("LessOrEqual", year, g.constant(float(LAST_YEAR))))
    return g.add("Where", there, total, g.constant(np.nan))


def _clock(g: Graph, rest: str) -> list[str]:
    """The last number of the date, and the time of day in UTC as a share of a day, of "12T06:30:00.5 pm +02:00"."""
    afternoon = g.add("RegexFullMatch", rest, pattern="(?i).*pm.*")
    halves = g.add("RegexFullMatch", rest, pattern="(?i).*[ap]m.*")
    for mark in "ZUG":  # Z, UTC and GMT change nothing
        rest = before(g, rest, mark)
    brief = g.cast(g.add("RegexFullMatch", rest, pattern=r".*[+-]\d\d"), "float64")  # a zone without minutes
    ahead = g.split(glued(g, rest, g.text("+")), "+")
    behind = g.split(glued(g, g.piece(ahead, 0), g.text("-")), "-")
    zone = g.add("Sub", _zone(g, g.piece(ahead, 1), brief), _zone(g, g.piece(behind, 1), brief))
    time = g.piece(behind, 0)
    for mark in "aApP":  # a zone may stand behind am and pm
        time = before(g, time, mark)
    pieces = g.split(glued(g, time, g.text("::")), ":")
    untimed = g.add("Equal", g.piece(pieces, 1), g.text(""))
    zone = g.add("Where", untimed, g.constant(0.0), zone)  # a zone behind a mere day moves nothing
    words = swapped(g, swapped(g, g.piece(pieces, 0), "T", " "), ",", " ")
    words = g.split(glued(g, words, g.text(" 0")), "")
    minute = g.cast(glued(g, g.text("0"), before(g, g.piece(pieces, 1), " ")), "float64")
    second = swapped(g, before(g, g.piece(pieces, 2), " "), ",", ".")
    second = g.cast(glued(g, g.text("0"), second), "float64")
    said = g.cast(g.piece(words, 1), "float64")
    noon = g.add("Equal", said, g.constant(12.0))
    early = g.add("Where", noon, g.constant(0.0), said)
    moved = g.add("Where", afternoon, g.add("Add", early, g.constant(12.0)), early)
    hour = g.add("Where", halves, moved, said)
    minutes = g.add("Add", g.add("Mul", hour, g.constant(60.0)), minute)
    minutes = g.add("Add", g.add("Sub", minutes, zone), g.add("Div", second, g.constant(60.0)))
    share = g.add("Div", minutes, g.constant(1440.0))
    low, high = g.constant(1.0), g.constant(12.0)
    twelve = g.add("And", g.add("GreaterOrEqual", said, low), g.add("LessOrEqual", said, high))
    fits = g.add("Or", g.add("Not", halves), twelve)
    for value, limit in ((hour, 24.0), (minute, 60.0), (second, 61.0)):
        fits = g.add("And", fits, g.add("Less", value, g.constant(limit)))
    return [g.cast(g.piece(words, 0), "float64"), g.add("Where", fits, share, g.constant(np.nan))]


def _zone(g: Graph, x: str, brief: str) -> str:
    """Minutes of "02:00", "0200" or, where it is brief (1.0, else 0.0), "02"; 0 of ""."""
    number = g.cast(glued(g, g.text("0"), without(g, before(g, x, " "), ":", 1)), "float64")
    number = g.add("Mul", number, g.add("Add", g.constant(1.0), g.add("Mul", brief, g.constant(99.0))))
    hours = g.add("Floor", g.add("Div", number, g.constant(100.0)))
    return g.add("Sub", number, g.add("Mul", hours, g.constant(40.0)))
