"""A set of images on disk as plain arrays that many processes map and share: one copy in memory, whoever reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from seedleaf.data.spec import Array, ImageData, ImageSpec
from seedleaf.errors import DataError
from seedleaf.writing import replacing

SPEC = "spec.json"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def save_mapped(data: ImageData, folder: Path) -> None:
    """Write `data` to `folder` (made if need be). The spec goes last, so a folder that has one is complete.

    Raises DataError where the disk is full or not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPEC).unlink(missing_ok=True)
        for name in ARRAYS:
            with replacing(folder / f"{name}.npy", flushed=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(getattr(data, name)), allow_pickle=False)
        with replacing(folder / SPEC, flushed=True) as file:
            file.write(json.dumps(data.spec.to_json(), indent=1).encode())
    except OSError as error:
        raise DataError(f"{folder}: the images cannot be written there: {error.strerror or error}") from None


def open_mapped(folder: Path) -> ImageData:
    """What `save_mapped` wrote, memory-mapped and read-only. Raises DataError where a part is missing or does not fit."""
    try:
        spec = ImageSpec.from_json(json.loads((folder / SPEC).read_bytes()))
        x_train, y_train, x_test, y_test = (_map(folder / f"{name}.npy") for name in ARRAYS)
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename}: missing; the data of this run are incomplete, load them anew"
        ) from None
    except (OSError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise DataError(f"{folder}: the data of this run cannot be read, load them anew ({error})") from None
    picture = (spec.height, spec.width, spec.channels)
    for name, array, shape, dtype in (
        ("x_train", x_train, (spec.n_train, *picture), np.uint8),
        ("y_train", y_train, (spec.n_train,), np.int64),
        ("x_test", x_test, (spec.n_test, *picture), np.uint8),
        ("y_test", y_test, (spec.n_test,), np.int64),
    ):
        if array.shape != shape or array.dtype != dtype:
            raise DataError(
                f"{folder / name}.npy holds {array.dtype} {array.shape} where {SPEC} says {np.dtype(dtype)} {shape}; "
                "load the data anew"
            )
    return ImageData(spec, x_train, y_train, x_test, y_test)


def _map(path: Path) -> Array:
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
