"""One white for a whole set, decided by its training images, kept in its spec, and applied to all that is predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedleaf.data.files import HANDFUL
from seedleaf.data.images import load_images
from seedleaf.data.mapped import open_mapped, save_mapped
from seedleaf.data.predict_input import read_inputs
from seedleaf.data.scale import Scale
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.errors import DataError

RNG = np.random.default_rng(0)
Y = np.arange(20) % 2


def spread(top: float, dtype: Any) -> np.ndarray:
    """20 pictures whose values fill 0 to top."""
    x = RNG.random((20, 8, 8)) * top
    x[0, 0, 0] = top
    return (x if np.dtype(dtype).kind == "f" else np.rint(x)).astype(dtype)


def finding(spec: ImageSpec, text: str) -> str:
    (line,) = [f for f in spec.findings if text in f]
    return line


def predicted(path: Path, data: ImageData) -> tuple[np.ndarray, list[str]]:
    spec = data.spec
    _, x, findings = read_inputs(path, spec.height, spec.width, spec.channels, spec.scale)
    return x, findings


@pytest.mark.parametrize(
    ("top", "dtype", "dark", "pixel", "scale"),
    [
        (60_000, np.uint16, 200, 1, Scale(whole=65535)),
        (255.0, np.float64, 0.9, 1, Scale(decimal=255)),
        (1.0, np.float32, 0.1, 26, Scale(decimal=1)),
        (4095, np.uint16, 200, 12, Scale(whole=4095)),
        (200, np.int64, 100, 100, Scale(whole=255)),
        (255, np.uint8, 3, 3, Scale()),
        (1, np.bool_, 1, 255, Scale()),
    ],
)
def test_a_value_is_one_pixel_in_training_and_in_prediction(
    top: float, dtype: Any, dark: float, pixel: int, scale: Scale, tmp_path: Path
) -> None:
    x = spread(top, dtype)
    x[:2] = np.asarray(dark, dtype)
    x[2, 0, 0] = np.asarray(top, dtype)
    data = load_images((x, Y, x, Y))
    assert (data.x_train[:2] == pixel).all()
    assert data.spec.scale == scale
    np.save(tmp_path / "dark.npy", x[:2])
    assert (predicted(tmp_path / "dark.npy", data)[0] == pixel).all()
    np.save(tmp_path / "all.npy", x)
    assert np.array_equal(predicted(tmp_path / "all.npy", data)[0], data.x_train)
    save_mapped(data, tmp_path / "mapped")
    assert open_mapped(tmp_path / "mapped").spec.scale == scale


def test_without_a_stored_scale_an_input_is_read_as_before(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((1, 8, 8), 200, np.uint16))
    assert (read_inputs(tmp_path / "x.npy", 8, 8, 1)[1] == 200).all()
    np.save(tmp_path / "x.npy", np.full((1, 8, 8), 4095, np.uint16))
    assert (read_inputs(tmp_path / "x.npy", 8, 8, 1)[1] == 16).all()


def test_the_test_part_decides_nothing_about_training() -> None:
    x = spread(1, float)
    with pytest.raises(DataError, match=r"x_test reaches 255, but the training images go from 0 to 1"):
        load_images((x, Y, spread(255, float), Y))
    alone = load_images((x, Y, x, Y))
    for other in (x * 0.5, x * 1.01, np.rint(x * 255).astype(np.uint8)):
        assert np.array_equal(load_images((x, Y, other, Y)).x_train, alone.x_train)
    over = load_images((x, Y, np.minimum(x * 1.1, 1.01), Y))
    assert "x_test" in finding(over.spec, "Values beyond 1, white in training, were cut")
    assert over.x_test.max() == 255
    with pytest.raises(DataError, match="x_test reaches"):
        load_images((spread(255, np.uint8), Y, spread(60_000, np.uint16), Y))
    with pytest.raises(DataError, match="give both in one type"):
        load_images((spread(4095, np.uint16), Y, spread(255, np.uint8), Y))


def test_12_bit_values_keep_their_levels_and_faint_ones_are_told(tmp_path: Path) -> None:
    x = spread(4000, np.uint16)
    data = load_images((x, Y, x // 40, Y))
    assert len(np.unique(data.x_train)) > 200
    assert "12-bit values were scaled down to 8 bits (0 to 4095)" in "; ".join(data.spec.findings)
    assert "of 4095" in finding(data.spec, "Values reach only 100")
    np.save(tmp_path / "x.npy", x // 40)
    assert any("Values reach only 100 of 4095" in f for f in predicted(tmp_path / "x.npy", data)[1])


def deep_folder(root: Path, parts: dict[str, np.ndarray], suffix: str) -> Path:
    for part, arrays in parts.items():
        for index, array in enumerate(arrays):
            path = root / part / ("cat" if index % 2 else "dog") / f"{index}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return root


@pytest.mark.parametrize(
    ("top", "suffix", "dtype", "said"),
    [
        (255, "png", np.uint16, "16-bit images hold values up to 255 only"),
        (4095, "png", np.uint16, "12-bit images were scaled down to 8 bits"),
        (65535, "png", np.uint16, "16-bit images were scaled down to 8 bits"),
        (1, "tiff", np.float32, "decimals were read as 0 to 1"),
        (255, "tiff", np.float32, "decimals were read as 0 to 255"),
        (4095, "tiff", np.float32, "decimals were read as 0 to 4095"),
    ],
)
def test_deep_pictures_of_a_folder_share_one_scale(
    top: float, suffix: str, dtype: Any, said: str, tmp_path: Path
) -> None:
    x = spread(top, dtype)
    x[1] = 0 if dtype == np.uint16 else 0.5 * min(1.0, top)  # a dark one among bright ones
    root = deep_folder(tmp_path / "set", {"train": x, "test": x}, suffix)
    data = load_images(root)
    assert f"{said}" in finding(data.spec, said)
    assert ": 40, e.g. " in finding(data.spec, said)
    expected = np.rint(x.astype(np.float64) * (255 / top)).astype(np.uint8)
    kept = {image.tobytes() for image in data.x_train}
    assert kept == {image.tobytes() for image in expected}
    # One file, alone, becomes what it was in training; so does an array of the same values.
    one, _ = predicted(
        root / "train" / "cat" / "1.tiff" if suffix == "tiff" else root / "train" / "cat" / "1.png", data
    )
    assert np.array_equal(one[0, ..., 0], expected[1])
    np.save(tmp_path / "x.npy", x[1:3])
    assert np.array_equal(predicted(tmp_path / "x.npy", data)[0][..., 0], expected[1:3])


def test_deep_pictures_beyond_the_training_scale_are_refused(tmp_path: Path) -> None:
    root = deep_folder(
        tmp_path / "set", {"train": spread(255, np.uint16), "test": spread(60_000, np.uint16)[:1]}, "png"
    )
    with pytest.raises(
        DataError, match=r"test/dog/0.png reaches 60000, but the training images go from 0 to 255"
    ):
        load_images(root)
    (root / "test" / "dog" / "0.png").unlink()
    data = load_images(root)
    Image.fromarray(spread(60_000, np.uint16)[0]).save(tmp_path / "new.png")
    with pytest.raises(DataError, match=r"new.png cannot be read: its values reach 60000"):
        predicted(tmp_path / "new.png", data)


def test_kinds_of_pictures_are_counted(tree: Any, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for index in range(4):
            tree(f"{label}/{index}.png")
        tree(f"{label}/clear.png", mode="RGBA")
        tree(f"{label}/palette.png", mode="P")
        tree(f"{label}/cmyk.jpg", mode="CMYK")
        tree(f"{label}/ink.png", mode="1")
        Image.fromarray(spread(60_000, np.uint16)[0]).save(tmp_path / "set" / label / "deep.png")
    spec = load_images(tmp_path / "set").spec
    for text in (
        "alpha channel",
        "Palette images",
        "mode CMYK",
        "mode 1 were turned to grey",
        "16-bit images",
    ):
        assert ": 2, e.g. cat/" in finding(spec, text)


def test_unreadable_files_are_named_and_all_of_them_listed(classes: Path) -> None:
    for index in range(HANDFUL + 3):
        (classes / "cat" / f"bad{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    spec = load_images(classes).spec
    line = finding(spec, "cannot be read")
    assert f": {HANDFUL + 3}, e.g. cat/bad0.png" in line
    assert line.count(".png") == HANDFUL
    assert len(spec.left_out) == HANDFUL + 3
    assert spec.left_out[-1].startswith(f"cat/bad{HANDFUL + 2}.png (")
    assert ImageSpec.from_json(spec.to_json()) == spec


def test_the_array_of_an_npz_that_was_predicted_is_said(tmp_path: Path) -> None:
    x = np.zeros((3, 8, 8), np.uint8)
    for arrays, name in (
        ({"x_train": x, "y_train": Y}, "x_train"),
        ({"x_train": x[:1], "y_train": Y, "x_test": x}, "x_test"),
        ({"pictures": x}, "pictures"),
    ):
        np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
        names, _, findings = read_inputs(tmp_path / "set.npz", 8, 8, 1, Scale())
        assert len(names) == 3
        assert any(f.startswith(f"The array {name} of ") and f.endswith(": 3") for f in findings)
