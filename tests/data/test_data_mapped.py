"""The mapped folder: what goes in comes out, shared and read-only; what is incomplete is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seedleaf.data.images import load_images
from seedleaf.data.mapped import ARRAYS, open_mapped, save_mapped
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.errors import DataError


@pytest.fixture(scope="module")
def data() -> ImageData:
    rng = np.random.default_rng(0)
    return load_images((rng.integers(0, 256, (20, 4, 5, 3), dtype=np.uint8), ["ü", "猫"] * 10))


def test_round_trip(data: ImageData, tmp_path: Path) -> None:
    save_mapped(data, tmp_path / "a" / "b")
    save_mapped(data, tmp_path / "a" / "b")  # over a former one
    opened = open_mapped(tmp_path / "a" / "b")
    assert opened.spec == data.spec
    for name in ARRAYS:
        array = getattr(opened, name)
        assert np.array_equal(array, getattr(data, name))
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == sorted(
        [*(f"{a}.npy" for a in ARRAYS), "spec.json"]
    )


@pytest.mark.parametrize("name", [*(f"{a}.npy" for a in ARRAYS), "spec.json"])
@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "pickle", "other"])
def test_incomplete_folders_are_refused(name: str, harm: str, data: ImageData, tmp_path: Path) -> None:
    save_mapped(data, tmp_path)
    path = tmp_path / name
    if harm == "gone":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif harm == "pickle":
        with path.open("wb") as file:
            np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros((3, 3), np.int64))
    with pytest.raises(DataError, match="load the"):
        open_mapped(tmp_path)


def test_a_write_that_fails_leaves_no_spec(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_mapped(data, tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(DataError, match="No space left"):
        save_mapped(data, tmp_path)
    assert not (tmp_path / "spec.json").exists()
    assert not list(tmp_path.glob("*.part"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        save_mapped(data, tmp_path / "file")


def test_spec_is_plain_json(data: ImageData) -> None:
    text = json.dumps(data.spec.to_json())
    assert ImageSpec.from_json(json.loads(text)) == data.spec
    old = {k: v for k, v in data.spec.to_json().items() if k not in ("scale", "left_out", "held_out")}
    assert ImageSpec.from_json(old).scale is None  # logs from before there was one
    assert not ImageSpec.from_json(old).held_out
    for body in ({}, {**data.spec.to_json(), "counts": None}, {**data.spec.to_json(), "height": "tall"}):
        with pytest.raises(DataError, match="description"):
            ImageSpec.from_json(body)


def test_fingerprint_changes_with_pixels_labels_and_names(data: ImageData) -> None:
    x, y = data.x_train.copy(), data.y_train.copy()
    other = load_images((x, y, data.x_test, data.y_test)).spec.fingerprint
    assert other != data.spec.fingerprint  # other names
    x[0, 0, 0, 0] ^= 1
    assert load_images((x, y, data.x_test, data.y_test)).spec.fingerprint != other
