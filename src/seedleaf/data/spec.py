"""What is known of a set of images, and the set itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.data.scale import Scale
from seedleaf.errors import DataError

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

DIGITS = "digits"  # the name of the set that comes with scikit-learn
NO_TEST = "none"  # in place of a test file: every row is trained on


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The shape of a set of images.

    `class_names[k]` is what label k is called; `counts[k]` how many training images it has. `findings` are warnings, each a
    sentence with a count and an example. `fingerprint` is equal for equal arrays and class names, wherever they were read.
    `scale` is how the training images were brought to 8 bits (None in runs that kept none); `left_out` names the files that
    could not be read, with the reasons. `held_out`: the source has no test part, so it was drawn from its images.
    """

    name: str
    height: int
    width: int
    channels: int
    n_classes: int
    class_names: tuple[str, ...]
    n_train: int
    n_test: int
    counts: tuple[int, ...]
    findings: tuple[str, ...]
    fingerprint: str
    scale: Scale | None = None
    left_out: tuple[str, ...] = ()
    held_out: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal spec back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ImageSpec:
        """The spec that `to_json` wrote. Raises DataError where a field is missing or of another type."""
        try:
            return cls(
                name=str(body["name"]),
                fingerprint=str(body["fingerprint"]),
                counts=tuple(int(v) for v in body["counts"]),
                class_names=tuple(str(v) for v in body["class_names"]),
                findings=tuple(str(v) for v in body["findings"]),
                height=int(body["height"]),
                width=int(body["width"]),
                channels=int(body["channels"]),
                n_classes=int(body["n_classes"]),
                n_train=int(body["n_train"]),
                n_test=int(body["n_test"]),
                scale=Scale.from_json(body.get("scale")),
                left_out=tuple(str(v) for v in body.get("left_out", ())),
                held_out=bool(body.get("held_out", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"this is not the description of a set of images: {error!r}") from None


@dataclass(frozen=True, slots=True, eq=False)
class ImageData:
    """A set of images: x uint8 N×H×W×C (C is 1 or 3), y int64 N with labels 0..n_classes-1."""

    spec: ImageSpec
    x_train: Pixels
    y_train: Labels
    x_test: Pixels
    y_test: Labels


def fingerprint_of(class_names: tuple[str, ...], *arrays: Array) -> str:
    """32 hexadecimal digits that change with any pixel, label, shape or class name."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(class_names).encode("utf-8", "backslashreplace"))
    for array in arrays:
        digest.update(f"|{array.dtype.str}{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
