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

import numpy as np

from seedleaf.data.tables.cells import BLANKS, TOKENS, RawColumn, RawTable
from seedleaf.data.tables.numbers import read_plain
from seedleaf.data.tables.schema import Finding
from seedleaf.errors import DataError

SEPARATORS = "\t;|,"  # the order of preference where several fit equally
PACKED, PARQUET = (".gz",), (".parquet", ".pq")
LOOK = 500  # records that are looked at to find the separator and the header
MOST_BYTES = 4 << 30  # unpacked
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
    width = usual_width(row for _, row in rows[:LOOK])
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


def decode(raw: bytes, path: Path, findings: list[Finding]) -> tuple[str, str]:
    """Text and the name of its encoding: by its mark, else UTF-8, else Windows' Latin-1 (a finding)."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            try:
                return _sane(raw.decode(name), path), name
            except UnicodeDecodeError as error:
                raise DataError(f"{path} begins as {name} and is not: byte {error.start}") from None
    try:
        return _sane(raw.decode("utf-8"), path), "utf-8"
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    text = _sane(raw.decode("cp1252", "replace"), path)
    findings.append(Finding("encoding", "", f"line {line} is not UTF-8", "read as Latin-1 (cp1252)", 1))
    return text, "cp1252"


def _sane(text: str, path: Path) -> str:
    """`text`, unless it is none."""
    head = text[: 1 << 20]
    odd = sum(head.count(chr(code)) for code in range(32) if code not in (9, 10, 11, 12, 13, 26))
    if "\0" in head or odd > len(head) / 100:
        raise DataError(f"{path} is not a table of text: it holds control characters (a binary file?)")
    return text.replace("\x1a", "")


def sniff(text: str, path: Path) -> str:
    """The separator under which most records have the same number of cells, at least two."""
    head = text[: 1 << 18]
    if len(head) < len(text):
        head = head[: head.rfind("\n") + 1] or head
    best, best_share = "", 0.0
    for separator in SEPARATORS + " ":
        widths = Counter(len(row) for row in _some(head, separator))
        if not widths:
            raise DataError(f"{path}: the file is empty")
        width, count = max(widths.items(), key=lambda kv: (kv[0] >= 2, kv[1], kv[0]))
        share = count / sum(widths.values()) if width >= 2 else 0.0
        if share > best_share + (0.02 if separator != " " else 0.3):
            best, best_share = separator, share
    return best or ","


def _some(head: str, separator: str) -> list[list[str]]:
    rows = []
    try:
        for _, row in _parse(head, separator, csv.QUOTE_MINIMAL):
            rows.append(row)
            if len(rows) >= LOOK:
                break
    except csv.Error:
        pass
    return rows


def _parse(text: str, separator: str, quoting: Literal[0, 3]) -> Iterator[tuple[int, list[str]]]:
    """(line of the file in which it ends, cells) of each record that is not blank."""
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=separator, quoting=quoting, skipinitialspace=True)
    for row in reader:
        if separator == " " and row and not row[-1]:
            row = [cell for cell in row if cell]
        if row and (len(row) > 1 or row[0].strip(BLANKS)):
            yield reader.line_num, row


def records(text: str, separator: str, path: Path, findings: list[Finding]) -> list[tuple[int, list[str]]]:
    """All records. A quote that is never closed, and so would swallow what follows, is read as a character."""
    try:
        rows = list(_parse(text, separator, csv.QUOTE_MINIMAL))
        last = max((cell.count("\n") for _, row in rows for cell in row if "\n" in cell), default=0)
        swallowed = last > 200 or (bool(rows) and "\n" in rows[-1][1][-1] and text.count('"') % 2 == 1)
    except csv.Error:
        swallowed = True
    if not swallowed:
        return rows
    findings.append(
        Finding("quotes", "", "a quote is opened and never closed", "quotes read as plain characters", 1)
    )
    try:
        return list(_parse(text, separator, csv.QUOTE_NONE))
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from None


def usual_width(rows: Iterable[list[str]]) -> int:
    """How many cells most rows have."""
    return Counter(len(row) for row in rows).most_common(1)[0][0]


def is_header(rows: list[list[str]], width: int, names: Iterable[str]) -> bool:
    """Whether the first row holds names: text above numbers says yes, values that stand below too say no."""
    first = [cell.strip(BLANKS) for cell in rows[0]]
    below = [row for row in rows[1:] if len(row) == width]
    if len(rows) == 1 or not below or set(names) & set(first):
        return True
    if len(first) != width and len(first) != width - 1:
        return False
    shift = width - len(first)
    text_above, number_above, repeated, texts = 0, 0, 0, 0
    for k, name in enumerate(first):
        column = [row[k + shift].strip(BLANKS) for row in below]
        known = [cell for cell in column if cell.lower() not in TOKENS]
        if not known or name.lower() in TOKENS:
            continue
        numeric = sum(read_plain(cell) == read_plain(cell) for cell in known) >= 0.9 * len(known)
        if numeric:
            above = read_plain(name) == read_plain(name)
            number_above, text_above = number_above + above, text_above + (not above)
        else:
            texts, repeated = texts + 1, repeated + (name in known)
    if text_above or number_above:
        counted = [str(k) for k in range(len(first))]
        return text_above > 0 or first == counted
    return repeated * 3 < texts or texts == 0


def column_names(
    rows: list[tuple[int, list[str]]], width: int, header: bool, findings: list[Finding]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names, unique and never empty, and the rows of data."""
    if not header:
        return [f"column{k + 1}" for k in range(width)], rows
    first = [cell.strip(BLANKS) for cell in rows[0][1]]
    body = rows[1:]
    if body and width == len(first) + 1:  # as R and some of pandas write an index
        first = ["", *first]
    names: list[str] = []
    blank = twice = 0
    for k, name in enumerate(first):
        if not name:
            name, blank = f"column{k + 1}", blank + 1
        stem, number = name, 2
        if name in names:
            twice += 1
            while name in names or name in first:
                name, number = f"{stem}.{number}", number + 1
        names.append(name)
    if blank:
        findings.append(
            Finding("no-name", "", f"{blank} columns have no name", "called by their place", blank)
        )
    if twice:
        findings.append(
            Finding("same-name", "", f"{twice} columns repeat a name", "numbered: x, x.2, …", twice)
        )
    return names, body


def fill(
    source: str, names: list[str], body: list[tuple[int, list[str]]], findings: list[Finding]
) -> RawTable:
    """Columns out of rows. Rows that are too long are dropped, rows that are too short end in missing cells."""
    width = len(names)
    kept: list[list[str]] = []
    kept_rows: list[int] = []
    short: list[int] = []
    long: list[int] = []
    first_long = (0, 0)
    for k, (line, row) in enumerate(body):
        if len(row) > width and not any(cell.strip(BLANKS) for cell in row[width:]):
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
    if odd > max(1, len(body) / 2):
        k = (short + long)[0]
        line, row = body[k - 1]
        raise DataError(
            f"{source}, line {line}: {len(row)} cells where the names are {width}, and so in {odd} of {len(body)} rows: "
            "is the separator another?"
        )
    if long:
        said = f"{len(long)} rows have more than {width} cells (line {first_long[0]} has {first_long[1]})"
        findings.append(Finding("ragged", "", said, "dropped", len(long), tuple(long[:5])))
    if short:
        said = f"{len(short)} rows have fewer than {width} cells"
        findings.append(
            Finding("ragged", "", said, "the rest of them counts as missing", len(short), tuple(short[:5]))
        )
    columns = {name: _column(row[k] for row in kept) for k, name in enumerate(names)}
    return RawTable(source, columns, np.asarray(kept_rows, dtype=np.int64))


def _column(cells: Iterable[str]) -> RawColumn:
    seen: dict[str, int] = {}
    codes = [seen.setdefault(cell.strip(BLANKS), len(seen)) for cell in cells]
    return RawColumn(tuple(seen), np.asarray(codes, dtype=np.int32))
