"""Small picture sets, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., Path]


def picture(label: int, index: int, mode: str, size: tuple[int, int]) -> Image.Image:
    """A picture of its own for each (label, index)."""
    rng = np.random.default_rng([label, index])
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture
def tree(tmp_path: Path) -> Save:
    """`tree("cat/1.png", mode="RGB", size=(w, h))` saves one picture below `tmp_path / "set"` and gives its path."""
    count = iter(range(10_000))

    def save(name: str, mode: str = "L", size: tuple[int, int] = (10, 8), **options: object) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(0, next(count), mode, size).save(path, **options)
        return path

    return save


@pytest.fixture
def classes(tree: Save, tmp_path: Path) -> Path:
    """A folder with cat/ and dog/, ten grey pictures each, 8 high and 10 wide."""
    for label in ("cat", "dog"):
        for index in range(10):
            tree(f"{label}/{index}.png")
    return tmp_path / "set"


@pytest.fixture
def npz(tmp_path: Path) -> Save:
    """`npz(x_train=…, y_train=…)` saves 20 pictures of two classes, with the given arrays put in (None: left out)."""

    def save(**arrays: object) -> Path:
        rng = np.random.default_rng(0)
        whole = {"x_train": rng.integers(0, 256, (20, 8, 8), dtype=np.uint8), "y_train": np.arange(20) % 2}
        path = tmp_path / "set.npz"
        np.savez(path, **{k: v for k, v in {**whole, **arrays}.items() if v is not None})  # type: ignore[arg-type]
        return path

    return save
