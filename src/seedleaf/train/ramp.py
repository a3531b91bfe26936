"""Cheaper steps: what a step of a training is spent on, as a pure function of its place.

A trial goes through three thirds. In the first two a step may take a part of the rows, smaller pictures, or some of both;
the last third is always whole, so that trials are compared at the top as they will be used. Networks end in global
pooling, so the weights go on from one third to the next (Howard 2018, "progressive resizing"; Tan and Le 2021,
EfficientNetV2). No torch here: the driver plans with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from seedleaf.errors import DataError

SMALLEST = 16  # pixels: pictures with a shorter side than that show too little once they are shrunk

MEASURED_SIDE, MEASURED_ROWS = 24, 1500  # "auto" rests on pictures of 28 and 32 pixels, 1,500 of them


class Level(NamedTuple):
    """What one step uses: the share of the rows, and pictures shrunk to that share of both sides."""

    rows: float = 1.0
    side: float = 1.0


WHOLE = Level()
THIRDS = 3


class Axis(NamedTuple):
    """The level of each third, and what a person is told of it."""

    levels: tuple[Level, Level, Level]
    says: str


# Those that are cheaper all begin at about a quarter of the pixels of a whole step.
AXES: Mapping[str, Axis] = {
    "epochs": Axis((WHOLE, WHOLE, WHOLE), "every step is an epoch"),
    "data": Axis((Level(rows=0.25), Level(rows=0.5), WHOLE), "a quarter of the images, then half, then all"),
    "size": Axis(
        (Level(side=0.5), Level(side=0.75), WHOLE), "pictures at half their sides, at 3/4, then whole"
    ),
    "both": Axis(
        (Level(rows=0.5, side=0.7), Level(rows=0.75, side=0.85), WHOLE),
        "half of the images at 0.7 of their sides, 3/4 at 0.85, then all and whole",
    ),
}
AUTO = "auto"


@dataclass(frozen=True)
class Ramp:
    """The levels of a training of `full` steps along `axis`."""

    axis: str = "epochs"
    full: int = 1

    def third(self, step: int) -> int:
        """0, 1 or 2. The last step (and any beyond it) is in the last third, however few there are."""
        return min((THIRDS * step - 1) // max(self.full, 1), THIRDS - 1)

    def at(self, step: int) -> Level:
        """The level of `step`; 1 is the first."""
        return AXES[self.axis].levels[self.third(step)]

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many steps each third has."""
        ends = [k * max(self.full, 1) // THIRDS for k in range(THIRDS + 1)]
        return tuple(b - a for a, b in pairwise(ends))

    @property
    def grows(self) -> bool:
        """Does any step take less than all rows?"""
        return any(level.rows < 1 for level in AXES[self.axis].levels)


EVEN = Ramp()  # every step whole


def shrunk(height: int, width: int, side: float) -> tuple[int, int]:
    """The height and width of pictures at `side`, in pixels."""
    return max(round(height * side), 1), max(round(width * side), 1)


def resolve(axis: str, n_train: int, height: int, width: int) -> str:
    """The axis that is meant: "auto" picks by what is known of the data (docs/decisions/0007).

    DataError where the pictures are too small for the one that was asked for, or there is none of that name.
    """
    if axis == AUTO:
        return _pick(n_train, height, width)
    if axis not in AXES:
        raise DataError(f"no fidelity is called {axis!r}; there are: {AUTO}, {', '.join(AXES)}")
    if min(height, width) < SMALLEST and any(level.side < 1 for level in AXES[axis].levels):
        raise DataError(
            f"images of {height}×{width} are too small to be shrunk further: give --fidelity epochs or data"
        )
    return axis


def _pick(n_train: int, height: int, width: int) -> str:
    """The axis that was ahead at every mark of benchmarks/cheaper_steps.py and not behind at the full cost; epochs where
    the pictures or the set are much smaller than any that it was measured on."""
    return "both" if min(height, width) >= MEASURED_SIDE and n_train >= MEASURED_ROWS else "epochs"
