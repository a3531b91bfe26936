"""Files that are whole or not there, whatever ends the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, flushed: bool = False) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when it is whole; after an error nothing is left of it. `flushed`: it is on the
    disk before it does, so that a power cut leaves either as well."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # other processes may be writing the same
    try:
        with part.open("wb") as file:
            yield file
            if flushed:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
