"""Times of a day and durations as people write them, "14:30", "2:05:07.5", "8:15 pm", "-0:30": as hours."""

from __future__ import annotations

import math
import re

MINUTES = r"[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?"
# Python and the delivered graph match the same text.
CLOCK = rf"[+-]?\d{{1,6}}:{MINUTES}|(?:0?[1-9]|1[0-2]):{MINUTES} ?[AaPp][Mm]"
_CLOCK = re.compile(CLOCK, re.ASCII)


def read_clock(text: str) -> float:
    """The hours that `text` says, its minutes and seconds being parts of them; NaN where it says none."""
    if _CLOCK.fullmatch(text) is None:
        return math.nan
    half = text[-2:].lower()
    bare = text.rstrip("AaPpMm ")
    hour, minute, second = (float(part.replace(",", ".")) for part in f"{bare}:0".split(":")[:3])
    hour = abs(hour)
    if half in ("am", "pm"):
        hour = (0.0 if hour == 12.0 else hour) + 12.0 * (half == "pm")
    hours = (hour * 3600.0 + minute * 60.0 + second) / 3600.0
    return -hours if text.startswith("-") else hours


def write_clock(hours: float) -> str:
    """So many hours as a text that `read_clock` reads as them, to the nearest nanosecond; NaN and infinities as Python has
    them."""
    if not math.isfinite(hours):
        return str(hours)
    seconds, parts = divmod(round(abs(hours) * 3600e9), 10**9)
    behind = f".{parts:09}" if parts else ""
    return f"{'-' if hours < 0 else ''}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{behind}"
