"""The pictures in files: which can be read, one size and colour for all of them, their pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from seedleaf.data.decode import Header, Unreadable, decode, is_coloured, read_header, to_channels
from seedleaf.data.depth import tell_mode
from seedleaf.data.files import Tally, shown
from seedleaf.data.raw import Part
from seedleaf.data.scale import Scale
from seedleaf.data.spec import Array, Pixels

MAX_SIDE = 64  # pixels of the longer side: above it a light model spends its limit on resolution
# Long pictures would be slivers: their shorter side keeps as many as this, as far as the longer one has LONGEST then; and
# none has more pixels than a square of MAX_SIDE.
LEAST_SIDE, LONGEST = 32, 128
COLOUR_FROM = 0.01  # share of truly coloured pictures from which the whole set is read in colour
Size = int | tuple[int, int] | None  # the longer side, a height and width, or what is usual
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that may be a picture, and the class that its folder gives it."""

    path: Path
    label: str


def in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


def _try_header(entry: Entry) -> Header | Unreadable:
    try:
        return read_header(entry.path)
    except Unreadable as error:
        return error


def survey(entries: list[Entry], root: Path, tally: Tally) -> list[tuple[Entry, Header]]:
    """The entries that are pictures, by their headers."""
    kept: list[tuple[Entry, Header]] = []
    for entry, head in zip(entries, in_threads(_try_header, entries), strict=True):
        example = shown(entry.path.relative_to(root))
        if isinstance(head, Header):
            kept.append((entry, head))
            tally.note("Only the first frame of animated images was used", example, int(head.frames))
            tell_mode(head, example, tally)
        else:
            _tell_unreadable(head, example, tally)
    return kept


def _tell_unreadable(error: Unreadable, example: str, tally: Tally) -> None:
    if error.is_image:
        tally.leave_out("Images that cannot be read were left out", f"{example} ({error})")
    else:
        tally.leave_out("Files that are not images were left out", example)


def size_of(heads: list[Header], wanted: Size) -> tuple[int, int]:
    """The median height and width, the longer brought down to the side `wanted` or, where none is, to MAX_SIDE; but of
    pictures that are more than twice as long as they are wide no further than leaves them LEAST_SIDE, up to LONGEST."""
    if isinstance(wanted, tuple):
        return wanted
    height, width = (float(np.median([getattr(h, name) for h in heads])) for name in ("height", "width"))
    longer, shorter = max(height, width), min(height, width)
    most = wanted if wanted is not None else min(max(MAX_SIDE, LEAST_SIDE * longer / shorter), LONGEST)
    shrink = min(1.0, most / longer)
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def tell_resized(
    pairs: list[tuple[Entry, Header]], size: tuple[int, int], wanted: Size, root: Path, tally: Tally
) -> None:
    height, width = size
    what = f"Images of another size were resized to {height}×{width} (height × width)"
    # Pictures are never enlarged: a side is advice where they were made smaller.
    if wanted is None and sum(max(h.height, h.width) > max(size) for _, h in pairs) > len(pairs) / 2:
        what += "; a larger side is kept by side=N, --side N"
    for entry, head in pairs:
        if (head.height, head.width) != (height, width):
            tally.note(what, f"{shown(entry.path.relative_to(root))} ({head.height}×{head.width})")


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """N pictures that could be decoded: their entries, pixels N×H×W×C and which of them have true colour."""

    entries: list[Entry]
    x: Pixels
    coloured: Array


def decode_all(
    pairs: list[tuple[Entry, Header]], size: tuple[int, int], scale: Scale, root: Path, tally: Tally
) -> Decoded:
    channels = 1 if all(head.grey for _, head in pairs) else 3
    x = np.empty((len(pairs), *size, channels), np.uint8)

    def work(index: int) -> bool | Unreadable:
        try:
            pixels = decode(pairs[index][0].path, *size, scale)
        except Unreadable as error:
            return error
        x[index] = to_channels(pixels, channels)
        return is_coloured(pixels)

    results = in_threads(work, range(len(pairs)))
    for (entry, _), result in zip(pairs, results, strict=True):
        if isinstance(result, Unreadable):
            _tell_unreadable(result, shown(entry.path.relative_to(root)), tally)
    good = np.array([not isinstance(r, Unreadable) for r in results], dtype=bool)
    entries = [entry for (entry, _), ok in zip(pairs, good, strict=True) if ok]
    coloured = np.array([r is True for r in results], dtype=bool)[good]
    return Decoded(entries, x if good.all() else x[good], coloured)


def channels_of(train: Decoded, tally: Tally) -> int:
    """1 or 3, by the share of training pictures with true colour."""
    n, coloured = len(train.entries), int(train.coloured.sum())
    if coloured == 0 or coloured == n:
        return 3 if coloured else 1
    odd = train.coloured if coloured < COLOUR_FROM * n else ~train.coloured
    example = shown(train.entries[int(odd.argmax())].path.name)
    if coloured < COLOUR_FROM * n:
        tally.note("Coloured images were turned grey, as nearly all are grey", example, coloured)
        return 1
    tally.note("Grey images were read as colour, as others are coloured", example, n - coloured)
    return 3


def part_of(decoded: Decoded, channels: int, root: Path, part: str) -> Part:
    labels = np.array([entry.label for entry in decoded.entries], dtype=str)
    files = tuple(shown(entry.path.relative_to(root)) for entry in decoded.entries)
    where = f"{shown(root)}, {part}"
    return Part(to_channels(decoded.x, channels), labels, where, where, files)
