"""What the pictures of a folder are made of: kinds of pixels, counted aloud, and one white for all above 8 bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from seedleaf.data.decode import Header, Reach, Unreadable, read_reach
from seedleaf.data.files import Tally, shown
from seedleaf.data.scale import BEYOND, FULL, Scale, learned_white
from seedleaf.errors import DataError

PLAIN = ("L", "RGB")
Map = Callable[[Callable[[Path], Reach | None], Iterable[Path]], list[Reach | None]]


def tell_mode(head: Header, example: str, tally: Tally) -> None:
    """Count a picture that is stored otherwise than as plain grey or colour of 8 bits."""
    if head.deep:
        return  # said with the scale, once that is known
    if head.clear:
        tally.note("Images with an alpha channel were laid on white", example)
    elif head.mode == "P":
        tally.note("Palette images were turned to colour", example)
    elif head.mode not in PLAIN:
        tally.note(
            f"Images of mode {head.mode} were turned to {'grey' if head.grey else 'red, green, blue'}",
            example,
        )


def folder_scale(train: list[Path], test: list[Path], root: Path, in_threads: Map, tally: Tally) -> Scale:
    """The white of a folder's deep pictures (`Header.deep`), by those to train on. DataError where a test one is beyond."""
    whites: dict[str, float] = {}
    reaches = in_threads(_try_reach, train)
    for kind in ("f", "u"):
        high = max((r[1] for r in reaches if r and r[0] == kind), default=None)
        if high is not None:
            # Decimals beyond 255 are counts of a camera, as integers are.
            whites[kind] = learned_white("u" if high >= FULL + 0.5 else kind, high) or FULL
    seen = list(zip(train, reaches, strict=True))
    for path, reach in zip(test, in_threads(_try_reach, test), strict=True):
        seen.append((path, reach))
        white = whites.get(reach[0]) if reach else None
        if reach and white and reach[1] >= BEYOND * white:
            raise DataError(
                f"{shown(path.relative_to(root))} reaches {reach[1]:g}, but the training images go from 0 to {white:g}: "
                "bring the test images to their scale"
            )
    for path, reach in seen:
        white = whites.get(reach[0]) if reach else None
        if reach and white:
            tally.note(_said(reach[0], white), shown(path.relative_to(root)))
    return Scale(whites.get("u"), whites.get("f"))


def _said(kind: str, white: float) -> str:
    if kind == "f":
        return f"Images of decimals were read as 0 to {white:g}, one scale for all"
    if white == FULL:
        return "16-bit images hold values up to 255 only and were read as 8 bits"
    bits = round(math.log2(white + 1))
    return f"{bits}-bit images were scaled down to 8 bits (0 to {white:g}, one scale for all)"


def _try_reach(path: Path) -> Reach | None:
    try:
        return read_reach(path)
    except Unreadable:
        return None  # told when it is decoded
