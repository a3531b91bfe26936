"""Using a delivered model: ONNX Runtime, numpy and (for image files) Pillow; neither torch nor pandas is imported."""

from __future__ import annotations

import csv
import json
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seedleaf.data.scale import Scale, is_8_bit
from seedleaf.errors import DataError, RunError, first_line

if TYPE_CHECKING:
    import onnxruntime

BATCH = 256
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
Floats = npt.NDArray[np.float32]


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on one thread. RunError where the file is missing or no model."""
    return session_of(_read(path), str(path))


def open_model(folder: Path | str) -> tuple[bytes, dict[str, Any], Path]:
    """model.onnx and config.json in a run's folder, or in its best/ folder; and that folder. RunError."""
    folder = Path(folder)
    best = folder if (folder / "model.onnx").exists() else folder / "best"
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder of a run")
    model = _read(best / "model.onnx")
    try:
        body = json.loads((best / "config.json").read_text(encoding="utf-8", errors="surrogatepass"))
    except (OSError, ValueError) as error:
        raise RunError(f"{best / 'config.json'} cannot be read: {first_line(error)}") from None
    if not isinstance(body, dict):
        raise RunError(f"{best / 'config.json'} cannot be read: it holds no object")
    return model, body, best


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{path} does not exist: the run has delivered no model (try: seedleaf resume)"
        ) from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from None


def session_of(model: bytes, where: str) -> onnxruntime.InferenceSession:
    """The same for a model in memory; `where` names it in the error."""
    from seedleaf.inference import single_thread

    try:
        return single_thread(model)
    except Exception as error:
        raise RunError(f"{where} is not a model that ONNX Runtime can read: {first_line(error)}") from None


@dataclass(frozen=True)
class Predictor:
    """A delivered model. `classes` are the names of its outputs; `shape` is (height, width, channels).
    `scale` is what made 8 bits of the training images; None in runs that kept none.

    It holds the model itself, so it outlives the run's folder and can be pickled.
    """

    model: bytes
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    scale: Scale | None = None

    @classmethod
    def open(cls, folder: Path | str) -> Predictor:
        """The model in a run's folder, or in its best/ folder."""
        model, body, best = open_model(folder)
        try:
            height, width, channels = (int(v) for v in body["input"]["shape"][1:])
            scale = Scale.from_json(body.get("scale"))
            opened = cls(model, tuple(map(str, body["classes"])), (height, width, channels), scale)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{best / 'config.json'} cannot be read: {first_line(error)}") from None
        opened.__dict__["session"] = session_of(model, str(best / "model.onnx"))
        return opened

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        return session_of(self.model, "the model")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "session"}

    def probabilities(self, images: npt.NDArray[Any]) -> Floats:
        """Class probabilities (N, classes) of images (N, H, W, C), or (N, H, W) where there is one channel.

        uint8 goes to the network as it is. Other numbers are scaled just as the training images were, and may have any shape
        that training could read (flat rows, channels first); DataError where training had no numbers of their kind.
        """
        x = np.asarray(images)
        if x.dtype != np.uint8:
            x = self._scaled(x)
        if x.ndim == 3 and self.shape[2] == 1:
            x = x[..., None]
        if x.ndim != 4 or x.shape[1:] != self.shape:
            raise DataError(f"images of shape {('N', *self.shape)} are needed, got {np.shape(images)}")
        name = self.session.get_inputs()[0].name
        parts = [
            self.session.run(None, {name: np.ascontiguousarray(x[i : i + BATCH])})[0]
            for i in range(0, len(x), BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.classes)), np.float32)

    def _scaled(self, x: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        from seedleaf.data.arrays import REACH_ONLY, as_array, to_pixels
        from seedleaf.data.decode import to_channels
        from seedleaf.data.files import Tally

        known = None if self.scale is None else self.scale.white(x.dtype)
        if known is None or is_8_bit(x.dtype):
            raise DataError(f"images must be uint8 (0 to 255), got {x.dtype}")
        tally = Tally()
        pixels = to_pixels(as_array(x, "the images"), "the images", self.scale, tally)
        for line in tally.lines():
            if line.startswith(REACH_ONLY):
                warnings.warn(f"the images: {line}", stacklevel=4)
        return to_channels(pixels, self.shape[2])

    def predict(self, images: npt.NDArray[Any]) -> list[str]:
        """The most probable class name of each image."""
        return [self.classes[k] for k in self.probabilities(images).argmax(1)]


def write_predictions(
    file: IO[str], names: list[str], probabilities: Floats, classes: tuple[str, ...]
) -> None:
    """A CSV: input, predicted class, its probability, then one column per class."""
    writer = csv.writer(file)
    writer.writerow(["input", "predicted", "probability", *(f"p({c})" for c in classes)])
    for name, row in zip(names, probabilities, strict=True):
        k = int(row.argmax())
        writer.writerow([cell(name), cell(classes[k]), *map(share, (row[k], *row))])


def share(probability: float) -> str:
    """A probability with six significant digits: small ones stay apart from 0, and so does their order."""
    return f"{float(probability):.6g}"


def cell(text: str) -> str:
    """A file or class name that a spreadsheet would run as a formula gets an apostrophe in front; a plain number is none."""
    risky = text.startswith(("=", "+", "-", "@")) and NUMBER.fullmatch(text) is None
    return f"'{text}" if risky else text
