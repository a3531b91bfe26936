"""Images from whatever people have: `load_images(source)`. A new format is one reader and one row in READERS."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedleaf.data.assemble import assemble
from seedleaf.data.files import missing, shown
from seedleaf.data.folder import read_folder
from seedleaf.data.idx import read_idx
from seedleaf.data.named import TORCHVISION, canonical, read_digits, read_torchvision
from seedleaf.data.npz import npz_keys, read_npz
from seedleaf.data.pictures import Size
from seedleaf.data.raw import Part, Raw
from seedleaf.data.spec import DIGITS, ImageData
from seedleaf.errors import DataError

Source = str | Path | ImageData | tuple[Any, ...]

IDX_IMAGES = re.compile(r"images[-._]idx3[-._]ubyte(\.gz)?$", re.IGNORECASE)
IDX_PLACES = (
    "",
    "raw",
    "MNIST/raw",
    "FashionMNIST/raw",
)  # below the folder given: as torchvision leaves them


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of source: whether this is one, and how it is read; `resized` to a size that is wanted, None of what is read
    whole."""

    name: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any], Raw]
    resized: Callable[[Any, Size], Raw] | None = None


def load_images(source: Source, *, seed: int = 0, side: int | None = None) -> ImageData:
    """The images of `source`, uint8 N×H×W×C, with labels 0..K-1, a test part and a spec of what was found.

    `source` is "digits", a folder of class folders, an .npz (x_train, y_train and perhaps x_test, y_test, class_names), a
    folder of IDX files, the name of a torchvision set, arrays `(x, y)` or `(x_train, y_train, x_test, y_test)`, or an
    ImageData, which is handed back. Without a test part a fifth, stratified by `seed`, is held out. Pictures in folders are
    brought down to `side` pixels of the longer side. Raises DataError, also where `side` is given for anything else.
    """
    return _load(source, seed, side, refuse=True)


def load_again(source: Source, *, seed: int, size: tuple[int, int]) -> ImageData:
    """The images of `source` as they were read before, when they had a height and width of `size`; what is read whole keeps
    its own. Raises DataError."""
    return _load(source, seed, size, refuse=False)


def _load(source: Source, seed: int, size: Size, refuse: bool) -> ImageData:
    """`refuse`: whether a `size` for what is read whole is an error, or means nothing."""
    if isinstance(source, ImageData):
        if size is not None and refuse:
            raise _read_whole("images that were read already")
        return source
    if not isinstance(source, str | Path | tuple):
        raise DataError(
            f"images cannot be read from a {type(source).__name__}: give a path, a name or a tuple of arrays"
        )
    if source == "" or (not isinstance(source, tuple) and "\0" in str(source)):
        raise DataError(f"{shown(str(source))!r} is not a path: give one, or a name such as {DIGITS}")
    try:
        reader = next((r for r in READERS if r.recognises(source)), None)
        if reader is None:
            raise _unknown(Path(str(source)))
        if size is not None and reader.resized is not None:
            raw = reader.resized(source, size)
        elif size is None or not refuse:
            raw = reader.read(source)
        else:
            raise _read_whole("arrays" if isinstance(source, tuple) else shown(str(source)))
    except OSError as error:
        raise DataError(f"{shown(str(source))} cannot be read: {error.strerror or error}") from None
    return assemble(raw, seed)


def _unknown(path: Path) -> DataError:
    if not path.exists():
        return missing(path, (DIGITS, *TORCHVISION.values()))
    return DataError(
        f"{shown(path)} is not a kind of data that is known: give a folder of class folders, an .npz with x_train and "
        f"y_train, a folder with IDX files, or a name ({', '.join((DIGITS, *TORCHVISION.values()))})"
    )


def _read_whole(what: str) -> DataError:
    return DataError(f"{what}: these are read whole, and --side is for folders of pictures: leave it out")


# --- readers that need no file of their own ---


def read_arrays(parts: tuple[Any, ...]) -> Raw:
    """(x, y) or (x_train, y_train, x_test, y_test), as arrays or whatever numpy makes arrays of."""
    if len(parts) not in (2, 4):
        raise DataError(f"a tuple of {len(parts)} arrays: give (x, y) or (x_train, y_train, x_test, y_test)")
    test = Part(parts[2], parts[3], "x_test", "y_test") if len(parts) == 4 else None
    return Raw("arrays", Part(parts[0], parts[1], "x_train", "y_train"), test)


def read_npz_images(source: str | Path) -> Raw:
    """An .npz with x_train and y_train; x_test with y_test, and class_names, where it has them."""
    path = Path(source)
    keys = npz_keys(path)
    if ("x_test" in keys) != ("y_test" in keys):
        raise DataError(f"{shown(path)} has only one of x_test and y_test: give both or neither")
    tests = ["x_test", "y_test"] if "x_test" in keys else []
    names = ["class_names"] if "class_names" in keys else []
    arrays = read_npz(path, ["x_train", "y_train", *tests, *names])

    def part(which: str) -> Part:
        x, y = f"x_{which}", f"y_{which}"
        return Part(arrays[x], arrays[y], f"{shown(path)}, {x}", f"{shown(path)}, {y}")

    class_names = tuple(str(n) for n in arrays["class_names"].reshape(-1).tolist()) if names else None
    return Raw(shown(path.stem), part("train"), part("test") if tests else None, class_names)


def read_idx_folder(source: str | Path) -> Raw:
    """train-images-idx3-ubyte[.gz] and its labels; t10k-images… or test-images… as the test part, where it is there."""
    files = _idx_files(Path(source))
    chosen: dict[str, Path] = {}
    for path in files:
        part = "train" if "train" in path.name.lower() else "test"
        if part in chosen and path.name.removesuffix(".gz") != chosen[part].name.removesuffix(".gz"):
            raise DataError(
                f"{shown(chosen[part])} and {path.name} are both {part} sets: put each set in its own folder"
            )
        chosen.setdefault(part, path)
    if "train" not in chosen:
        raise DataError(f"{shown(files[0])}: there is no train-images-idx3-ubyte.gz beside it")
    made = {part: _idx_part(path) for part, path in chosen.items()}
    return Raw(shown(Path(source).resolve().name), made["train"], made.get("test"))


def _idx_files(folder: Path) -> list[Path]:
    for place in IDX_PLACES:
        if (folder / place).is_dir():
            found = sorted(p for p in (folder / place).iterdir() if IDX_IMAGES.search(p.name) and p.is_file())
            if found:
                return found
    return []


def _idx_part(images: Path) -> Part:
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    labels = next((p for s in ("", ".gz") if (p := images.with_name(stem + s)).is_file()), None)
    if labels is None:
        raise DataError(f"{shown(images)} has no labels beside it: {stem} or {stem}.gz is missing")
    return Part(read_idx(images, 3), read_idx(labels, 1), shown(images), shown(labels))


# The first row that recognises a source reads it. A folder named like a torchvision set wins over the set.
READERS = (
    Reader("arrays", lambda s: isinstance(s, tuple), read_arrays),
    Reader("digits", lambda s: isinstance(s, str) and s.casefold() == DIGITS, lambda s: read_digits()),
    Reader("npz", lambda s: Path(s).suffix.lower() == ".npz" and Path(s).is_file(), read_npz_images),
    Reader("idx", lambda s: bool(_idx_files(Path(s))), read_idx_folder),
    Reader(
        "folder",
        lambda s: Path(s).is_dir(),
        lambda s: read_folder(Path(s)),
        lambda s, size: read_folder(Path(s), size),
    ),
    Reader(
        "torchvision",
        lambda s: not Path(s).exists() and canonical(str(s)) is not None,
        lambda s: read_torchvision(str(canonical(str(s)))),
    ),
)
