"""Arrays from .npz and .npy files from anywhere: nothing is unpickled, nothing outgrows what its header says."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from seedleaf.data.files import shown
from seedleaf.data.spec import Array
from seedleaf.errors import DataError

MAX_BYTES = (
    16 << 30
)  # more than this is not held in memory at once: a folder of pictures is read piece by piece


def npz_keys(path: Path) -> list[str]:
    """The names of the arrays in the .npz file `path`. Raises DataError where it is none."""
    with _zip(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_npz(path: Path, keys: list[str]) -> dict[str, Array]:
    """The arrays `keys` of the .npz file `path`. Raises DataError where one is missing, cut short or holds objects."""
    found: dict[str, Array] = {}
    with _zip(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        total = sum(members[k].file_size for k in keys if k in members)
        _check_total(total, path)
        for key in keys:
            where = f"{shown(path)}, {key}"
            if key not in members:
                raise DataError(
                    f"{shown(path)} has no {key}, only {', '.join(map(shown, sorted(members))) or 'nothing'}"
                )
            info = members[key]
            found[key] = _guarded(lambda info=info: _member(archive, info), where)  # type: ignore[misc]
    return found


def read_npy(path: Path) -> Array:
    """The array in the .npy file `path`. Raises DataError where it is cut short or holds objects."""

    def read() -> Array:
        size = path.stat().st_size
        with path.open("rb") as file:
            _check_header(file, size)
            file.seek(0)
            return _array(file)

    return _guarded(read, shown(path))


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:
        raise DataError(
            f"{shown(path)} is not a readable .npz file ({error}): it may be cut short; make it anew"
        ) from None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as file:
        _check_header(file, info.file_size)
    with archive.open(info) as file:
        return _array(file)


def _array(file: IO[bytes]) -> Array:
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _check_header(file: IO[bytes], size: int) -> None:
    """Raises where the header promises other than the `size` bytes there are, before that much memory is asked for."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read; save plain numbers or text")
    promised = dtype.itemsize
    for n in shape:
        if n < 0:
            raise ValueError(f"its shape is {shape}")
        promised *= n
    if promised > size:
        raise ValueError(f"its header promises {promised:,} bytes but it holds {size:,}: it is cut short")


def _check_total(total: int, path: Path) -> None:
    if total > MAX_BYTES:
        raise DataError(
            f"{shown(path)} unpacks to {total / 2**30:,.0f} GiB, more than {MAX_BYTES >> 30}: give a folder of class folders"
        )


def _guarded(read: Callable[[], Array], where: str) -> Array:
    try:
        return read()
    except (Exception, MemoryError) as error:  # bytes made to hurt make numpy and zlib raise nearly anything
        raise DataError(f"{where} cannot be read: {str(error)[:200] or type(error).__name__}") from None
