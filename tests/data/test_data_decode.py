"""One picture at a time: modes, rotation, transparency, damage; and the same pixels for prediction as for training."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from seedleaf.data.decode import Unreadable, decode, is_coloured, pillow_ready, read_header, to_channels
from seedleaf.data.images import load_images
from seedleaf.data.predict_input import read_inputs
from seedleaf.data.scale import Scale
from seedleaf.errors import DataError

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("1", "png", 1),
        ("L", "png", 1),
        ("LA", "png", 1),
        ("P", "gif", 3),
        ("RGB", "jpg", 3),
        ("RGBA", "png", 3),
        ("CMYK", "jpg", 3),
        ("I;16", "png", 1),
        ("I", "tiff", 1),
        ("F", "tiff", 1),
        ("YCbCr", "jpg", 3),
    ],
)
def test_every_mode_becomes_grey_or_rgb(mode: str, suffix: str, channels: int, tmp_path: Path) -> None:
    path = save(tmp_path / f"x.{suffix}", Image.new("L", (6, 4), 128).convert(mode))
    pixels = decode(path, 4, 6)
    assert pixels.shape == (4, 6, channels)
    assert pixels.dtype == np.uint8


def test_16_bits_are_scaled_and_transparency_is_white(tmp_path: Path) -> None:
    deep = save(tmp_path / "deep.png", Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)))
    assert decode(deep, 1, 3).ravel().tolist() == [0, 100, 255]
    clear = save(tmp_path / "clear.png", Image.new("RGBA", (2, 2), (255, 0, 0, 0)))
    assert (decode(clear, 2, 2) == 255).all()
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (decode(save(tmp_path / "p.png", palette, transparency=0), 2, 2) == 255).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "x.jpg", Image.linear_gradient("L").resize((20, 10)), exif=exif)
    head = read_header(path)
    assert (head.height, head.width) == (20, 10)
    pixels = decode(path, 20, 10)[..., 0].astype(int)
    assert abs(pixels[0, 0] - pixels[-1, 0]) < 20  # the gradient now runs across
    assert abs(pixels[0, 0] - pixels[0, -1]) > 200


def test_values_beyond_16_bits_and_nan_are_refused(tmp_path: Path) -> None:
    for name, array in (
        ("nan", np.full((2, 2), np.nan, np.float32)),
        ("big", np.full((2, 2), 70_000, np.int32)),
    ):
        path = save(tmp_path / f"{name}.tiff", Image.fromarray(array))
        with pytest.raises(Unreadable, match="neither 8 nor 16 bits"):
            decode(path, 2, 2)


def test_postscript_is_never_opened(tmp_path: Path) -> None:
    path = save(tmp_path / "x.eps", Image.new("RGB", (4, 4)))
    with pytest.raises(Unreadable):
        decode(path, 4, 4)


def test_luminance_is_pillows() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(to_channels(pixels, 1)[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))
    assert is_coloured(pixels)
    assert not is_coloured(to_channels(to_channels(pixels, 1), 3))


def test_prediction_sees_the_pixels_of_training(tree, tmp_path: Path) -> None:
    for index in range(6):
        tree(f"{'cat' if index % 2 else 'dog'}/{index}.jpg", mode="RGB", size=(150 + 31 * index, 90 + index))
    tree("cat/grey.png", size=(30, 30))
    data = load_images(tmp_path / "set")
    spec = data.spec
    names, x, findings = read_inputs(tmp_path / "set", spec.height, spec.width, spec.channels)
    trained = {image.tobytes() for image in (*data.x_train, *data.x_test)}
    assert {image.tobytes() for image in x} == trained
    assert names == sorted(names)
    assert findings == []


@pytest.mark.parametrize("single", [True, False])
def test_pictures_deeper_than_those_of_training_are_told(tmp_path: Path, single: bool) -> None:
    """12 bits in a file of 16 are nearly black, read as 16."""
    folder = tmp_path / "deep"
    folder.mkdir()
    for i in range(1 if single else 3):
        Image.fromarray(np.full((5, 7), 4000 + i, np.uint16)).save(folder / f"{i}.png")
    Image.new("L", (7, 5)).save(folder / "plain.png")
    source = folder / "0.png" if single else folder
    (line,) = read_inputs(source, 5, 7, 1, Scale())[2]
    assert line.startswith("Images of more than 8 bits, of which training had none, were read as 0 to 65535")
    assert line.endswith(f": {1 if single else 3}, e.g. 0.png, which reaches 4000")
    assert read_inputs(source, 5, 7, 1, Scale(whole=4095.0))[2] == []


def test_a_folder_to_predict_names_what_it_skips(classes: Path) -> None:
    (classes / "cat" / "bad.png").write_bytes(b"\x89PNG")
    (classes / "notes.txt").write_text("hello")
    names, x, findings = read_inputs(classes, 8, 10, 3)
    assert len(names) == 20
    assert x.shape == (20, 8, 10, 3)
    (line,) = findings
    assert "2 of 22" in line
    assert "cat/bad.png" in line
    assert "notes.txt (not an image)" in line


def test_one_file_and_arrays_to_predict(classes: Path, tmp_path: Path) -> None:
    names, x, _ = read_inputs(classes / "cat" / "0.png", 8, 10, 1)
    assert (names, x.shape) == (["0.png"], (1, 8, 10, 1))
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 10), np.uint8))
    assert read_inputs(tmp_path / "x.npy", 8, 10, 3)[1].shape == (3, 8, 10, 3)
    np.save(tmp_path / "one.npy", np.zeros((8, 10), np.float64))
    assert read_inputs(str(tmp_path / "one.npy"), 8, 10, 1)[1].shape == (1, 8, 10, 1)
    np.savez(tmp_path / "x.npz", x_test=np.ones((2, 8, 10), bool), y_test=np.zeros(2))
    assert (read_inputs(tmp_path / "x.npz", 8, 10, 1)[1] == 255).all()


def test_inputs_that_cannot_be_predicted_say_so(tmp_path: Path, classes: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.zeros(2), b=np.zeros(2))
    np.save(tmp_path / "size.npy", np.zeros((3, 9, 9), np.uint8))
    np.save(tmp_path / "scalar.npy", np.uint8(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    for name, match in (
        ("two.npz", "name the array to predict x"),
        ("size.npy", "trained on 8×10"),
        ("scalar.npy", "no image"),
        ("objects.npy", "objects"),
        ("empty", "no readable image"),
        ("text.txt", "not an image"),
        ("tex.txt", "did you mean .*text.txt"),
        ("zero\0byte", "no such file"),
    ):
        with pytest.raises(DataError, match=match):
            read_inputs(tmp_path / name, 8, 10, 1)


@FUZZ
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
       suffix=st.sampled_from(["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"]))  # fmt: skip
def test_damaged_pictures_are_unreadable_or_pixels(
    cut: int, flips: list[tuple[int, int]], suffix: str, tmp_path: Path
) -> None:
    path = save(tmp_path / f"x.{suffix}", Image.radial_gradient("L").resize((12, 9)).convert("RGB"))
    body = bytearray(path.read_bytes())
    for place, value in flips:
        body[place % len(body)] = value
    path.write_bytes(body[: max(0, len(body) - cut)])
    with pillow_ready(), contextlib.suppress(Unreadable):
        read_header(path)
        assert decode(path, 5, 7).shape[:2] == (5, 7)
    with contextlib.suppress(DataError):
        assert read_inputs(path, 5, 7, 1)[1].shape == (1, 5, 7, 1)


@FUZZ
@given(body=st.binary(max_size=300), suffix=st.sampled_from(["png", "npy", "npz", "jpg"]))
def test_random_bytes_to_predict_are_a_data_error(body: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(body)
    with pytest.raises(DataError):
        read_inputs(path, 5, 7, 1)


def test_prediction_imports_numpy_and_pillow_only() -> None:
    code = (
        "import sys, seedleaf.data.predict_input; "
        "print(sorted({'pandas', 'sklearn', 'torch', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
