"""Dates as people write them. A format is written as for `strptime`; a column has one."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

import numpy as np

EPOCH = date(1970, 1, 1).toordinal()
# 0001-01-01 and 9999-12-31 are how programs write that there is no date: as dates they would outweigh all others.
FIRST_YEAR, LAST_YEAR = 2, 9998
MONTHS = {
    name: k + 1
    for k, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
} | {"jän": 1, "mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12}
# Whole names and usual abbreviations: in "Marketing 2024" and "Mayor 2020" there is no month.
NAMES = (
    "jan(?:uary?)?|jän(?:ner)?|feb(?:r|er|ruary?)?|mar(?:ch)?|märz?|mrz|apr(?:il)?|may|mai|june?|juni|july?|juli"
    "|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?"
)
# Written out, and without a choice between single letters (c or k): with a flag, or there, ONNX Runtime takes the sign of
# Kelvin for a K, and Python takes no Ä for an ä.
ANY_CASE = re.sub("[a-zä]", lambda letter: f"[{letter[0].upper()}{letter[0]}]", NAMES)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PARTS = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d{1,2})",
    "%d": r"(?P<d>\d{1,2})",
    "%y": r"(?P<y>\d{2})",
    "%b": rf"(?P<b>{ANY_CASE})\.?",
    "%a": r"[A-Za-z]{2,9}\.?",
    "%H": r"(?P<H>\d{1,2})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2}(?:\.\d+)?)",
}
# A time of day and a zone may follow any of them. The order is that of preference where several fit.
FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%y",
    "%Y%m%d",
    "%d. %b %Y",
    "%a, %d %b %Y",
    "%a, %b %d, %Y",
    *(MERE_MONTHS := ("%Y-%m", "%m/%Y", "%b %Y")),  # the first day is meant; nothing may follow
)
OR = " or "  # between the formats of a column that has several
CLOCK = r"(?: *[T,] *| +)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d+)?))?(?: ?(?P<p>[AaPp])[Mm])?"
ZONE = r"(?: ?(?:Z|UTC|GMT|(?P<zs>[+-])(?P<zh>\d{2})(?::?(?P<zm>\d{2}))?))?"
MERE_ZONE = (
    r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"  # behind a day, where it moves nothing and "-01" is no zone
)


@lru_cache(maxsize=64)
def pattern_of(form: str) -> re.Pattern[str]:
    """What a text in this format looks like, a time of day and a zone perhaps behind."""
    text = re.escape(form).replace(r"\ ", " ").replace(r"\%", "%")
    for part, pattern in PARTS.items():
        if form == "%Y%m%d":
            pattern = pattern.replace("{1,2}", "{2}")
        text = text.replace(part, pattern)
    behind = "" if form in MERE_MONTHS else f"(?:{CLOCK}{ZONE}|{MERE_ZONE})"
    return re.compile(text + behind, re.ASCII)


def read_date(text: str, form: str) -> float:
    """Days since 1970-01-01 (UTC where a zone is given), with fractions, in the first of the formats (joined by OR) that
    `text` fits; NaN where there is none."""
    for one in form.split(OR):
        if not math.isnan(days := _read_date(text, one)):
            return days
    return math.nan


def _read_date(text: str, form: str) -> float:
    found = pattern_of(form).fullmatch(text)
    if found is None:
        return math.nan
    part = found.groupdict()
    month = MONTHS[part["b"][:3].lower()] if part.get("b") else int(part["m"])
    year = int(part["Y"]) if part.get("Y") else _century(int(part["y"]))
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return math.nan
    try:
        days = date(year, month, int(part.get("d") or 1)).toordinal() - EPOCH
    except ValueError:
        return math.nan
    return days + _time(part)


def write_date(moment: Any, form: str) -> str:
    """A date, datetime or datetime64 as a text that `read_date` reads as it; "" where no format has one for it.

    Where a format says months, all days of a month are the first.
    """
    return next(filter(None, (_write_date(moment, one) for one in form.split(OR))), "")


def _write_date(moment: Any, form: str) -> str:
    if isinstance(moment, np.datetime64):
        moment = moment.astype("datetime64[us]").item()  # of nanoseconds it would be a mere count
    if not isinstance(moment, date):
        return ""  # beyond the years that Python knows
    behind = ""
    if isinstance(moment, datetime) and form not in MERE_MONTHS:
        try:
            moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            return ""  # 0001-01-01 in Berlin, which is no date
        behind = moment.isoformat()[10:] if moment.time() != time() else ""
    year, month = moment.year, moment.month
    if "%y" in form and _century(year % 100) != year:
        return ""
    parts = {"%Y": f"{year:04}", "%y": f"{year % 100:02}", "%m": f"{month:02}", "%d": f"{moment.day:02}"}
    parts |= {"%b": list(MONTHS)[month - 1].title(), "%a": WEEKDAYS[moment.weekday()]}
    return re.sub("%[A-Za-z]", lambda found: parts.get(found[0], found[0]), form) + behind


def _century(year: int) -> int:
    return year + (2000 if year < 69 else 1900)  # as POSIX does


def _time(part: dict[str, str | None]) -> float:
    """The time of day as a share of a day, shifted by its zone; NaN where it is none."""
    if part.get("H") is None:
        return 0.0
    hour, minute = int(part["H"] or 0), int(part["M"] or 0)
    second = float((part["S"] or "0").replace(",", "."))
    if part["p"]:
        if not 1 <= hour <= 12:
            return math.nan
        hour = hour % 12 + (12 if part["p"] in "pP" else 0)
    if hour > 23 or minute > 59 or second >= 61:
        return math.nan
    zone = int(part["zh"] or 0) * 60 + int(part["zm"] or 0)
    minutes = hour * 60 + minute - (-zone if part["zs"] == "-" else zone)
    return (minutes + second / 60) / 1440
