"""Labels of any type to 0..K-1 and the names of the K classes."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from seedleaf.data.files import Tally
from seedleaf.data.spec import Array, Labels
from seedleaf.errors import DataError

REGRESSION = "labels look like a regression target; seedleaf classifies, so give one class per image"


def clean_labels(value: Any, where: str, tally: Tally) -> Array:
    """N labels as int64 or str, from integers, whole floats, bools, text, N×1 or one-hot N×K. Raises DataError."""
    try:
        y = np.asarray(value)
    except Exception as error:
        raise DataError(f"{where} is not an array: {error}") from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "buif" and len(y) and _is_one_hot(y):
        tally.note("One-hot labels were read as classes", where, len(y))
        y = y.argmax(axis=1)
    if y.ndim != 1:
        raise DataError(f"{where} has shape {y.shape}: give one label per image")
    return _clean(y, where)


def _is_one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def _clean(y: Array, where: str) -> Array:
    kind = y.dtype.kind
    if kind == "b":
        return np.where(y, "True", "False")
    if kind in "ui":
        if len(y) and int(y.max()) > np.iinfo(np.int64).max:
            raise DataError(f"{where} holds the label {y.max()}, which is beyond 64 bits")
        return y.astype(np.int64)
    if kind == "f":
        return _from_floats(y, where)
    if kind in "SUO" or kind == "T":
        return np.array([_text(v, where, i) for i, v in enumerate(y.tolist())], dtype=str)
    raise DataError(f"{where} holds {y.dtype} values: labels are integers or text")


def _from_floats(y: Array, where: str) -> Labels:
    if not (finite := np.isfinite(y)).all():
        raise DataError(
            f"{where}: label {int(finite.argmin())} is NaN or infinite: mend it or leave the image out"
        )
    if not (whole := (y == np.rint(y)) & (np.abs(y) < 2**53)).all():
        index = int(whole.argmin())
        raise DataError(f"{where}: label {index} is {y[index]:g}: {REGRESSION}")
    return y.astype(np.int64)


def _text(value: object, where: str, index: int) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, bool | int | np.integer):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            f"{where}: label {index} is {value!r}: give an integer or a text, or leave the image out"
        )
    # Folders named on a Mac are decomposed (e + accent), elsewhere composed: without this one class becomes two.
    text = unicodedata.normalize("NFC", value.encode("utf-8", "replace").decode())
    return text.replace("\x00", "\ufffd")


def class_order(values: Array) -> list[Any]:
    """The distinct labels in the order of their classes: by value for numbers (also as text), else alphabetical."""
    distinct: list[Any] = np.unique(values).tolist()
    if all(isinstance(v, str) and v.isascii() and v.isdigit() for v in distinct):
        distinct.sort(key=lambda v: (int(v) if len(v) < 20 else 0, v))
    return distinct


def encode(y: Array, order: list[Any]) -> Labels:
    """The index of each label in `order`; -1 for one that is not there."""
    distinct, inverse = np.unique(y, return_inverse=True)
    place = {label: index for index, label in enumerate(order)}
    return np.array([place.get(v, -1) for v in distinct.tolist()], np.int64)[inverse.reshape(-1)]


def check_range(y: Array, n_names: int, where: str) -> None:
    """Raises DataError where integer labels fall outside the `n_names` classes that the source names."""
    if y.dtype.kind == "U":
        return
    outside = (y < 0) | (y >= n_names)
    if outside.any():
        index = int(outside.argmax())
        raise DataError(
            f"{where}: label {index} is {y[index]}, outside 0 to {n_names - 1} (the source names {n_names} classes); "
            f"{int(outside.sum()):,} labels are: mend them or leave the images out"
        )
