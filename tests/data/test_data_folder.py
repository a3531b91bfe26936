"""Folders of class folders, and everything that people keep in them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedleaf.data.images import load_again, load_images
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import DataError


def finding(spec: ImageSpec, text: str) -> str:
    """The one finding that holds `text`."""
    (line,) = [f for f in spec.findings if text in f]
    return line


def test_class_folders_are_read_and_a_test_part_is_held_out(classes: Path) -> None:
    spec = load_images(classes).spec
    assert (spec.name, spec.height, spec.width, spec.channels) == ("set", 8, 10, 1)
    assert (spec.class_names, spec.n_train, spec.n_test, spec.counts) == (("cat", "dog"), 16, 4, (8, 8))
    assert ": 4" in finding(spec, "held out as test")


def test_train_valid_and_test_folders_are_honoured(tree, tmp_path: Path) -> None:
    for part, n in (("train", 3), ("val", 2), ("test", 1)):
        for label in ("cat", "dog"):
            for index in range(n):
                tree(f"{part}/{label}/{index}.png")
    (tmp_path / "set" / "notes").mkdir()
    spec = load_images(tmp_path / "set").spec
    assert (spec.n_train, spec.n_test, spec.class_names) == (10, 2, ("cat", "dog"))
    assert "4, e.g. val/cat/0.png" in finding(spec, "merged into train")
    assert "notes" in finding(spec, "beside train/")


def test_a_class_may_be_called_train(tree, tmp_path: Path) -> None:
    for label in ("bus", "train"):
        for index in range(3):
            tree(f"{label}/{index}.png")
    assert load_images(tmp_path / "set").spec.class_names == ("bus", "train")


def test_unreadable_and_foreign_files_are_counted_and_named(classes: Path) -> None:
    whole = (classes / "cat" / "0.png").read_bytes()
    (classes / "cat" / "broken.png").write_bytes(whole[: len(whole) // 2])
    (classes / "cat" / "empty.jpg").write_bytes(b"")
    (classes / "dog" / "notes.txt").write_text("not a picture")
    (classes / "stray.png").write_bytes(whole)
    (classes / "bird").mkdir()
    os.mkfifo(classes / "dog" / "pipe.png")  # opening it would wait for ever
    spec = load_images(classes).spec
    assert spec.class_names == ("cat", "dog")
    assert spec.n_train + spec.n_test == 20
    assert ": 2, e.g. cat/" in finding(spec, "cannot be read")
    assert all(name in finding(spec, "cannot be read") for name in ("cat/broken.png (", "cat/empty.jpg ("))
    assert ": 1, e.g. dog/notes.txt" in finding(spec, "not images")
    assert "stray.png" in finding(spec, "outside any class folder")
    assert "bird" in finding(spec, "without files")
    assert "dog/pipe.png" in finding(spec, "neither file nor folder")


def test_a_class_of_broken_files_is_left_out(classes: Path) -> None:
    (classes / "bird").mkdir()
    (classes / "bird" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    spec = load_images(classes).spec
    assert spec.class_names == ("cat", "dog")
    assert "bird" in finding(spec, "without a readable image")


@pytest.mark.parametrize(
    "case", ["nothing", "one class", "all broken", "flat", "deeper", "every one its own"]
)
def test_folders_that_cannot_be_used_say_what_to_do(case: str, tree, tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    if case == "one class":
        for index in range(3):
            tree(f"cat/{index}.png")
    elif case == "all broken":
        (root / "cat").mkdir()
        (root / "cat" / "x.png").write_bytes(b"nonsense")
    elif case == "flat":
        tree("1.png")
    elif case == "deeper":
        tree("inner/cat/1.png")
        tree("inner/dog/1.png")
    elif case == "every one its own":
        for index in range(5):
            tree(f"{index}/a.png")
    wanted = {
        "one class": "at least two classes",
        "all broken": "cat/x.png",
        "deeper": "did you mean",
        "every one its own": "5 classes for 5 images",
    }
    with pytest.raises(DataError, match=wanted.get(case, "put the images of each class")) as caught:
        load_images(root)
    assert "set" in str(caught.value)


def test_links_out_of_the_folder_are_not_followed(classes: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.new("L", (10, 8)).save(outside / "secret.png")
    (classes / "cat" / "out.png").symlink_to(outside / "secret.png")
    (classes / "cat" / "in.png").symlink_to(classes / "cat" / "0.png")
    (classes / "cat" / "loop.png").symlink_to(classes / "cat" / "loop.png")
    (classes / "bird").symlink_to(outside)
    spec = load_images(classes).spec
    assert spec.n_train + spec.n_test == 21
    assert ": 1, e.g. cat/out.png" in finding(spec, "point out of the folder")
    assert "bird" in finding(spec, "Linked folders")
    assert "cat/loop.png" in finding(spec, "neither file nor folder")
    assert spec.class_names == ("cat", "dog")


def test_mixed_sizes_go_to_the_capped_median(tree, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for index in range(4):
            tree(f"{label}/{index}.png", size=(200, 100))
        tree(f"{label}/small.png", size=(20, 20))
    spec = load_images(tmp_path / "set").spec
    assert (spec.height, spec.width) == (32, 64)
    assert "10, e.g. cat/0.png (100×200)" in finding(spec, "resized to 32×64 (height × width); a larger side")


@pytest.mark.parametrize(
    ("size", "side", "shape"),
    [
        ((640, 480), None, (48, 64)),
        ((64, 20), None, (20, 64)),
        ((1000, 500), None, (32, 64)),
        ((300, 100), None, (32, 96)),
        ((100, 400), None, (128, 32)),
        ((1000, 100), None, (13, 128)),  # no sliver of 64×6
        ((100, 20), None, (20, 100)),
        ((640, 480), 128, (96, 128)),
        ((640, 480), 16, (12, 16)),
        ((1000, 100), 64, (6, 64)),  # as it was asked for
        ((10, 8), 512, (8, 10)),  # never larger than they are
    ],
)
def test_pictures_are_as_large_as_is_asked_or_as_a_light_network_can_use(
    tree, tmp_path: Path, size: tuple[int, int], side: int | None, shape: tuple[int, int]
) -> None:
    for name in ("cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"):
        tree(f"{name}.png", size=size)
    spec = load_images(tmp_path / "set", side=side).spec
    assert (spec.height, spec.width) == shape
    assert spec.height * spec.width <= (side or 64) ** 2


def test_pictures_are_read_again_at_the_size_that_they_had(tree, tmp_path: Path) -> None:
    for i in range(6):  # the medians are 20.5 and 11.5: of a longer side of 20 the shorter one would be 11
        tree(f"cat/{i}.png", size=(11, 20))
        tree(f"dog/{i}.png", size=(12, 21))
    first = load_images(tmp_path / "set").spec
    assert (first.height, first.width) == (20, 12)
    again = load_again(tmp_path / "set", seed=0, size=(20, 12)).spec
    assert again.fingerprint == first.fingerprint


def test_a_side_is_for_folders_of_pictures_alone(npz, classes: Path) -> None:
    data = load_images(classes)
    arrays = (data.x_train, data.y_train)
    for source, named in (
        (npz(), "set.npz"),
        (arrays, "arrays"),
        ("digits", "digits"),
        (data, "images that"),
    ):
        with pytest.raises(
            DataError, match=f"{named}.* are read whole, and --side is for folders of pictures"
        ):
            load_images(source, side=32)


def test_few_coloured_pictures_turn_grey_and_many_turn_all_to_colour(tree, tmp_path: Path) -> None:
    for index in range(150):
        tree(f"{'cat' if index % 2 else 'dog'}/{index}.png", size=(8, 8))
    tree("cat/colour.png", mode="RGB", size=(8, 8))
    spec = load_images(tmp_path / "set").spec
    assert spec.channels == 1
    assert "1, e.g. colour.png" in finding(spec, "turned grey")
    tree("cat/colour2.png", mode="RGB", size=(8, 8))
    spec = load_images(tmp_path / "set").spec
    assert spec.channels == 3
    assert ": 150" in finding(spec, "read as colour")


def test_grey_stored_as_rgb_is_grey(tree, tmp_path: Path) -> None:
    for index in range(8):
        path = tree(f"{'cat' if index % 2 else 'dog'}/{index}.png")
        Image.open(path).convert("RGB").save(path)
    assert load_images(tmp_path / "set").spec.channels == 1


def test_unicode_names_composed_or_not_are_one_class(tree, tmp_path: Path) -> None:
    for index in range(4):
        tree(f"{unicodedata.normalize('NFC', 'café')}/{index}.png")
        tree(f"{unicodedata.normalize('NFD', 'café')}/d{index}.png")
        tree(f"猫 и 🐈/{index}.png")
    spec = load_images(tmp_path / "set").spec
    assert spec.class_names == ("café", "猫 и 🐈")
    assert "café" in finding(spec, "merged into one class")


@pytest.mark.skipif(os.name != "posix", reason="names as bytes are a POSIX matter")
def test_a_name_that_is_no_utf8_is_shown_and_stored(classes: Path) -> None:
    (classes / "dog").rename(os.fsdecode(os.fsencode(classes) + b"/do\xff"))
    spec = load_images(classes).spec
    assert spec.class_names == ("cat", "do\ufffd")
    assert ImageSpec.from_json(spec.to_json()) == spec


def test_classes_named_by_numbers_are_in_their_order(tree, tmp_path: Path) -> None:
    for label in range(12):
        for index in range(3):
            tree(f"{label}/{index}.png")
    assert load_images(tmp_path / "set").spec.class_names == tuple(map(str, range(12)))


@pytest.mark.parametrize("each", [1, 2])
def test_too_few_pictures_of_every_class_are_no_regression(tree, tmp_path: Path, each: int) -> None:
    for label in ("cat", "dog"):
        for index in range(each):
            tree(f"{label}/{index}.png")
    with pytest.raises(DataError, match="give three or more images of most classes") as told:
        load_images(tmp_path / "set")
    assert "regression" not in str(told.value)


def test_pictures_deeper_in_a_class_folder_are_told(tree, tmp_path: Path) -> None:
    for index in range(4):
        tree(f"cat/{index}.png")
        tree(f"dog/kennel/{index}.png")
    spec = load_images(tmp_path / "set").spec
    assert spec.class_names == ("cat", "dog")
    assert finding(spec, "Files in subfolders of a class folder were read as of that class").endswith(
        "4, e.g. dog/kennel/0.png"
    )


def test_a_bomb_is_left_out(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (100, 100)).save(classes / "cat" / "bomb.png")
    for limit in (
        6_000,
        1_000,
    ):  # Pillow warns up to twice its limit and raises beyond; here both leave the file out
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        monkeypatch.setattr("seedleaf.data.decode.MAX_PIXELS", limit)
        spec = load_images(classes).spec
        assert "1, e.g. cat/bomb.png" in finding(spec, "cannot be read")
        assert "pixels" in finding(spec, "cannot be read")


def test_animated_pictures_give_their_first_frame(classes: Path) -> None:
    frames = [Image.new("L", (10, 8), shade) for shade in (0, 255)]
    frames[0].save(classes / "cat" / "moving.gif", save_all=True, append_images=frames[1:])
    assert "1, e.g. cat/moving.gif" in finding(load_images(classes).spec, "first frame")


def test_test_images_of_an_unknown_class_and_copies_are_told(tree, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for index in range(4):
            path = tree(f"train/{label}/{index}.png")
            (tmp_path / "set/test" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/test" / label / "copy.png").write_bytes(path.read_bytes())
    tree("test/bird/1.png")
    spec = load_images(tmp_path / "set").spec
    assert spec.n_test == 2
    assert ": 1, e.g. bird (test/bird/1.png)" in finding(spec, "class that train lacks")
    assert ": 2, e.g. test/cat/copy.png and train/cat/3.png" in finding(spec, "exact copy in train")


def test_a_class_with_one_picture_stays_in_train(classes: Path, tree) -> None:
    tree("bird/1.png")
    data = load_images(classes)
    assert data.spec.counts[data.spec.class_names.index("bird")] == 1
    assert 0 not in data.y_test
    assert "1, e.g. bird" in finding(data.spec, "single training image")


def test_reading_twice_gives_the_same_and_another_seed_another_test_part(classes: Path) -> None:
    first, again, other = load_images(classes), load_images(classes), load_images(classes, seed=1)
    assert first.spec == again.spec
    assert np.array_equal(first.x_train, again.x_train)
    assert first.spec.fingerprint != other.spec.fingerprint
