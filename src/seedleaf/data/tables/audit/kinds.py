"""Checks of what columns hold: numbers and dates stored as text, free text, many categories."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from seedleaf.data.tables.audit.notations import notations
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.column import LARGEST
from seedleaf.data.tables.dates import OR
from seedleaf.data.tables.infer_dates import exchanged
from seedleaf.data.tables.schema import Column, Finding
from seedleaf.data.tables.words import plural

MANY_LEVELS = 50  # categories beyond which one-hot columns stop making sense


def numbers_as_text(sheet: Sheet) -> Iterator[Verdict]:
    """Numbers that a plain reader would not see: other marks, units, text between them."""
    for column in sheet.used:
        if column.kind != "number":
            continue
        raw = sheet.raw(column.name)
        said: list[str] = []
        if not column.style.plain:
            what = "times" if column.style.clock else "numbers"
            said.append(f"{what} are written like {_example(column, _read(sheet, column))!r}")
        elif sheet.train.worded is not None and column.name in sheet.train.worded:
            said.append("numbers are stored as text")
        said += notations(column, raw)
        unread = [k for k in sheet.silent(column.name)[1] if not _endless(column, raw.values[k])]
        if unread:
            cells = {raw.values[k]: int(raw.counts[k]) for k in unread}
            said.append(f"{plural(sum(cells.values()), 'cell')} ({_some(cells)}) {_be(cells)} no number")
        if said:
            known = int((~np.isnan(sheet.values(column.name))).sum())
            where = sheet.train.examples(np.isin(raw.codes, unread))
            action = f"read as {'hours' if column.style.clock else plural(known, 'number')}"
            action += ", the others as missing" if unread else ""
            yield Verdict(Finding("number-as-text", column.name, "; ".join(said), action, known, where))


def infinities(sheet: Sheet) -> Iterator[Verdict]:
    """Numbers without an end, or so large that no learner can use them."""
    for column in sheet.used:
        if column.kind != "number":
            continue
        raw = sheet.raw(column.name)
        beyond = {k: raw.values[k] for k in sheet.silent(column.name)[1] if _endless(column, raw.values[k])}
        if beyond:
            cells = {v: int(raw.counts[k]) for k, v in beyond.items()}
            endless = all(math.isinf(column.style.read(v)) for v in cells)
            how = "infinite" if endless else f"infinite or beyond {LARGEST:g}"
            said = f"{plural(sum(cells.values()), 'cell')} ({_some(cells)}) {_be(cells)} {how}"
            where = sheet.train.examples(np.isin(raw.codes, list(beyond)))
            yield Verdict(
                Finding("infinite", column.name, said, "read as missing", sum(cells.values()), where)
            )


def _endless(column: Column, text: str) -> bool:
    return abs(column.style.read(text)) > LARGEST


def _be(cells: dict[str, int]) -> str:
    return "is" if sum(cells.values()) == 1 else "are"


def _read(sheet: Sheet, column: Column) -> list[str]:
    """The distinct texts of a column of numbers or dates that are read: no example is one that is not."""
    known = ~np.isnan(sheet.per_value(column.name))
    return [v for v, read in zip(sheet.raw(column.name).values, known, strict=True) if read]


def _example(column: Column, values: list[str]) -> str:
    """A number as it is written, one that shows the most of its style."""
    marks = [m for m in (column.thousands, column.decimal, column.prefix, column.suffix, *column.before) if m]
    return max(values[:500], key=lambda v: (sum(m in v for m in marks), -len(v)))


def _some(cells: dict[str, int]) -> str:
    return ", ".join(repr(v[:20]) for v, _ in Counter(cells).most_common(3))


def dates_as_text(sheet: Sheet) -> Iterator[Verdict]:
    """Columns of dates; where day and month could be exchanged it says so."""
    worded = sheet.train.worded
    for column in sheet.used:
        if column.kind != "date":
            continue
        raw, values = sheet.raw(column.name), sheet.values(column.name)
        known = int((~np.isnan(values)).sum())
        unread = sheet.silent(column.name)[1]
        lost = np.isin(raw.codes, unread)
        if worded is not None and column.name not in worded and not unread:
            continue
        said = f"dates are written like {_read(sheet, column)[0]!r}"
        if other := _other_order(column.date_format, raw.values):
            said += f" and would fit {other} as well"
        if lost.any():
            cells = {raw.values[k]: int(raw.counts[k]) for k in unread}
            said += f"; {plural(int(lost.sum()), 'cell')} ({_some(cells)}) {_be(cells)} no such date"
        action = f"read as {column.date_format}" + (", those cells as missing" if lost.any() else "")
        yield Verdict(Finding("date-as-text", column.name, said, action, known, sheet.train.examples(lost)))


def _other_order(form: str, values: tuple[str, ...]) -> str:
    """The formats with day and month exchanged, where all values fit them too."""
    forms = form.split(OR)
    others = [exchanged(one, values) for one in forms if "%m" in one and not one.startswith("%Y")]
    return OR.join(others) if others and all(others) else ""


def free_text(sheet: Sheet) -> Iterator[Verdict]:
    """Columns of sentences."""
    for column in sheet.used:
        if column.kind == "text":
            known = ~sheet.missing(column.name)
            words = float(np.mean([len(v.split()) for v in sheet.raw(column.name).values]))
            said = f"free text, {words:.0f} words on average"
            yield Verdict(Finding("free-text", column.name, said, "split into words", int(known.sum())))


def many_levels(sheet: Sheet) -> Iterator[Verdict]:
    """Categories so many that each has few rows."""
    for column in sheet.used:
        if column.kind != "category" or len(column.levels) <= MANY_LEVELS:
            continue
        rows = (~sheet.missing(column.name)).sum() / len(column.levels)
        said = f"{plural(len(column.levels), 'category', 'categories')}, {rows:.1f} rows each on average"
        action = "encoded by what the target is like under each, not as one column each"
        yield Verdict(Finding("many-levels", column.name, said, action, len(column.levels)))
