"""What a reader hands over: arrays of any type and labels of any kind, before they are checked and brought into shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seedleaf.data.scale import Scale


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images `x` (any array) and as many labels `y`; `x_from` and `y_from` say in messages where they came from.

    `files`, where each image has one: its name within the source.
    """

    x: Any
    y: Any
    x_from: str
    y_from: str
    files: tuple[str, ...] = ()

    def name(self, index: int) -> str:
        """What to call the image `index` in a message."""
        return self.files[index] if self.files else f"image {index} of {self.x_from}"


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """One set as read. `class_names`, where the source names its labels 0..K-1; `findings` so far.

    `scale`, where the reader has made 8 bits of the pictures itself; `left_out` names the files that it could not read.
    """

    name: str
    train: Part
    test: Part | None = None
    class_names: tuple[str, ...] | None = None
    findings: tuple[str, ...] = ()
    scale: Scale | None = None
    left_out: tuple[str, ...] = ()
