"""From records to columns: is the first row a header, what are the names, and rows that are too long or too short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from seedleaf.data.tables.cells import BLANKS, TOKEN_SET, RawColumn, RawTable
from seedleaf.data.tables.numbers import NumberStyle, read_all, read_plain
from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError

Records = list[tuple[int, list[str]]]  # (line of the file, cells)
LOOK_CELLS = 50_000  # and no more cells than that
LOOK = 500  # records that are looked at to find the header


def trim(rows: Records, findings: list[Finding]) -> tuple[Records, int]:
    """The records without lines of prose above them, and how many cells most of them have, empty last ones not counted."""
    width = Counter(len(row) for _, row in rows[:LOOK]).most_common(1)[0][0]
    while width > 2 and all(_blank_at(row, width - 1) for _, row in rows[:LOOK]):
        width -= 1
    prose = 0
    while width > 2 and prose < len(rows) - 2 and not any(cell.strip(BLANKS) for cell in rows[prose][1][1:]):
        prose += 1
    if prose:
        said = f"{plural(prose, 'line')} above the table, such as {rows[0][1][0][:40]!r}"
        findings.append(Finding("prose", "", said, "not read", prose))
    return rows[prose:], width


def _blank_at(row: list[str], place: int) -> bool:
    return not any(cell.strip(BLANKS) for cell in row[place:])


def is_header(rows: list[list[str]], width: int, names: Iterable[str]) -> bool:
    """Whether the first row holds names: text above numbers says yes, values that stand below too say no."""
    first = _first(rows[0], width)
    below = [row for row in rows[1:] if len(row) >= width and _blank_at(row, width)]
    below = below[: max(20, LOOK_CELLS // width)]
    if len(rows) == 1 or not below or set(names) & set(first):
        return True
    if len(first) != width and len(first) != width - 1:  # names of another width, or one odd row of data
        return len(set(first)) == len(first) > 1 and not any(
            _number(c) or c.lower() in TOKEN_SET for c in first
        )
    shift = width - len(first)
    text_above, number_above, repeated, texts = 0, 0, 0, 0
    for k, name in enumerate(first):
        column = [row[k + shift].strip(BLANKS) for row in below]
        known = [cell for cell in column if cell.lower() not in TOKEN_SET]
        if not known or name.lower() in TOKEN_SET:
            continue
        numeric = np.isnan(read_all(known, NumberStyle())).mean() <= 0.1
        if numeric:
            above = _number(name)
            number_above, text_above = number_above + above, text_above + (not above)
        else:
            texts, repeated = texts + 1, repeated + (name in known)
    if text_above or number_above:
        counted = [str(k) for k in range(len(first))]
        return text_above > 0 or first == counted
    return repeated * 3 < texts or texts == 0


def _first(row: list[str], width: int) -> list[str]:
    """The cells of the first row, without empty ones behind the table's width."""
    return [cell.strip(BLANKS) for cell in (row[:width] if _blank_at(row, width) else row)]


def _number(text: str) -> bool:
    value = read_plain(text)
    return value == value


def column_names(
    rows: Records, width: int, header: bool, findings: list[Finding]
) -> tuple[list[str], Records]:
    """Names, unique and never empty, and the rows of data."""
    if not header:
        return [f"column{k + 1}" for k in range(width)], rows
    first = _first(rows[0][1], width)
    body = rows[1:]
    if body and width == len(first) + 1:  # as R and some of pandas write an index
        first = ["", *first]
    names: list[str] = []
    taken = set(first)
    given: set[str] = set()
    blank, twice = 0, list[str]()
    for k, name in enumerate(first):
        if not name:
            name, blank = f"column{k + 1}", blank + 1
        stem, number = name, 2
        if name in given:
            twice.append(name)
            while name in given or name in taken:
                name, number = f"{stem}.{number}", number + 1
        given.add(name)
        names.append(name)
    if blank:
        findings.append(
            Finding(
                "no-name",
                "",
                f"{plural(blank, 'column has', 'columns have')} no name",
                "called by their place",
                blank,
            )
        )
    if twice:
        findings.append(
            Finding(
                "same-name",
                "",
                f"{plural(len(twice), 'column repeats', 'columns repeat')} a name: "
                + ", ".join(dict.fromkeys(twice[:5])),
                "numbered: x, x.2, …",
                len(twice),
            )
        )
    return names, body


def fill(
    source: str, names: list[str], body: Records, findings: list[Finding], most: bool = True
) -> RawTable:
    """Columns out of rows. Rows that are too long are dropped, rows that are too short end in missing cells; DataError where
    `most` are either, unless that has been looked at."""
    width = len(names)
    kept: list[list[str]] = []
    kept_rows: list[int] = []
    short: list[int] = []
    long: list[int] = []
    first_long = (0, 0)
    for k, (line, row) in enumerate(body):
        if len(row) > width and _blank_at(row, width):
            row = row[:width]
        if len(row) > width:
            first_long = first_long if long else (line, len(row))
            long.append(k + 1)
            continue
        if len(row) < width:
            short.append(k + 1)
            row = row + [""] * (width - len(row))
        kept.append(row)
        kept_rows.append(k + 1)
    odd = len(short) + len(long)
    if most and odd > max(1, len(body) / 2):
        k = (short + long)[0]
        line, row = body[k - 1]
        raise DataError(
            f"{source}, line {line}: {len(row)} cells where the names are {width}, and so in {odd} of {len(body)} rows: "
            "is the separator another?"
        )
    if long:
        where = f"line {first_long[0]} has {first_long[1]}"
        said = f"{plural(len(long), 'row has', 'rows have')} more than {width} cells ({where})"
        findings.append(Finding("ragged", "", said, "dropped", len(long), tuple(long[:5])))
    if short:
        said = f"{plural(len(short), 'row has', 'rows have')} fewer than {width} cells"
        findings.append(
            Finding("ragged", "", said, "the rest of them counts as missing", len(short), tuple(short[:5]))
        )
    cells: Iterable[Sequence[str]] = zip(*kept, strict=True) if kept else [()] * width
    columns = {name: _column(column) for name, column in zip(names, cells, strict=True)}
    return RawTable(source, columns, np.asarray(kept_rows, dtype=np.int64))


def _column(cells: Iterable[str]) -> RawColumn:
    texts = [cell.strip(BLANKS) for cell in cells]
    seen = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    return RawColumn(tuple(seen), np.asarray([seen[text] for text in texts], dtype=np.int32))
