"""The MNIST family's IDX files, plain or .gz. The header is believed only as far as the file can bear it out."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from seedleaf.data.files import shown
from seedleaf.data.npz import MAX_BYTES
from seedleaf.data.spec import Pixels
from seedleaf.errors import DataError

UBYTE = 0x08
CHUNK = 1 << 20
DEFLATE_LIMIT = 1040  # deflate cannot pack a byte tighter than 1:1032


def read_idx(path: Path, ndim: int) -> Pixels:
    """The uint8 array of `ndim` dimensions in `path`. Raises DataError; never reads more than the header promises."""
    where = shown(path)
    packed = path.suffix.lower() == ".gz"
    try:
        size = path.stat().st_size * (DEFLATE_LIMIT if packed else 1)
        with cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb") as file:
            shape = _header(file, ndim, where)
            promised = math.prod(shape)
            if promised > min(size, MAX_BYTES):
                raise DataError(
                    f"{where}: its header promises {promised:,} bytes, more than it can hold: get the file anew"
                )
            body = _read(file, promised)
            rest = len(file.read(1))
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(f"{where} cannot be read ({error}): get the file anew") from None
    if len(body) < promised or rest:
        held = f"only {len(body):,}" if len(body) < promised else "more"
        raise DataError(
            f"{where}: its header promises {promised:,} bytes but it holds {held}: get the file anew"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _header(file: IO[bytes], ndim: int, where: str) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"{where} is not an IDX file: its first bytes are {magic.hex(' ') or 'missing'}")
    if magic[2] != UBYTE or magic[3] != ndim:
        raise DataError(
            f"{where} holds type 0x{magic[2]:02x} in {magic[3]} dimensions; bytes (0x08) in {ndim} are wanted: "
            "are images and labels swapped?"
        )
    sizes = file.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(f"{where} is cut short within its header: get the file anew")
    return struct.unpack(f">{ndim}I", sizes)


def _read(file: IO[bytes], n: int) -> bytearray:
    """Up to n bytes, asking for a little at a time: the memory used is bounded by what is there, not by what is promised."""
    body = bytearray()
    while len(body) < n and (chunk := file.read(min(CHUNK, n - len(body)))):
        body += chunk
    return body
