"""Any array of images to uint8 N×H×W×C, by one rule for training and prediction; what was assumed is tallied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from seedleaf.data.files import Tally
from seedleaf.data.scale import BEYOND, FULL, Scale, guessed_white, is_8_bit, learned_white
from seedleaf.data.spec import Array, Pixels
from seedleaf.errors import DataError

ROWS = 2048  # images converted at once: bounds the memory of the floats in between
MIN_SIDE = 8  # flat rows shorter than 8×8 are a table, not pictures
REACH_ONLY = "Values reach only"
FAINT = 16.0  # of 255: pictures that reach no further are nearly black
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


def learn_scale(x: Array, where: str) -> Scale:
    """How the pictures of a set are scaled, from its training images x (any shape of images, any numeric type)."""
    if x.dtype.kind == "b" or is_8_bit(x.dtype) or not x.size:
        return Scale()
    low, high = _range(to_nhwc(x, where, Tally()), where)
    white = _checked(learned_white(x.dtype.kind, high), low, high, where)
    return Scale(decimal=white) if x.dtype.kind == "f" else Scale(whole=white)


def scale_for_test(scale: Scale, train: Array, test: Array, where: str) -> Scale:
    """The scale for the test part of a set: of integers of another width too, train says what is white. DataError."""
    if is_8_bit(train.dtype):
        return Scale(FULL, scale.decimal)
    if is_8_bit(test.dtype) and scale.whole not in (None, FULL):
        raise DataError(
            f"{where} holds {test.dtype} but train {train.dtype} up to {scale.whole:g}: give both in one type"
        )
    return scale


def _checked(white: float | None, low: float, high: float, where: str) -> float:
    if low < 0:
        raise DataError(
            f"{where} runs from {low:g} to {high:g}: negative values are not pixels; {RANGE_HELP}"
        )
    if white is None:
        raise DataError(f"{where} runs up to {high:g}, beyond 8 and 16 bits; {RANGE_HELP}")
    return white


def to_pixels(x: Array, where: str, scale: Scale | None, tally: Tally) -> Pixels:
    """x, N×H×W[×C] of any numeric type, to uint8 N×H×W×C, C 1 or 3, by the scale that training learned.

    Values a little beyond white are cut there, and counted; RGBA is laid on white. The range of a type that training
    had not, or of any in a run that kept no scale, is guessed from x alone. DataError that names `where` for values that
    are no pixels or on another scale.
    """
    images = to_nhwc(x, where, tally)
    if not len(images):
        return _opaque(np.empty(images.shape, np.uint8))
    low, high = _range(images, where)
    known = (scale or Scale()).white(x.dtype)
    white = _checked(guessed_white(x.dtype.kind, high) if known is None else known, low, high, where)
    if high >= BEYOND * white:
        raise DataError(
            f"{where} reaches {high:g}, but the training images go from 0 to {white:g}: bring it to their scale"
        )
    _explain(images, white, high, where, tally)
    return _opaque(_convert(images, white))


def _explain(x: Array, white: float, high: float, where: str, tally: Tally) -> None:
    if x.dtype.kind == "b":
        tally.note("True and false were read as white and black", where, len(x))
    elif x.dtype.kind == "f":
        tally.note(f"Decimal values were read as 0 to {white:g}", where, len(x))
    elif white > FULL:
        bits = round(math.log2(white + 1))
        tally.note(f"{bits}-bit values were scaled down to 8 bits (0 to {white:g})", where, len(x))
    if x.dtype.kind != "b" and high * FULL <= FAINT * white:
        what = f"{REACH_ONLY} {high:g} of {white:g} (multiply them if that is their full range)"
        tally.note(what, where, len(x))
    if high * FULL >= (FULL + 0.5) * white:
        over = sum(int((part.max(axis=(1, 2, 3)) > white).sum()) for _, part in _slices(x))
        tally.note(f"Values beyond {white:g}, white in training, were cut there", where, over)


def _convert(x: Array, white: float) -> Pixels:
    if white == FULL and x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    out = np.empty(x.shape, np.uint8)
    factor = np.float32(FULL / white)
    for start, part in _slices(x):
        out[start : start + ROWS] = np.clip(np.rint(part.astype(np.float32) * factor), 0, 255)
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
