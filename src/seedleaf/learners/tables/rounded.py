"""What a file keeps of weights: half precision, or one byte each. Python rounds them alike, so that both answer the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def as_half(values: Array) -> npt.NDArray[np.float32]:
    """The nearest numbers that half precision holds, infinite beyond 65,504: what a file keeps of weights is what they are
    in Python, too."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def in_bytes(weight: Array) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers up to 127 and for each column (of a matrix) what they are multiplied by: what a file keeps of weights.
    Of weights that such numbers made it finds the same ones."""
    largest = np.abs(weight).max(0, initial=0)
    scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return np.round(weight / scale).astype(np.int8), scale


def as_bytes(weight: Array) -> npt.NDArray[np.float32]:
    """The nearest weights that `in_bytes` holds; what is not finite stays so."""
    if not np.isfinite(weight).all():
        return weight.astype(np.float32)
    whole, scale = in_bytes(weight)
    return whole * scale
