"""Checks of one column's values: nothing in it, always the same, missing cells, a number of its own for every row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import says_something
from seedleaf.data.tables.audit.names import read_otherwise
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Column, Finding
from seedleaf.data.tables.words import plural, share

WHEN = re.compile(
    r"(^|[^a-z])(year|date|time|timestamp|epoch|unix|day|week|month|quarter|hour)s?([^a-z]|$)"
)  # these count, and say something
PASSES = re.compile(r"(^|[^a-z])(minute|min|second|sec|ms|elapsed|duration|age|cycle|step|t)s?([^a-z]|$)")
ONE_EACH = 0.95  # of the known texts differ: a name, not a category
FEWEST = 20  # rows below which "all differ" says little
NAMED = re.compile(r"(^|[^a-z])(id|ids|uuid|guid|key|idx|index|row|rownames?|nr|no|number|serial|code)$")
CLOCK = (4e8, 2.3e9)  # seconds since 1970, from 1982 to 2042
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def empty_columns(sheet: Sheet) -> Iterator[Verdict]:
    """Columns without a known cell."""
    for column in list(sheet.columns.values()):
        if column.kind == "category" and not column.levels:
            finding = Finding("empty", column.name, "no cell is known", "column dropped", sheet.n)
            yield Verdict(finding, "every cell is missing")
        elif column.kind == "number" and not column.n_values:
            said = f"no cell is a finite number ({sheet.raw(column.name).values[0][:20]!r})"
            yield Verdict(
                Finding("empty", column.name, said, "column dropped", sheet.n), "no cell is a number"
            )


def constants(sheet: Sheet) -> Iterator[Verdict]:
    """Columns with one value in every row. One value beside missing cells still says something, and stays."""
    for column in sheet.used:
        values = sheet.values(column.name)
        if column.n_values <= 1 and not sheet.missing(column.name).any():
            said = f"is {values[0] if values.dtype == object else format(values[0], 'g')} in every row"
            yield Verdict(
                Finding("constant", column.name, said, "column dropped", sheet.n),
                "it is the same in every row",
            )


def missing(sheet: Sheet) -> Iterator[Verdict]:
    """Cells that are empty or say that they are not known. What cannot be read is another check's."""
    for column in sheet.used:
        raw = sheet.raw(column.name)
        blank = sheet.silent(column.name)[0]
        if not blank:
            continue
        gone = np.isin(raw.codes, blank)
        count = int(gone.sum())
        written = Counter({raw.values[k]: int(c) for k, c in enumerate(np.bincount(raw.codes[gone])) if c})
        tokens = [repr(v) for v, _ in written.most_common(3) if v]
        how = f", written {', '.join(tokens)}" if tokens else ""
        said = f"{plural(count, 'cell is', 'cells are')} missing ({share(count / sheet.n)}{how})"
        action = "kept as missing; filled in or told apart within each fold"
        yield Verdict(Finding("missing", column.name, said, action, count, sheet.train.examples(gone)))


def identifiers(sheet: Sheet) -> Iterator[Verdict]:
    """Columns that name the row and say nothing about it."""
    for column in sheet.used:
        why = names_row(sheet, column)
        if why and column.kind == "category" and (other := _otherwise(sheet, column)):
            yield other
        elif why:
            finding = Finding("id", column.name, why, "column dropped", column.n_values)
            yield Verdict(finding, "it names the rows")
        elif column.kind == "number" and column.whole and _evenly_drawn(sheet, column):
            yield _kept_or_not(sheet, column)


def _otherwise(sheet: Sheet, column: Column) -> Verdict | None:
    """A column of texts that differ as names do, but are numbers or words that say something about the target."""
    called = NAMED.search(_called(column.name)) is not None
    if (found := read_otherwise(sheet, column, called)) is None:
        return None
    new, why = found
    known = (
        sheet.raw(column.name).counts[[v in set(column.levels) for v in sheet.raw(column.name).values]].sum()
    )
    said = f"{plural(len(column.levels), 'different text')} in {known:,} rows, such as {column.levels[0][:40]!r}: {why}"
    action = "kept, split into words" if new.kind == "text" else f"read as {new.kind}s"
    return Verdict(Finding("id", column.name, said, action, len(column.levels)), column=new)


def names_row(sheet: Sheet, column: Column) -> str:
    """How a column names the row, by its values or by what it is called; "" where it does not."""
    if column.kind == "category":
        return _name_of_row(sheet, column)
    return _number_of_row(sheet, column) if column.kind == "number" and column.whole else ""


def _name_of_row(sheet: Sheet, column: Column) -> str:
    known = int((~sheet.missing(column.name)).sum())
    if known < FEWEST or len(column.levels) < ONE_EACH * known:
        return ""
    different = plural(len(column.levels), "different value")
    return f"names the row: {different} in {known:,} rows, such as {column.levels[0][:40]!r}"


def _number_of_row(sheet: Sheet, column: Column) -> str:
    """Whole numbers that all differ and count the rows, or are called so."""
    values, called = _all_differ(sheet, column)
    n = len(values)
    if not n:
        return ""
    span = float(values.max() - values.min()) + 1
    if span <= 1.5 * n:
        return f"counts the rows: {n:,} different whole numbers from {values.min():.0f} to {values.max():.0f}"
    if NAMED.search(called):
        return f"is called and looks like a number of the row: {n:,} different whole numbers"
    return ""


def _all_differ(sheet: Sheet, column: Column) -> tuple[Array, str]:
    """The known values of a column, none where they repeat, are few or count time; its name in small letters."""
    values = sheet.values(column.name)
    values = values[~np.isnan(values)]
    if len(values) < FEWEST or column.n_values < len(values) * 0.999 or counts_time(column.name):
        values = values[:0]
    return values, _called(column.name)


def counts_time(name: str) -> bool:
    """Whether a column is called a date, a year, a time of day: such numbers say something though they all differ."""
    called = _called(name)
    return WHEN.search(called) is not None and not NAMED.search(called)


def passes(name: str) -> bool:
    """Whether a column is called what grows as time does: an age, a duration, a number of cycles."""
    return counts_time(name) or PASSES.search(_called(name)) is not None


def _called(name: str) -> str:
    return CAMEL.sub("_", name).lower()


def _evenly_drawn(sheet: Sheet, column: Column) -> bool:
    """Whether whole numbers lie as evenly as drawn ones: they may be a number given to each row, or an amount."""
    values, _ = _all_differ(sheet, column)
    return len(values) >= 100 and float(values.max() - values.min()) >= 1e4 and _even(values)


def _kept_or_not(sheet: Sheet, column: Column) -> Verdict:
    """Such numbers are dropped only where they say nothing about the target."""
    values, _ = _all_differ(sheet, column)
    said = f"may be a number given to each row: {len(values):,} different whole numbers, evenly spread"
    if CLOCK[0] <= values.min() and values.max() <= CLOCK[1]:
        action = "kept: they may be seconds since 1970"
    elif says_something(sheet, column):
        action = "kept: it says something about the target"
    else:
        said += ", that say nothing about the target"
        return Verdict(
            Finding("id", column.name, said, "column dropped", column.n_values), "it names the rows"
        )
    return Verdict(Finding("id", column.name, said, action, column.n_values))


def _even(values: Array) -> bool:
    """Whether numbers lie as if drawn evenly from their range (Kolmogorov-Smirnov at 1 %)."""
    x = np.sort(values)
    place = (x - x[0]) / (x[-1] - x[0])
    steps = np.arange(len(x)) / (len(x) - 1)
    return bool(np.abs(place - steps).max() * np.sqrt(len(x)) < 1.63)
