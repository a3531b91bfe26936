"""From bytes to text: by a mark, as UTF-8, or as Windows' Latin-1 where nothing in them is UTF-8."""

from __future__ import annotations

import re
from pathlib import Path

from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError

# What files that are no text begin with, and what to do about it.
OTHERS = {
    b"PAR1": "it is a Parquet file: call it .parquet",
    b"PK\x03\x04": "it is an Excel workbook or a zip archive: save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook: save the sheet as CSV",
    b"SQLite format 3": "it is an SQLite database: export the table as CSV",
    b"BZh": "it is packed with bzip2: unpack it, or pack it with gzip",
    b"\xfd7zXZ": "it is packed with xz: unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "it is packed with zstd: unpack it, or pack it with gzip",
}
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
LINE_END = re.compile("\r\n|\r|\n")
BROKEN = re.compile("[\udc80-\udcff]+")  # as `surrogateescape` keeps bytes that are not UTF-8
LISTED = 5  # lines that a finding names


def decode(raw: bytes, path: Path, findings: list[Finding]) -> tuple[str, str]:
    """Text to learn from and the name of its encoding. Where most letters beyond ASCII are UTF-8, the bytes that are not are
    replaced; where they are not, the whole is read as Windows' Latin-1. Either is a finding."""
    name = _marked(raw, path)
    try:
        return _sane(raw.decode(name), path), name
    except UnicodeDecodeError as error:
        if name == "utf-16":
            raise DataError(f"{path} begins as {name} and is not: byte {error.start}") from None
        broken = error
    valid, lost = _letters(raw)
    if valid > lost:
        text = _sane(raw.decode(name, "replace"), path)
        findings.append(_replaced(raw, lost))
        return text, name
    if name == "utf-8-sig":
        raise DataError(f"{path} begins as {name} and is not: {_where(broken)}")
    line = _line(raw, broken.start)
    text = _sane(raw.decode("cp1252", "replace"), path)
    findings.append(Finding("encoding", "", f"line {line} is not UTF-8", "read as Latin-1 (cp1252)", 1))
    return text, "cp1252"


def decode_rows(raw: bytes, path: Path, findings: list[Finding], trained: str) -> str:
    """The text of rows to predict, by a model whose training file was `trained`. A byte in one row does not change how the
    others are read: DataError where there are letters in UTF-8 and bytes that are not. A file without any such letter is
    plainly of another encoding, and so is one with few, if the training file was."""
    name = _marked(raw, path)
    if name != "utf-16":
        try:
            return _sane(raw.decode(name), path)
        except UnicodeDecodeError as error:
            valid, lost = _letters(raw)
            if name == "utf-8-sig" or valid > (lost if trained == "cp1252" else 0):
                raise DataError(
                    f"{path}, {_where(error)} is not UTF-8, as other letters of the file are: save it as UTF-8"
                ) from None
    return decode(raw, path, findings)[0]


def _marked(raw: bytes, path: Path) -> str:
    """The encoding that the mark at its beginning says; UTF-8 without one."""
    for start, what in OTHERS.items():
        if raw.startswith(start):
            raise DataError(f"{path} is not a table of text: {what}")
    return next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8")


def _letters(raw: bytes) -> tuple[int, int]:
    """How many letters beyond ASCII are UTF-8, a mark among them, and how many bytes are not."""
    kept = raw.decode("utf-8", "ignore")
    return len(kept) - len(kept.encode("ascii", "ignore")), len(raw) - len(kept.encode("utf-8"))


def _replaced(raw: bytes, lost: int) -> Finding:
    """What is said of a file that is UTF-8 but for some bytes."""
    text, at, line = raw.decode("utf-8", "surrogateescape"), 0, 1
    lines: list[int] = []
    for found in BROKEN.finditer(text):
        line, at = line + len(LINE_END.findall(text, at, found.start())), found.start()
        lines += [line] if line not in lines[-1:] else []
    which = ", ".join(f"{n:,}" for n in lines[:LISTED]) + (", …" if len(lines) > LISTED else "")
    said = f"{plural(lost, 'byte is', 'bytes are')} not UTF-8, in {'line' if len(lines) == 1 else 'lines'} {which}"
    return Finding("encoding", "", said, "read as UTF-8, a \ufffd in their place", len(lines))


def _where(error: UnicodeDecodeError) -> str:
    raw, at = error.object, error.start  # without the mark
    begun = max(raw.rfind(b"\n", 0, at), raw.rfind(b"\r", 0, at)) + 1
    return f"line {_line(raw, at):,}: its byte {at - begun + 1:,} (0x{raw[at]:02x})"


def _line(raw: bytes, at: int) -> int:
    return 1 + len(LINE_END.findall(raw[:at].decode("latin-1")))


def _sane(text: str, path: Path) -> str:
    """`text`, unless it is none."""
    head = text[: 1 << 20]
    odd = sum(head.count(chr(code)) for code in range(32) if code not in (9, 10, 11, 12, 13, 26))
    if "\0" in head or odd > len(head) / 100:
        line = head.count("\n", 0, head.find("\0")) + 1 if "\0" in head else 0
        wide = head.count("\0") > len(head) / 4
        what = "UTF-16 or UTF-32 without its mark? save it as UTF-8" if wide else "a binary file?"
        where = f" from line {line} on" if line else ""
        raise DataError(f"{path} is not a table of text: it holds control characters{where} ({what})")
    return text.replace("\x1a", "")
