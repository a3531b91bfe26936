"""Digits, mapped once for all tests here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from seedleaf.core import Context
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.data.spec import ImageSpec


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a worker: two threads beside another busy process are many times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageSpec]:
    folder = tmp_path_factory.mktemp("digits")
    data = load_images("digits")
    save_mapped(data, folder)
    return folder, data.spec


@pytest.fixture
def context(digits: tuple[Path, ImageSpec], tmp_path: Path) -> Callable[..., Context]:
    """Makes contexts on digits; keywords change the fields, `setup` is merged."""

    def make(start: int = 0, stop: int = 3, folder: str = "trial", **changes: Any) -> Context:
        setup: Mapping[str, Any] = {"data": str(digits[0]), "learner": "convnet", "seed": 0}
        setup = {**setup, **changes.pop("setup", {})}
        fields: dict[str, Any] = {"trial": 0, "full": 4, "seed": 0, "folder": tmp_path / folder, **changes}
        return Context(start=start, stop=stop, setup=setup, **fields)

    return make
