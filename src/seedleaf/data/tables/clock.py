"""Times of a day and durations as people and programs write them, "14:30", "2:05:07.5", "8:15 pm", "1:02.35", "-0:30",
"1 days 02:30:00": as hours.

Of two parts the first is hours, unless the second has a fraction; where a column is `brief`, it is minutes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

SECONDS = r"[0-5]\d(?:[.,]\d{1,9})?"
# Python and the delivered graph match the same texts.
DAYS = r"-?\d{1,7} days?,? "
HALF = " ?[AaPp][Mm]"
LONG = rf"(?:{DAYS})?[+-]?\d{{1,7}}:[0-5]\d(?::{SECONDS})?"
CLOCK = rf"{LONG}|[+-]?\d{{1,7}}:{SECONDS}|(?:0?[1-9]|1[0-2]):[0-5]\d(?::{SECONDS})?{HALF}"
FRACTION = r"[+-]?\d{1,7}:\d\d[.,]\d{1,9}"  # minutes, in any column
TWO = r"[+-]?\d{1,7}:\d\d"
_CLOCK, _FRACTION, _TWO = (re.compile(pattern, re.ASCII) for pattern in (CLOCK, FRACTION, TWO))
FEWEST = 12  # different times below which they may be ratios or codes, and are categories
NOON, NIGHT = 12, 24  # hours
QUARTERS = (0.0, 15.0, 30.0, 45.0)


def read_clock(text: str, brief: bool = False) -> float:
    """The hours that `text` says, its minutes and seconds being parts of them; NaN where it says none."""
    if _CLOCK.fullmatch(text) is None:
        return math.nan
    days, _, clock = text.rpartition(" day") if " day" in text else ("0", "", f" {text}")
    clock = clock.split(" ", 1)[1]
    late, half = clock[-2:].lower() == "pm", clock[-1:] in "mM"
    parts = [abs(float(part.replace(",", "."))) for part in clock.rstrip("AaPpMm ").split(":")]
    if half:
        parts[0] = (0.0 if parts[0] == 12.0 else parts[0]) + 12.0 * late
    if _FRACTION.fullmatch(text) or (brief and _TWO.fullmatch(text)):
        seconds = parts[0] * 60.0 + parts[1]
    else:
        seconds = parts[0] * 3600.0 + parts[1] * 60.0 + (parts[2] if len(parts) > 2 else 0.0)
    return float(days) * 24.0 + (-seconds if clock.startswith("-") else seconds) / 3600.0


def write_clock(hours: float) -> str:
    """So many hours as a text that `read_clock` reads as them, to the nearest nanosecond; NaN and infinities as Python has
    them."""
    if not math.isfinite(hours):
        return str(hours)
    seconds, parts = divmod(round(abs(hours) * 3600e9), 10**9)
    behind = f".{parts:09}" if parts else ""
    return f"{'-' if hours < 0 else ''}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{behind}"


def is_brief(known: Sequence[str]) -> bool | None:
    """Whether the times of two parts in a column are minutes and seconds; None where they may well be no times at all, or
    either.

    Times are many, and go all the way to 59 or by quarters of an hour, as ratios ("1:10"), results ("32:33"), alleles
    ("02:01:01") and grades ("10:26:26") seldom do. Those of two parts beside longer ones are minutes where they go beyond
    the hours of a day, and hours where the longer ones go beyond 12.
    """
    two = [v for v in known if _TWO.fullmatch(v)]
    three = [v for v in known if v.count(":") == 2 and not re.search("[a-zA-Z]", v)]
    sure = len(known) > len(two) + len(three)  # halves of a day, days, fractions
    if not (sure or _spread([_parts(v) for v in (*two, *three)])):
        return None
    if not two:
        return False
    if any(_FRACTION.fullmatch(v) for v in known) or (three and max(_parts(v)[0] for v in two) >= NIGHT):
        return True
    return None if three and max(_parts(v)[0] for v in three) <= NOON else False


def _parts(text: str) -> tuple[float, ...]:
    return tuple(float(part.replace(",", ".")) for part in text.lstrip("+-").split(":"))


def _spread(times: Sequence[tuple[float, ...]]) -> bool:
    """Are these many times, with minutes or seconds from one end to the other, or by quarters?"""
    if len(set(times)) < FEWEST:
        return False
    lower = [[parts[k] for parts in times if len(parts) > k] for k in (1, 2)]
    wide = any(part and min(part) < 10 and max(part) >= 50 for part in lower)
    return wide or all(value in QUARTERS for part in lower for value in part)
