"""What `seedleaf predict` is given, brought to the shape that the model was trained on. Needs numpy and Pillow only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seedleaf.data.arrays import as_array, to_pixels
from seedleaf.data.decode import Reach, Unreadable, decode, pillow_ready, to_channels
from seedleaf.data.files import Tally, list_files, missing, shown
from seedleaf.data.npz import npz_keys, read_npy, read_npz
from seedleaf.data.scale import Scale
from seedleaf.data.spec import Array, Pixels
from seedleaf.errors import DataError

KEYS = ("x", "x_test", "x_train")  # of several arrays in an .npz, the first that it has is predicted
LISTED = 50  # skipped files named in full


def read_inputs(
    source: Path | str, height: int, width: int, channels: int, scale: Scale | None = None
) -> tuple[list[str], Pixels, list[str]]:
    """Names, images uint8 N×height×width×channels, and findings, for one picture, a folder of them, an .npy or an .npz.

    A folder is read with its subfolders, sorted, names relative to it; the images of an array are named by their index. A
    file that cannot be read is skipped and a finding names it. `scale` is that of training (`ImageSpec.scale`): a value
    gives the same pixel as there; without it each input's own range counts. Raises DataError where none can be read or an
    array is of another shape.
    """
    path = Path(source)
    try:
        if not path.exists():
            raise missing(path)
        if path.is_dir():
            return _from_folder(path, height, width, channels, scale)
        if path.suffix.lower() in (".npy", ".npz"):
            return _from_array(path, height, width, channels, scale)
        with pillow_ready():
            tally = Tally()
            pixels = _decoded(path, path.name, (height, width, channels), scale, tally)
            return [path.name], pixels[None], [*tally.lines()]
    except Unreadable as error:
        raise DataError(
            f"{shown(path)} cannot be read: {error}; give an image, a folder of images, an .npy or an .npz"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise DataError(f"{shown(str(source))} cannot be read: {error}") from None


def _from_folder(
    folder: Path, height: int, width: int, channels: int, scale: Scale | None
) -> tuple[list[str], Pixels, list[str]]:
    root, tally = folder.resolve(), Tally()
    names: list[str] = []
    pixels: list[Pixels] = []
    skipped: list[str] = []
    with pillow_ready():
        for path in list_files(root, root, tally):
            name = shown(path.relative_to(root).as_posix())
            try:
                pixels.append(_decoded(path, name, (height, width, channels), scale, tally))
                names.append(name)
            except Unreadable as error:
                skipped.append(f"{name} ({error})")
    findings = [*tally.lines()]
    if skipped:
        more = f" and {len(skipped) - LISTED:,} more" if len(skipped) > LISTED else ""
        findings.append(
            f"Files skipped: {len(skipped):,} of {len(skipped) + len(names):,}: {', '.join(skipped[:LISTED])}{more}"
        )
    if not pixels:
        raise DataError(
            f"{shown(folder)} holds no readable image{': ' if findings else ''}{'; '.join(findings)}"
        )
    return names, np.stack(pixels), findings


def _decoded(path: Path, name: str, shape: tuple[int, int, int], scale: Scale | None, tally: Tally) -> Pixels:
    """One picture. One of more than 8 bits or of decimals whose white training did not say is tallied."""
    guessed: list[Reach] = []
    pixels = to_channels(decode(path, *shape[:2], scale, guessed), shape[2])
    for kind, high in guessed:
        what = "of decimals" if kind == "f" else "of more than 8 bits"
        none = "whose scale in training was not kept" if scale is None else "of which training had none"
        read = "by what each holds" if kind == "f" else "as 0 to 65535"
        tally.note(f"Images {what}, {none}, were read {read}", f"{name}, which reaches {high:g}")
    return pixels


def _load(path: Path, tally: Tally) -> Array:
    if path.suffix.lower() == ".npy":
        return read_npy(path)
    keys = npz_keys(path)
    key = next((k for k in KEYS if k in keys), keys[0] if len(keys) == 1 else None)
    if key is None:
        raise DataError(
            f"{shown(path)} holds {', '.join(map(shown, keys)) or 'nothing'}: name the array to predict x"
        )
    array = read_npz(path, [key])[key]
    tally.note(
        f"The array {shown(key)} of {shown(path)} was predicted, images",
        "",
        array.shape[0] if array.ndim else 0,
    )
    return array


def _from_array(
    path: Path, height: int, width: int, channels: int, scale: Scale | None
) -> tuple[list[str], Pixels, list[str]]:
    where, tally = shown(path), Tally()
    x = as_array(_load(path, tally), where)
    if x.shape in ((height, width), (height, width, channels)):
        x = x[None]
    if len(x.shape) == 0 or len(x) == 0:
        raise DataError(f"{where} holds no image")
    pixels = to_pixels(x, where, scale, tally)
    if pixels.shape[1:3] != (height, width):
        raise DataError(
            f"{where} holds images of {pixels.shape[1]}×{pixels.shape[2]}, the model was trained on {height}×{width}: "
            "resize them, or give a folder of image files, which are resized"
        )
    if pixels.shape[3] != channels:
        tally.note(
            f"Images were turned {'grey' if channels == 1 else 'to three channels'}, as in training",
            where,
            len(pixels),
        )
    return [str(i) for i in range(len(pixels))], to_channels(pixels, channels), list(tally.lines())
