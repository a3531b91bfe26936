"""Everything needed to go on as if never stopped, in one file that is whole or not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seedleaf.core import Measurement
from seedleaf.errors import CheckpointError
from seedleaf.train import CHECKPOINT
from seedleaf.writing import replacing

NAME = CHECKPOINT
VERSION = 1


def save(path: Path, body: Mapping[str, Any]) -> None:
    """Write `body` (tensors, numbers, strings, lists, dicts) to `path` atomically.

    Raises OSError where the disk is full; what was there before then stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    buffers = _Buffers()
    tree = _take_out(dict(body), buffers)
    flat = {kind: torch.cat(parts) for kind, parts in buffers.parts.items()}
    with replacing(path, flushed=True) as file:
        torch.save({"version": VERSION, "tree": tree, "flat": flat}, file)


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
    try:
        found: dict[str, Any] = _put_back(body["tree"], body["flat"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the checkpoint cannot be read ({type(error).__name__})") from error
    return found


# --- tensors as slices of one buffer per type: hundreds of small ones in a zip took 40 ms, this takes 2 ---

TENSOR = "\0tensor"


class _Buffers:
    """Tensors laid end to end, by type."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Tensor]] = {}
        self.sizes: dict[str, int] = {}

    def place(self, tensor: Tensor) -> list[Any]:
        """Append `tensor` and say where it lies: type, offset, shape, stride."""
        kind = str(tensor.dtype)
        # Memory order is kept: a channels_last moment must come back as channels_last.
        # Some optimisers keep counters on the CPU beside moments on a GPU; on disk all lie together.
        dense = tensor.detach().cpu().clone(memory_format=torch.preserve_format)
        offset = self.sizes.get(kind, 0)
        self.sizes[kind] = offset + dense.numel()
        self.parts.setdefault(kind, []).append(dense.as_strided((dense.numel(),), (1,)))
        return [kind, offset, list(dense.shape), list(dense.stride())]


def _take_out(value: Any, buffers: _Buffers) -> Any:
    """`value` with every tensor replaced by its place in `buffers`."""
    if isinstance(value, Tensor):
        return {TENSOR: buffers.place(value)}
    if isinstance(value, Mapping):
        return {key: _take_out(inner, buffers) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_out(inner, buffers) for inner in value]
    return value


def _put_back(value: Any, flat: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict) and TENSOR in value:
        kind, offset, shape, stride = value[TENSOR]
        return flat[kind].as_strided(shape, stride, offset).clone(memory_format=torch.preserve_format)
    if isinstance(value, dict):
        return {key: _put_back(inner, flat) for key, inner in value.items()}
    if isinstance(value, list):
        return [_put_back(inner, flat) for inner in value]
    return value


def pack(measurements: Sequence[Measurement]) -> list[tuple[int, dict[str, float], float]]:
    """Measurements as plain values (tuples come back as lists)."""
    return [(m.step, dict(m.metrics), m.seconds) for m in measurements]


def unpack(rows: Sequence[tuple[int, dict[str, float], float]]) -> list[Measurement]:
    """The inverse of `pack`."""
    return [Measurement(int(step), dict(metrics), float(seconds)) for step, metrics, seconds in rows]
