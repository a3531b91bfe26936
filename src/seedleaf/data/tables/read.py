"""From a file to a table of texts: packing, encoding, separator, header, ragged rows. Whatever is odd becomes a finding."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from seedleaf.data.tables.cells import BLANKS, RawTable
from seedleaf.data.tables.encoding import decode
from seedleaf.data.tables.layout import column_names, fill, is_header, trim
from seedleaf.data.tables.schema import Finding
from seedleaf.errors import DataError

SEPARATORS = "\t;|,"  # the order of preference where several fit equally
PACKED, PARQUET = (".gz",), (".parquet", ".pq")
LOOK = 500  # records that are looked at to find the separator and the header
MOST_BYTES = 4 << 30  # unpacked
MOST_LINES = 200  # in one record; more is an unclosed quote
NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "blanks"}


def read_file(path: Path, names: Iterable[str] = ()) -> tuple[RawTable, list[Finding], dict[str, str]]:
    """A CSV or TSV file (also .gz): its cells, what was odd, and how it was read.

    `names` are columns that the caller asked for: a first row that has one of them is a header. Raises DataError, naming
    the file and where it can the line, for what is no table.
    """
    findings: list[Finding] = []
    text, encoding = decode(unpack(path), path, findings)
    separator = sniff(text, path)
    rows = records(text, separator, path, findings)
    if not rows:
        raise DataError(f"{path}: the file is empty")
    if why := no_table(text, max(len(row) for _, row in rows[:LOOK])):
        raise DataError(f"{path} is not a table with a separator: {why}")
    rows, width = trim(rows, findings)
    header = is_header([row for _, row in rows[:LOOK]], width, names)
    columns, body = column_names(rows, width, header, findings)
    table = fill(str(path), columns, body, findings)
    notes = {"separator": NAMES[separator], "encoding": encoding, "header": "yes" if header else "no"}
    if not header:
        findings.append(
            Finding(
                "no-header",
                "",
                "the first row is data, not names",
                f"columns are called {columns[0]} to {columns[-1]}",
            )
        )
    return table, findings, notes


def unpack(path: Path) -> bytes:
    """The bytes of a file, gunzipped where it says or shows that it is packed."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a table")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is not a whole gzip file: {error}") from None
        if len(raw) > MOST_BYTES:
            raise DataError(f"{path} holds more than {MOST_BYTES >> 30} GiB unpacked")
    elif path.suffix.lower() in PACKED:
        raise DataError(f"{path} is called .gz but is not a gzip file")
    return raw


def no_table(text: str, width: int) -> str:
    """What a text is in place of a table, "" where nothing says so. `width`: cells in its widest row."""
    head = text[:2_000].lstrip(BLANKS)
    if head[:1] in "{[" and text.rstrip(BLANKS)[-1:] in "}]" and '"' in head and ":" in head:
        return "it looks like JSON; save the table as CSV"
    if head[:15].lower().startswith(("<!doctype html", "<html", "<?xml")):
        return "it is a web page or XML"
    if width > 1:
        return ""
    first = head.splitlines()[0]
    odd = next((mark for mark in "~:^/#&*" if first.count(mark) > 0), "")
    known = "tab, semicolon, bar, comma, blanks"
    return (
        f"its rows have one cell, such as {first[:40]!r}; separators that are known: {known}" if odd else ""
    )


def sniff(text: str, path: Path) -> str:
    """The separator under which most records have the same number of cells, at least two."""
    head = text[: 1 << 18]
    if len(head) < len(text):
        head = head[: head.rfind("\n") + 1] or head
    best, best_share = "", 0.0
    for separator in SEPARATORS + " ":
        widths = Counter(len(row) for row in first_rows(head, separator))
        if not widths:
            raise DataError(f"{path}: the file is empty")
        width, count = max(widths.items(), key=lambda kv: (kv[0] >= 2, kv[1], kv[0]))
        share = count / sum(widths.values()) if width >= 2 else 0.0
        if share > best_share + (0.02 if separator != " " else 0.3):
            best, best_share = separator, share
    return best or ","


def first_rows(head: str, separator: str) -> list[list[str]]:
    """The first records as this separator makes them."""
    rows = []
    try:
        for _, row in _parse(head, separator, csv.QUOTE_MINIMAL):
            rows.append(row)
            if len(rows) >= LOOK:
                break
    except csv.Error:
        pass
    return rows


def lines_of(text: str) -> list[str]:
    """The lines of a text as the reader of records counts them, each with its end."""
    return io.StringIO(text, newline="").readlines()


def _parse(
    text: str, separator: str, quoting: Literal[0, 3], lone: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """(line of the file in which it ends, cells) of each record that is not blank. With `lone` a cell that is quoted and
    empty is no blank record, even if it is alone."""
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=separator, quoting=quoting, skipinitialspace=True)
    lines: list[str] = []
    for row in reader:
        if separator == " " and len(row) > 1 and not row[-1]:
            row.pop()  # a blank at the line's end
        if not row or (len(row) == 1 and not row[0].strip(BLANKS)):
            if not (row and lone):
                continue
            lines = lines or lines_of(text)
            if '"' not in lines[reader.line_num - 1]:
                continue
        yield reader.line_num, row


def records(
    text: str, separator: str, path: Path, findings: list[Finding], lone: bool = False
) -> list[tuple[int, list[str]]]:
    """All records. A quote that is never closed, and so would swallow what follows, is read as a character."""
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend(_parse(text, separator, csv.QUOTE_MINIMAL, lone))
        line = _swallower(rows, text) if '"' in text else 0
    except csv.Error:  # a cell without an end
        line = rows[-1][0] + 1 if rows else 1
    if not line:
        return rows
    said = f"line {line} opens a quote that is never closed"
    findings.append(Finding("quotes", "", said, "quotes read as plain characters", 1))
    try:
        return list(_parse(text, separator, csv.QUOTE_NONE))
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from None


def _swallower(rows: list[tuple[int, list[str]]], text: str) -> int:
    """The line in which a record begins that an unclosed quote has made too long; 0 where there is none."""
    spans = [(sum(cell.count("\n") for cell in row), line) for line, row in rows]
    longest, line = max(spans, default=(0, 0))
    if longest <= MOST_LINES and spans and spans[-1][0] and text.count('"') % 2:
        longest, line = spans[-1]
    elif longest <= MOST_LINES:
        return 0
    return line - longest + text.endswith("\n")  # the last record counts the line that is not there
