"""What a reader hands over: arrays of any type and labels of any kind, before they are checked and brought into shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images `x` (any array) and as many labels `y`; the other two say in messages where they came from."""

    x: Any
    y: Any
    x_from: str
    y_from: str


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """One set as read. `class_names`, where the source names its labels 0..K-1; `findings` so far."""

    name: str
    train: Part
    test: Part | None = None
    class_names: tuple[str, ...] | None = None
    findings: tuple[str, ...] = ()
