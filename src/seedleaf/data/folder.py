"""A folder of class folders: which files belong to which part and class."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from seedleaf.data.decode import pillow_ready
from seedleaf.data.depth import folder_scale
from seedleaf.data.files import Tally, list_files, shown
from seedleaf.data.pictures import (
    Entry,
    Size,
    channels_of,
    decode_all,
    in_threads,
    part_of,
    size_of,
    survey,
    tell_resized,
)
from seedleaf.data.raw import Raw
from seedleaf.errors import DataError

SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "valid"
)
LAYOUT = "put the images of each class in a folder named for the class: DATA/cat/1.png, DATA/dog/1.png"


def read_folder(folder: Path, wanted: Size = None) -> Raw:
    """The pictures of a folder of class folders, resized to one shape: `wanted`, or the longer side so many pixels at
    most. Raises DataError where there are none to use.

    train/ and test/ subfolders are honoured; val/ or valid/ is merged into train. Nothing outside `folder` is opened.
    """
    root, tally = folder.resolve(), Tally()
    if root == root.parent:
        raise DataError(f"{root} is the whole file system: give the folder that holds the class folders")
    parts = _layout(root, tally)
    with pillow_ready():
        heads = {part: survey(entries, root, tally) for part, entries in parts.items()}
        if not heads["train"]:
            raise _nothing(root, tally)
        size = size_of([head for _, head in heads["train"]], wanted)
        for pairs in heads.values():
            tell_resized(pairs, size, wanted, root, tally)
        deep = {part: [e.path for e, head in pairs if head.deep] for part, pairs in heads.items()}
        scale = folder_scale(deep["train"], deep.get("test", []), root, in_threads, tally)
        pixels = {part: decode_all(pairs, size, scale, root, tally) for part, pairs in heads.items()}
    channels = channels_of(pixels["train"], tally)
    _tell_empty(parts["train"], pixels["train"].entries, tally)
    made = {
        part: part_of(decoded, channels, root, part) for part, decoded in pixels.items() if decoded.entries
    }
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
            if len(inside) > 2:
                what = "Files in subfolders of a class folder were read as of that class"
                tally.note(what, shown(path.relative_to(root)))
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
