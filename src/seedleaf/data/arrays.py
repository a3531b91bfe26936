"""Any array of images to uint8 N×H×W×C, by one rule for training and prediction; what was assumed is tallied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from seedleaf.data.files import Tally
from seedleaf.data.spec import Array, Pixels
from seedleaf.errors import DataError

ROWS = 2048  # images converted at once: bounds the memory of the floats in between
MIN_SIDE = 8  # flat rows shorter than 8×8 are a table, not pictures
SHAPE_HELP = "give N×H×W (grey) or N×H×W×3 (colour)"
RANGE_HELP = "give uint8, or floats from 0 to 1 or 0 to 255"


def as_array(value: Any, where: str) -> Array:
    """`value` as a numeric or bool array. Raises DataError for object arrays and what is no array."""
    try:
        array = np.asarray(value)
    except Exception as error:
        raise DataError(f"{where} is not an array: {error}") from None
    if array.dtype.kind not in "buif":
        ragged = "images of different size? resize them, or give a folder of class folders"
        hint = ragged if array.dtype.kind == "O" else RANGE_HELP
        raise DataError(f"{where} holds {array.dtype} values, not pixels: {hint}")
    return array


def to_nhwc(x: Array, where: str, tally: Tally) -> Array:
    """x as a view N×H×W×C with C 1, 3 or 4. Raises DataError where its shape is not that of images."""
    if x.ndim == 2 and (side := math.isqrt(x.shape[1])) ** 2 == x.shape[1] and side >= MIN_SIDE:
        tally.note(f"Flat rows were read as square grey images of {side}×{side}", where, len(x))
        x = x.reshape(len(x), side, side)
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4:
        raise DataError(f"{where} has shape {x.shape}, which is not that of images: {SHAPE_HELP}")
    if x.shape[3] not in (1, 3, 4) and x.shape[1] in (1, 3, 4):
        tally.note("Images were read with their channels first (N×C×H×W)", where, len(x))
        x = x.transpose(0, 2, 3, 1)
    if x.shape[3] not in (1, 3, 4):
        raise DataError(f"{where} has shape {x.shape} with {x.shape[3]} channels: {SHAPE_HELP}")
    if 0 in x.shape[1:]:
        raise DataError(f"{where} has shape {x.shape}: its images have no pixels")
    return x


def _slices(x: Array) -> Iterator[tuple[int, Array]]:
    for start in range(0, len(x), ROWS):
        yield start, x[start : start + ROWS]


def _range(x: Array, where: str) -> tuple[float, float]:
    """The smallest and largest value. Raises DataError that names the first image with a NaN or an infinity."""
    low, high = math.inf, -math.inf
    for start, part in _slices(x):
        least, most = float(part.min()), float(part.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            bad = ~np.isfinite(part).all(axis=(1, 2, 3))
            raise DataError(
                f"{where}: image {start + int(bad.argmax())} holds NaN or infinity: mend it or leave it out"
            )
        low, high = min(low, least), max(high, most)
    return low, high


def _scale(kind: str, low: float, high: float, where: str) -> float:
    """By what to multiply values to get 0..255."""
    if low < 0:
        raise DataError(
            f"{where} runs from {low:g} to {high:g}: negative values are not pixels; {RANGE_HELP}"
        )
    if kind == "b" or (kind == "f" and high <= 1):
        return 255.0
    if high <= 255:
        return 1.0
    if kind in "ui" and high <= 65535:
        return 1 / 257
    raise DataError(f"{where} runs up to {high:g}, beyond 8 and 16 bits; {RANGE_HELP}")


def to_pixels(parts: list[tuple[str, Array]], tally: Tally) -> list[Pixels]:
    """Each part, (name for messages, N×H×W[×C] of any numeric type), to uint8 N×H×W×C, C 1 or 3.

    bool and floats up to 1 are multiplied by 255, floats up to 255 rounded, 16-bit integers scaled down, RGBA laid on white.
    Parts of one kind share one scale. Raises DataError that names the part.
    """
    images = [(where, to_nhwc(x, where, tally)) for where, x in parts]
    ranges = [(x.dtype.kind, *_range(x, where)) for where, x in images if len(x)]
    found: list[Pixels] = []
    for where, x in images:
        same = [r for r in ranges if r[0] == x.dtype.kind]
        low, high = min((r[1] for r in same), default=0.0), max((r[2] for r in same), default=0.0)
        scale = _scale(x.dtype.kind, low, high, where)
        _explain(x, scale, high, where, tally)
        found.append(_opaque(_convert(x, scale)))
    return found


def _explain(x: Array, scale: float, high: float, where: str, tally: Tally) -> None:
    if x.dtype.kind == "b":
        tally.note("True and false were read as white and black", where, len(x))
    elif x.dtype.kind == "f":
        tally.note(f"Decimal values were read as 0 to {1 if scale == 255 else 255}", where, len(x))
    elif scale < 1:
        tally.note("16-bit values were scaled down to 8 bits", where, len(x))
    if scale == 1 and high <= 16:
        tally.note(
            f"Values reach only {high:g} of 255 (multiply them if that is their full range)", where, len(x)
        )


def _convert(x: Array, scale: float) -> Pixels:
    if scale == 1 and x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    out = np.empty(x.shape, np.uint8)
    for start, part in _slices(x):
        if scale == 1 and x.dtype.kind in "ui":
            out[start : start + ROWS] = part
        else:
            out[start : start + ROWS] = np.rint(part.astype(np.float32) * np.float32(scale))
    return out


def _opaque(x: Pixels) -> Pixels:
    """RGBA laid on white; anything else as it is."""
    if x.shape[3] != 4:
        return x
    out = np.empty((*x.shape[:3], 3), np.uint8)
    for start, part in _slices(x):
        alpha = part[..., 3:].astype(np.float32) / 255
        out[start : start + ROWS] = np.rint(part[..., :3] * alpha + 255 * (1 - alpha))
    return out
