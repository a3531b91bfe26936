"""Everything needed to go on as if never stopped, in one file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from seedleaf.core import Measurement
from seedleaf.errors import CheckpointError

NAME = "checkpoint.pt"
VERSION = 1


def save(path: Path, body: Mapping[str, Any]) -> None:
    """Write `body` (tensors, numbers, strings, lists, dicts) to `path` atomically.

    Raises OSError where the disk is full; what was there before then stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            torch.save({"version": VERSION, **body}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, device: str = "cpu") -> dict[str, Any]:
    """What `save` wrote. Never runs code from the file. CheckpointError where it is missing, cut short or foreign."""
    try:
        body = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint") from None
    except Exception as error:  # torch raises half a dozen types for a damaged zip
        raise CheckpointError(f"{path}: the checkpoint cannot be read ({type(error).__name__})") from error
    if not isinstance(body, dict) or body.get("version") != VERSION:
        raise CheckpointError(f"{path}: not a checkpoint of this version")
    return body


def pack(measurements: Sequence[Measurement]) -> list[tuple[int, dict[str, float], float]]:
    """Measurements as plain values."""
    return [(m.step, dict(m.metrics), m.seconds) for m in measurements]


def unpack(rows: Sequence[tuple[int, dict[str, float], float]]) -> list[Measurement]:
    """The inverse of `pack`."""
    return [Measurement(int(step), dict(metrics), float(seconds)) for step, metrics, seconds in rows]
