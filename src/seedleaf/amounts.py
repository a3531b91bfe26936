"""Amounts as people write them: times, counts, bytes and milliseconds, read and written."""

from __future__ import annotations

import math
import re

THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))", re.ASCII)


def parse_seconds(text: str | float | int) -> float:
    """ "90", "90s", "10m", "1.5h", "1h30m" as seconds; ValueError says what was expected."""
    total = float(text) if isinstance(text, (int, float)) else _parse(text.strip().lower())
    if not 0 < total < math.inf:
        raise ValueError(f"a time must be positive, got {text!r}")
    return total


def _parse(text: str) -> float:
    try:
        return _sum_of_parts(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time; write it as 90s, 10m, 1h30m") from None


def _sum_of_parts(text: str) -> float:
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    total, number, rest = 0.0, "", text
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = "ms" if rest.startswith("ms") else rest[0]
        if unit not in units or not number:
            raise ValueError
        total, number, rest = total + float(number) * units[unit], "", rest[len(unit) :]
    return total + (float(number) if number else 0.0)


def _together(text: str) -> str:
    """A number in small letters without what sets its thousands apart. A comma elsewhere stays: "1,5M" is not 15M."""
    return THOUSANDS.sub("", text.strip().lower().replace("_", ""))


def parse_count(text: str | float | int) -> int:
    """ "20000", "20k", "5M", "1.5M" as a whole number; ValueError says what was expected."""
    if isinstance(text, (int, float)):
        value = float(text)
    else:
        raw = _together(text)
        scale = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}.get(raw[-1:], 1.0)
        try:
            value = float(raw[:-1] if scale != 1.0 else raw) * scale
        except ValueError:
            raise ValueError(f"{text!r} is not a number; write it as 20000, 20k or 5M") from None
    if not (value >= 1 and math.isfinite(value)):
        raise ValueError(f"a limit must be at least 1, got {text!r}")
    return int(value)


def parse_bytes(text: str | float | int) -> int:
    """ "800M", "2G", "1.5 GiB", 2_000_000_000 as bytes; letters count in thousands, with an i in 1024. ValueError says what
    was expected."""
    if isinstance(text, (int, float)):
        return parse_count(text)
    raw = _together(text).removesuffix("b").strip()
    binary = raw.endswith("i")
    raw = raw.removesuffix("i")
    power = {"k": 1, "m": 2, "g": 3, "t": 4}.get(raw[-1:], 0)
    try:
        value = float(raw[:-1] if power else raw) * (1024 if binary else 1000) ** power
    except ValueError:
        value = math.nan
    if not 1 <= value < math.inf:
        raise ValueError(f"{text!r} is not a number of bytes; write it as 50k, 800M or 2G")
    return int(value)


def parse_milliseconds(text: str | float | int) -> float:
    """ "0.5", "0.5ms", 0.5 as milliseconds; ValueError says what was expected."""
    try:
        value = float(text.strip().lower().removesuffix("ms")) if isinstance(text, str) else float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a latency; write it in milliseconds, as 0.5 or 0.5ms") from None
    if not 0 < value < math.inf:
        raise ValueError(f"a latency must be positive, got {text!r}")
    return value


def format_seconds(seconds: float) -> str:
    """12 -> "12s", 75 -> "1m15s", 5400 -> "1h30m"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s" if whole % 60 else f"{whole // 60}m"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
