"""A folder of class folders: which files are pictures, of what size and colour, and their pixels."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from seedleaf.data.decode import (
    Header,
    Unreadable,
    decode,
    is_coloured,
    pillow_ready,
    read_header,
    to_channels,
)
from seedleaf.data.depth import folder_scale, tell_mode
from seedleaf.data.files import Tally, list_files, shown
from seedleaf.data.raw import Part, Raw
from seedleaf.data.scale import Scale
from seedleaf.data.spec import Array, Pixels
from seedleaf.errors import DataError

MAX_SIDE = 64  # pixels of the longer side: above it a light model spends its limit on resolution
# Long pictures would be slivers: their shorter side keeps as many as this, as far as the longer one has LONGEST then. Others
# stay as they were, so that runs go on; and none has more pixels than a square of MAX_SIDE.
LEAST_SIDE, LONGEST = 32, 128
COLOUR_FROM = 0.01  # share of truly coloured pictures from which the whole set is read in colour
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "valid"
)
T = TypeVar("T")
R = TypeVar("R")
LAYOUT = "put the images of each class in a folder named for the class: DATA/cat/1.png, DATA/dog/1.png"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that may be a picture, and the class that its folder gives it."""

    path: Path
    label: str


def read_folder(folder: Path, side: int | None = None) -> Raw:
    """The pictures of a folder of class folders, resized to one shape, the longer `side` so many pixels at most. Raises
    DataError where there are none to use.

    train/ and test/ subfolders are honoured; val/ or valid/ is merged into train. Nothing outside `folder` is opened.
    """
    root, tally = folder.resolve(), Tally()
    if root == root.parent:
        raise DataError(f"{root} is the whole file system: give the folder that holds the class folders")
    parts = _layout(root, tally)
    with pillow_ready():
        heads = {part: _survey(entries, root, tally) for part, entries in parts.items()}
        if not heads["train"]:
            raise _nothing(root, tally)
        height, width = _size([head for _, head in heads["train"]], side)
        for pairs in heads.values():
            _tell_resized(pairs, height, width, root, tally)
        deep = {part: [e.path for e, head in pairs if head.deep] for part, pairs in heads.items()}
        scale = folder_scale(deep["train"], deep.get("test", []), root, _in_threads, tally)
        size = (height, width)
        pixels = {part: _decode_all(pairs, size, scale, root, tally) for part, pairs in heads.items()}
    channels = _channels(pixels["train"], tally)
    _tell_empty(parts["train"], pixels["train"].entries, tally)
    made = {part: _part(decoded, channels, root, part) for part, decoded in pixels.items() if decoded.entries}
    if "train" not in made:
        raise _nothing(root, tally)
    if "test" in parts and parts["test"] and "test" not in made:
        tally.note(
            "Test images were given but none can be read",
            shown(parts["test"][0].path.relative_to(root)),
            len(parts["test"]),
        )
    return Raw(
        shown(root.name),
        made["train"],
        made.get("test"),
        findings=tally.lines(),
        scale=scale,
        left_out=tuple(tally.left_out),
    )


def _nothing(root: Path, tally: Tally) -> DataError:
    """The error for a folder without pictures, with what was found instead."""
    arrays = sorted(root.glob("*.npz"))
    help_ = f"did you mean {shown(arrays[0])}?" if arrays else LAYOUT
    return DataError(
        "; ".join((f"{shown(root)} holds no readable image in a class folder", *tally.lines(), help_))
    )


# --- which files, in which part and class ---


def _layout(root: Path, tally: Tally) -> dict[str, list[Entry]]:
    """part ("train", "test") -> its entries."""
    folders = _subfolders(root, tally)
    known = [f for f in folders if f.name.casefold() in SPLITS]
    trains = [f for f in known if SPLITS[f.name.casefold()] == "train"]
    # A folder "train" that holds pictures itself is a class, say beside "bus" and "car".
    if not any(_subfolders(f, Tally()) for f in trains):
        if len(folders) == 1 and (deeper := _subfolders(folders[0], Tally())):
            names = ", ".join(shown(d.name) for d in deeper[:5])
            raise DataError(
                f"{shown(root)} holds one class folder only; did you mean {shown(folders[0])} ({names})?"
            )
        return {"train": _classes(root, root, tally)}
    for other in sorted(root.iterdir()):
        if other not in known and not other.name.startswith("."):
            tally.note("Entries beside train/ and test/ were left out", shown(other.name))
    parts: dict[str, list[Entry]] = {"train": [], "test": []}
    for split in known:
        entries = _classes(split, root, tally)
        kind = SPLITS[split.name.casefold()]
        if kind == "valid":
            what = f"Images of {shown(split.name)}/ were merged into train (valid is split off by seed)"
            tally.note(what, shown(entries[0].path.relative_to(root)) if entries else "", len(entries))
        parts["test" if kind == "test" else "train"] += entries
    return parts


def _subfolders(folder: Path, tally: Tally) -> list[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
        return [
            Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")
        ]
    except OSError as error:
        tally.note("Folders that cannot be read were left out", f"{shown(folder.name)} ({error.strerror})")
        return []


def _classes(folder: Path, root: Path, tally: Tally) -> list[Entry]:
    """The files of each class folder in `folder`; files in `folder` itself have no class and are tallied."""
    found: list[Entry] = []
    classes: dict[str, list[Path]] = {}
    for path in list_files(folder, root, tally):
        inside = path.relative_to(folder).parts
        if len(inside) < 2:
            tally.note("Files outside any class folder were left out", shown(path.relative_to(root)))
        elif inside[0].startswith("."):
            tally.note("Files in hidden folders were left out", shown(path.relative_to(root)))
        else:
            classes.setdefault(inside[0], []).append(path)
    for empty in _subfolders(folder, tally):
        if empty.name not in classes:
            tally.note("Class folders without files were left out", shown(empty.relative_to(root)))
    names: dict[str, str] = {}
    for name, paths in classes.items():
        # A Mac writes é as two characters, others as one: for a person the folders have one name.
        label = unicodedata.normalize("NFC", shown(name))
        if names.setdefault(label, name) != name:
            tally.note("Folders whose names differ in encoding only were merged into one class", label)
        found += [Entry(path, label) for path in paths]
    return found


def _tell_empty(entries: list[Entry], kept: list[Entry], tally: Tally) -> None:
    for label in sorted({e.label for e in entries} - {e.label for e in kept}):
        tally.note("Classes without a readable image were left out", label)


# --- headers: size and kind ---


def _in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


def _try_header(entry: Entry) -> Header | Unreadable:
    try:
        return read_header(entry.path)
    except Unreadable as error:
        return error


def _survey(entries: list[Entry], root: Path, tally: Tally) -> list[tuple[Entry, Header]]:
    """The entries that are pictures, by their headers."""
    kept: list[tuple[Entry, Header]] = []
    for entry, head in zip(entries, _in_threads(_try_header, entries), strict=True):
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


def _size(heads: list[Header], side: int | None) -> tuple[int, int]:
    """The median height and width, the longer brought down to `side` or, where none is given, to MAX_SIDE; but of pictures
    that are more than twice as long as they are wide no further than leaves them LEAST_SIDE, up to LONGEST."""
    height, width = (float(np.median([getattr(h, name) for h in heads])) for name in ("height", "width"))
    longer, shorter = max(height, width), min(height, width)
    most = side if side is not None else min(max(MAX_SIDE, LEAST_SIDE * longer / shorter), LONGEST)
    shrink = min(1.0, most / longer)
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def _tell_resized(
    pairs: list[tuple[Entry, Header]], height: int, width: int, root: Path, tally: Tally
) -> None:
    what = f"Images of another size were resized to {height}×{width} (height × width); --side N gives another"
    for entry, head in pairs:
        if (head.height, head.width) != (height, width):
            tally.note(what, f"{shown(entry.path.relative_to(root))} ({head.height}×{head.width})")


# --- pixels ---


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """N pictures that could be decoded: their entries, pixels N×H×W×C and which of them have true colour."""

    entries: list[Entry]
    x: Pixels
    coloured: Array


def _decode_all(
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

    results = _in_threads(work, range(len(pairs)))
    for (entry, _), result in zip(pairs, results, strict=True):
        if isinstance(result, Unreadable):
            _tell_unreadable(result, shown(entry.path.relative_to(root)), tally)
    good = np.array([not isinstance(r, Unreadable) for r in results], dtype=bool)
    entries = [entry for (entry, _), ok in zip(pairs, good, strict=True) if ok]
    coloured = np.array([r is True for r in results], dtype=bool)[good]
    return Decoded(entries, x if good.all() else x[good], coloured)


def _channels(train: Decoded, tally: Tally) -> int:
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


def _part(decoded: Decoded, channels: int, root: Path, part: str) -> Part:
    labels = np.array([entry.label for entry in decoded.entries], dtype=str)
    files = tuple(shown(entry.path.relative_to(root)) for entry in decoded.entries)
    where = f"{shown(root)}, {part}"
    return Part(to_channels(decoded.x, channels), labels, where, where, files)
