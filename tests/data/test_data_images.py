"""Arrays, .npz, IDX files and names: what is read, what is assumed aloud, what is refused with a reason."""

from __future__ import annotations

import gzip
import struct
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedleaf.data.images import load_images
from seedleaf.data.named import read_digits
from seedleaf.data.scale import Scale
from seedleaf.errors import DataError

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "images"
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
Y = np.arange(20) % 2


def reason(source: Any) -> str | None:
    """What the DataError says, or None where the source can be used; any other exception fails the test."""
    try:
        load_images(source)
    except DataError as error:
        return str(error)
    return None


def found(data: Any, text: str) -> str:
    (line,) = [f for f in data.spec.findings if text in f]
    return str(line)


def test_digits() -> None:
    data = load_images("digits")
    spec = data.spec
    assert (spec.height, spec.width, spec.channels, spec.n_classes) == (8, 8, 1, 10)
    assert (spec.n_train, spec.n_test) == (1438, 359)
    assert (data.x_train.dtype, data.y_train.dtype) == (np.uint8, np.int64)
    assert data.x_train.max() == 255
    assert spec == load_images("Digits").spec
    assert spec.scale == Scale(decimal=16.0), "what load_digits hands out is predicted as it was learned"
    assert load_images(data) is data


def test_fashion_mnist() -> None:
    path = SHARED / "fashion_mnist.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    spec = load_images(path).spec
    assert (spec.height, spec.width, spec.channels, spec.n_train, spec.n_test) == (28, 28, 1, 60_000, 10_000)
    assert spec.counts == (6000,) * 10


# --- arrays ---


@pytest.mark.parametrize(
    ("x", "text", "channels"),
    [
        (X / 255, "read as 0 to 1:", 1),
        (X.astype(np.float32), "read as 0 to 255", 1),
        (X > 127, "white and black", 1),
        (X.astype(np.uint16) * 257, "16-bit", 1),
        (X // 16, "only 15 of 255", 1),
        (X.reshape(20, 64), "square grey images of 8×8", 1),
        (np.stack([X] * 3, 1), "channels first", 3),
        (np.stack([X] * 4, -1), None, 3),
        (X[..., None].tolist(), None, 1),
    ],
)
def test_pixels_of_any_type_become_bytes(x: Any, text: str | None, channels: int) -> None:
    data = load_images((x, Y, x, Y))
    assert data.x_train.shape == (20, 8, 8, channels)
    assert data.x_train.dtype == np.uint8
    if text:
        assert ": 40" in found(data, text) or ": 20" in found(data, text)
    whole = {"read as 0 to 1:", "read as 0 to 255", "16-bit", "square grey images of 8×8", "channels first"}
    if text in whole:
        assert np.array_equal(data.x_train[..., 0], X)


def test_train_and_test_share_one_scale() -> None:
    dark = np.full((4, 8, 8), 0.5)
    data = load_images((X.astype(float), Y, dark, [0, 1, 0, 1]))
    assert data.x_test.max() <= 1


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.where(Y, "ü", "a"), ("a", "ü")),
        (np.where(Y, b"b", b"a"), ("a", "b")),
        (np.array(["b", "a"] * 10, dtype=object), ("a", "b")),
        (Y * 5.0, ("0", "5")),
        (Y[:, None], ("0", "1")),
        (np.eye(2)[Y], ("0", "1")),
        (Y == 1, ("False", "True")),
        (np.where(Y, 10, 9).astype(str), ("9", "10")),
        (Y * 2 - 1, ("-1", "1")),
    ],
)
def test_labels_of_any_type_become_numbers(y: Any, names: tuple[str, ...]) -> None:
    data = load_images((X, y))
    assert data.spec.class_names == names
    assert set(data.y_train.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (X, Y[:19], "20 images but y_train has 19 labels"),
        (X, np.zeros(20, int), "one class"),
        (X, np.arange(20), "regression"),
        (X, Y + 0.5, "label 0 is 0.5"),
        (X, np.where(Y, np.nan, 0), "label 1 is NaN"),
        (X, np.array([None, "a"] * 10, dtype=object), "label 0 is None"),
        (X, ["", "a"] * 10, "label 0 is ''"),
        (X, np.zeros((20, 2, 2)), "one label per image"),
        (X, np.zeros(20, "datetime64[s]"), "integers or text"),
        (X[:0], Y[:0], "no image"),
        (X[:, 0, :3], Y, "not that of images"),
        (X[..., None].repeat(5, -1), Y, "5 channels"),
        (X[:, :0], Y, "no pixels"),
        (X - 300.0, Y, "negative"),
        (X * 1e6, Y, "beyond 8 and 16 bits"),
        (np.where(np.arange(20)[:, None, None] == 7, np.nan, X), Y, "image 7 holds NaN"),
        ([[[1]], [[1, 2]]], [0, 1], "not an array"),
        (np.array([{}] * 20), Y, "object values"),
        (None, Y, "object values"),
        (X.astype(complex), Y, "complex128"),
        (X, None, "one label per image"),
    ],
)
def test_arrays_that_cannot_be_used_say_why(x: Any, y: Any, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        load_images((x, y))
    assert "_train" in str(caught.value)


def test_odd_test_parts() -> None:
    with pytest.raises(DataError, match=r"x_test has images of 9×8×1 but x_train of 8×8×1"):
        load_images((X, Y, np.zeros((2, 9, 8), np.uint8), [0, 1]))
    with pytest.raises(DataError, match="names the same in both"):
        load_images((X, Y, X, Y + 7))
    with pytest.raises(DataError, match="3 arrays"):
        load_images((X, Y, X))
    with pytest.raises(DataError, match="dict"):
        load_images({"x": X})  # type: ignore[arg-type]
    data = load_images((X, Y, X, Y))
    assert "20, e.g. image 0 of x_test and image 0 of x_train" in found(data, "exact copy in train")
    assert "left out" in found(load_images((X, Y, X[:0], Y[:0])), "test part is empty")
    data = load_images((X, Y, X, np.arange(20) % 4))
    assert data.spec.n_test == 10
    assert not data.spec.held_out
    assert load_images((X, Y)).spec.held_out
    assert load_images((X, Y, X[:0], Y[:0])).spec.held_out
    assert ": 10, e.g. 2" in found(data, "class that train lacks")
    assert ": 10" in found(data, "exact copy in train")
    assert load_images((X, Y, X, Y.astype(str))).spec.n_test == 20


def test_copies_under_two_labels_and_negative_labels_are_told() -> None:
    data = load_images((X[[*range(20), 0]], [*Y, 1], X[:2] // 2, [0, 1]))
    assert "1, e.g. image 0 of x_train and image 20 of x_train" in found(data, "another label")
    assert ": 2, e.g. -1" in found(load_images((X, [-1, -1, *Y[2:]])), "Negative labels")


@FUZZ
@given(x=st.lists(st.lists(st.floats() | st.integers() | st.booleans() | st.none(), max_size=3), max_size=4),
       y=st.lists(st.floats() | st.integers() | st.text(max_size=3) | st.booleans() | st.none(), max_size=6))  # fmt: skip
def test_any_lists_give_data_or_a_data_error(x: list[Any], y: list[Any]) -> None:
    for images in (x, X[: len(y)]):
        assert reason((images, y)) != ""


# --- .npz ---


def test_npz(npz: Any) -> None:
    data = load_images(npz(x_test=X[:4], y_test=Y[:4], class_names=np.array(["cat", "dog"])))
    assert (data.spec.name, data.spec.class_names, data.spec.n_test) == ("set", ("cat", "dog"), 4)
    data = load_images(npz(class_names=np.array(["cat", "dog", "bird"])))
    assert "1, e.g. bird" in found(data, "without a training image")


def test_npz_that_cannot_be_used(npz: Any, tmp_path: Path) -> None:
    cases = {
        "x_train": {"x_train": None},
        "only one of x_test": {"x_test": X},
        "objects, which are never read": {"y_train": np.array([{}] * 20, dtype=object)},
        "label 1 is 1, outside 0 to 0": {"class_names": np.array(["cat"])},
        "image 3 holds NaN": {"x_train": np.where(np.arange(20)[:, None, None] == 3, np.nan, X)},
    }
    for match, arrays in cases.items():
        with pytest.raises(DataError, match=match) as caught:
            load_images(npz(**arrays))
        assert "set.npz" in str(caught.value)


def test_an_npz_that_promises_more_than_it_holds_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 1000, 1000), }"
    body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", body)
        archive.writestr("y_train.npy", body)
    with pytest.raises(DataError, match="header promises"):
        load_images(path)


@FUZZ
@given(
    cut=st.integers(0, 600), flips=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=6)
)
def test_a_damaged_npz_gives_data_or_a_data_error(cut: int, flips: list[tuple[int, int]], npz: Any) -> None:
    path: Path = npz()
    body = bytearray(path.read_bytes())
    for place, value in flips:
        body[place % len(body)] = value
    path.write_bytes(body[: len(body) - cut])
    assert "set.npz" in (reason(path) or "set.npz")


@FUZZ
@given(body=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"]))
def test_random_bytes_as_npz_are_a_data_error(body: bytes, start: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(start + body)
    with pytest.raises(DataError, match=r"x\.npz"):
        load_images(tmp_path / "x.npz")


# --- IDX ---


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, part: str, images: bytes, labels: bytes, packed: bool) -> None:
    for name, body in (("images-idx3", images), ("labels-idx1", labels)):
        path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(body) if packed else body)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_folder(packed: bool, tmp_path: Path) -> None:
    write_idx(tmp_path, "train", idx(X), idx(Y.astype(np.uint8)), packed)
    write_idx(tmp_path, "t10k", idx(X[:4]), idx(Y[:4].astype(np.uint8)), packed)
    data = load_images(tmp_path)
    assert np.array_equal(data.x_train[..., 0], X)
    assert (data.spec.n_train, data.spec.n_test) == (20, 4)


def test_idx_that_cannot_be_used(tmp_path: Path) -> None:
    good, labels = idx(X), idx(Y.astype(np.uint8))
    huge = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**15, 2**15)
    for images, match in (
        (good[:100], "holds only"),
        (good + b"more", "holds more"),
        (huge + b"\0" * 100, "more than it can hold"),
        (good[:7], "within its header"),
        (labels, "swapped"),
        (b"nonsense", "not an IDX file"),
        (b"", "missing"),
    ):
        write_idx(tmp_path, "train", images, labels, packed=True)
        with pytest.raises(DataError, match=match) as caught:
            load_images(tmp_path)
        assert "train-images-idx3-ubyte.gz" in str(caught.value)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no labels beside it"):
        load_images(tmp_path)


def test_a_gzip_bomb_is_read_no_further_than_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path, "train", idx(X) + b"\0" * 50_000_000, idx(Y.astype(np.uint8)), packed=True)
    read: list[int] = []
    plain = gzip.GzipFile.read

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        body = plain(self, size)
        read.append(len(body))
        return body

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(DataError, match="holds more"):
        load_images(tmp_path)
    assert sum(read) <= X.size + 20


@FUZZ
@given(body=st.binary(max_size=200), packed=st.booleans(), cut=st.integers(0, 60), start=st.booleans())
def test_random_idx_is_data_or_a_data_error(
    body: bytes, packed: bool, cut: int, start: bool, tmp_path: Path
) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    images = idx(X)[: 16 + len(body)] + body if start else body
    write_idx(tmp_path, "train", images, idx(Y.astype(np.uint8)), packed)
    path = next(tmp_path.glob("*images*"))
    path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - cut)])
    with pytest.raises(DataError, match="train-"):
        load_images(tmp_path)


# --- names ---


def test_missing_paths_suggest_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"did you mean .*flowers\?"):
        load_images(tmp_path / "flower")
    with pytest.raises(DataError, match=r"did you mean digits\?"):
        load_images("digit")
    with pytest.raises(DataError, match="names known are digits, MNIST"):
        load_images("qwertyuiop")
    (tmp_path / "x.csv").write_text("a,b")
    with pytest.raises(DataError, match="not a kind of data"):
        load_images(tmp_path / "x.csv")
    for odd in ("", "a\0b", "x" * 5000, "/"):
        with pytest.raises(DataError):
            load_images(odd)


def fake_torchvision(monkeypatch: pytest.MonkeyPatch, **sets: Any) -> None:
    module = ModuleType("torchvision")
    module.datasets = SimpleNamespace(**sets)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", module)


def test_torchvision_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    def cifar10(root: str, train: bool, download: bool) -> Any:
        return SimpleNamespace(data=np.stack([X] * 3, -1), targets=Y.tolist(), classes=["cat", "dog"])

    def svhn(root: str, split: str, download: bool) -> Any:
        return SimpleNamespace(data=np.stack([X] * 3, 1), labels=Y)

    fake_torchvision(monkeypatch, CIFAR10=cifar10, SVHN=svhn)
    data = load_images("cifar-10")
    assert (data.spec.name, data.spec.class_names, data.spec.channels) == ("CIFAR10", ("cat", "dog"), 3)
    assert load_images("svhn").x_train.shape == (20, 8, 8, 3)


def test_torchvision_absent_or_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(root: str, train: bool, download: bool) -> Any:
        raise RuntimeError("Error downloading train-images")

    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match=r"not installed.*seedleaf\[vision\].*folder of class folders"):
        load_images("MNIST")
    fake_torchvision(monkeypatch, MNIST=offline)
    with pytest.raises(DataError, match=r"could not be downloaded.*go online once"):
        load_images("mnist")


def test_digits_have_no_test_part_of_their_own() -> None:
    assert read_digits().test is None
