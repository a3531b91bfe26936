"""Which value is white: decided once, by the training images, and kept, so that prediction scales just as training did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FULL = 255.0  # white in 8 bits
DEEPEST = 65535.0
BEYOND = 2.0  # times white: from there on values are not a little too bright but on another scale


@dataclass(frozen=True, slots=True)
class Scale:
    """The value that becomes 255, of integers wider than 8 bits (`whole`) and of decimals (`decimal`).

    None where training had no values of that kind. 8-bit integers stay as they are, True is white.
    """

    whole: float | None = None
    decimal: float | None = None

    def white(self, dtype: np.dtype[Any]) -> float | None:
        """What becomes 255 of values of `dtype`; None where training had none like them."""
        if dtype.kind == "b":
            return 1.0
        if is_8_bit(dtype):
            return FULL
        return self.decimal if dtype.kind == "f" else self.whole

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any] | None) -> Scale | None:
        """What `to_json` wrote; None of None, as runs have it that kept no scale. ValueError, KeyError or TypeError."""
        if body is None:
            return None
        values = [None if body[k] is None else float(body[k]) for k in ("whole", "decimal")]
        if any(v is not None and not 0 < v < math.inf for v in values):
            raise ValueError(f"no scale of pixels: {dict(body)}")
        return cls(*values)


def is_8_bit(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "ui" and dtype.itemsize == 1


def learned_white(kind: str, high: float) -> float | None:
    """What is white in a set whose training images are of dtype kind `kind` and reach `high`; None beyond 16 bits.

    1 or 255 for decimals; for integers 255, or `high` rounded up to whole bits: 4095 for 12-bit pictures.
    """
    small = guessed_white(kind, high)
    if small != DEEPEST:
        return small
    return 2.0 ** math.ceil(math.log2(high + 1)) - 1


def guessed_white(kind: str, high: float) -> float | None:
    """The same from a single input alone, where training says nothing: more than 8 bits are 16."""
    if kind == "b" or (kind == "f" and high * FULL < FULL + 0.5):
        return 1.0
    if high < FULL + 0.5:
        return FULL
    return DEEPEST if kind in "ui" and high <= DEEPEST else None
