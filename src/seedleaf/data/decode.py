"""One picture file to pixels: the same way in training and in prediction, and never more memory than a picture may need."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from seedleaf.data.scale import BEYOND, DEEPEST, FULL, Scale, guessed_white
from seedleaf.data.spec import Array, Pixels

# Formats that Pillow reads by itself. Not EPS, which starts Ghostscript; not TGA and PCX, which have no proper signature.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
SUFFIXES = frozenset(
    (
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".jp2",
    )
) | {".ppm", ".pgm", ".pbm", ".pnm"}
MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte of RGB
ROTATED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap height and width
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
CLEAR_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
COLOUR_SPREAD = 24  # levels between the channels of one pixel: below it is chroma noise of a grey scan
COLOUR_SHARE = 0.002  # share of pixels with that spread from which a picture counts as coloured

Reach = tuple[str, float]  # "f" for decimals or "u", and the largest value


class Unreadable(Exception):
    """A file holds no picture that can be used; the text says why. `is_image`: it does look like a picture, though."""

    def __init__(self, reason: str, is_image: bool = True) -> None:
        super().__init__(reason)
        self.is_image = is_image


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture before any pixel is read; height and width as seen after EXIF rotation.

    `mode` is Pillow's; `clear`: it may have transparent places.
    """

    height: int
    width: int
    grey: bool
    frames: bool
    mode: str
    clear: bool

    @property
    def deep(self) -> bool:
        """More than 8 bits a pixel, or decimals: what is white is for the whole set to say."""
        return is_deep(self.mode)


@contextmanager
def pillow_ready() -> Iterator[None]:
    """Wrap every use of this module in this: it loads Pillow's plugins before threads race to, and stills its warnings."""
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(path: Path) -> Image.Image:
    likely = path.suffix.lower() in SUFFIXES
    try:
        # Files of the kernel claim to be empty, and reading some of them waits for ever.
        if path.stat().st_size == 0:
            raise Unreadable("the file is empty", is_image=likely)
        image = Image.open(path, formats=FORMATS)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # plugins raise nearly anything on bytes made to hurt
        raise Unreadable("not an image" if not likely else _reason(error), is_image=likely) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise Unreadable(f"{image.width}×{image.height} is more than {MAX_PIXELS:,} pixels")
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "corrupt or of an unknown format"
    return str(error).strip().split("\n")[0][:120] or type(error).__name__


def read_header(path: Path) -> Header:
    """Size and kind of the picture in `path`. Raises Unreadable."""
    with _open(path) as image:
        try:
            # A PNG without an early EXIF block would be decoded in full to look for a late one.
            has_exif = image.format != "PNG" or "exif" in image.info
            swap = has_exif and image.getexif().get(0x0112) in ROTATED
            # A phone's JPEG (MPO) carries previews as frames, which nobody misses.
            frames = image.format != "MPO" and bool(getattr(image, "is_animated", False))
        except Exception as error:
            raise Unreadable(_reason(error)) from None
        width, height = (image.height, image.width) if swap else image.size
        grey = image.mode in GREY_MODES and "transparency" not in image.info
        clear = image.mode in CLEAR_MODES or "transparency" in image.info
        return Header(height, width, grey, frames, image.mode, clear)


def is_deep(mode: str) -> bool:
    return mode == "F" or mode.startswith("I")


def read_reach(path: Path) -> Reach:
    """Of a deep picture: "f" for decimals or "u", and its largest value. Raises Unreadable."""
    with _open(path) as image:
        try:
            return "f" if image.mode == "F" else "u", _reach(np.asarray(image))
        except Exception as error:
            raise Unreadable(_reason(error)) from None


def decode(
    path: Path, height: int, width: int, scale: Scale | None = None, guessed: list[Reach] | None = None
) -> Pixels:
    """The picture in `path` as uint8 height×width×C, C 1 for a grey file, else 3. Raises Unreadable.

    EXIF rotation is applied, transparency is laid on white, of several frames the first is taken. 16 bits and decimals are
    brought to 8 bits by the `scale` of the training images; without one, by what it holds, which `guessed` is told.
    """
    with _open(path) as image:
        try:
            side = 2 * max(height, width)
            image.draft(
                None, (side, side)
            )  # a big JPEG is decoded at a half, quarter or eighth: several times faster
            flat = _flatten(ImageOps.exif_transpose(image), scale or Scale(), guessed)
            if flat.size != (width, height):
                flat = flat.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(flat, dtype=np.uint8)
        except Exception as error:
            raise Unreadable(_reason(error)) from None
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _flatten(image: Image.Image, scale: Scale, guessed: list[Reach] | None) -> Image.Image:
    """Any mode to L or RGB, opaque, 8 bits."""
    if is_deep(image.mode):
        known = scale.decimal if image.mode == "F" else scale.whole
        values = np.asarray(image)
        if known is None and guessed is not None:
            guessed.append(("f" if image.mode == "F" else "u", float(values.max())))
        return Image.fromarray(_to_8_bits(values, image.mode, known))
    grey = image.mode in GREY_MODES
    if image.mode in CLEAR_MODES or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return image.convert("L" if grey else "RGB")


def _reach(values: Array) -> float:
    """The largest value. ValueError where these are no pixels."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > DEEPEST:
        raise ValueError(f"values from {low:g} to {high:g} fit neither 8 nor 16 bits")
    return high


def _to_8_bits(values: Array, mode: str, white: float | None) -> Pixels:
    high = _reach(values)
    if white is None:  # integers wider than 8 bits are 16 bits in every format that holds them
        white = (guessed_white("f", high) if mode == "F" else None) or DEEPEST
    if high >= BEYOND * white:
        raise ValueError(f"its values reach {high:g}, but the training images go from 0 to {white:g}")
    return np.clip(np.rint(values.astype(np.float64) * (FULL / white)), 0, 255).astype(np.uint8)


def is_coloured(pixels: Pixels) -> bool:
    """Whether a picture (H×W×C) has true colour, not grey stored in three channels."""
    if pixels.shape[-1] == 1:
        return False
    # Columns rather than a reduction over the short last axis, which is ten times slower.
    r, g, b = (pixels[..., i] for i in range(3))
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    return bool(np.count_nonzero(spread > COLOUR_SPREAD) > COLOUR_SHARE * spread.size)


def to_channels(pixels: Pixels, channels: int) -> Pixels:
    """…×H×W×1 or …×H×W×3 to `channels` (1 or 3): luminance by ITU-R 601, as Pillow does it; grey is repeated."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    r, g, b = (pixels[..., i].astype(np.uint32) for i in range(3))
    return ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16).astype(np.uint8)[..., None]
