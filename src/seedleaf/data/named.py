"""Sets that go by a name: the digits that scikit-learn carries, and those that torchvision can fetch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.data.raw import Part, Raw
from seedleaf.data.scale import Scale
from seedleaf.errors import DataError

# Whether torchvision picks the part by `train=True` or by `split="train"`.
BY_FLAG = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "USPS", "CIFAR10", "CIFAR100")
BY_SPLIT = ("SVHN", "STL10")
TORCHVISION = {name.casefold(): name for name in BY_FLAG + BY_SPLIT}
WHITE = 16.0  # of scikit-learn's digits
INSTEAD = "or give a folder of class folders, an .npz with x_train and y_train, or a folder with IDX files"


def read_digits() -> Raw:
    """scikit-learn's 1,797 handwritten digits, 8×8, grey, 16 is white; needs no network."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / WHITE)).astype(np.uint8)
    names = tuple(str(name) for name in digits.target_names)
    scale = Scale(decimal=WHITE)  # what scikit-learn hands out is predicted as it was learned
    return Raw("digits", Part(x, digits.target, "digits", "digits"), class_names=names, scale=scale)


def canonical(name: str) -> str | None:
    """torchvision's spelling of `name`, which may be in any case and with hyphens; None where it has no such set."""
    return TORCHVISION.get(name.casefold().replace("-", "").replace("_", ""))


def cache_folder() -> Path:
    """Where downloads are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seedleaf" / "torchvision"


def read_torchvision(name: str) -> Raw:
    """The set that torchvision calls `name`, downloaded once. Raises DataError without torchvision or without a network."""
    try:
        from torchvision import datasets
    except ImportError:
        raise DataError(
            f"{name} is read through torchvision, which is not installed: pip install 'seedleaf[vision]', {INSTEAD}"
        ) from None
    except Exception as error:  # compiled for another torch, it fails with whatever its operators raise
        raise DataError(
            f"{name}: torchvision does not fit the torch beside it ({error}): reinstall both, {INSTEAD}"
        ) from None
    root = cache_folder()
    parts: list[Any] = []
    for part in ("train", "test"):
        choice: dict[str, Any] = {"train": part == "train"} if name in BY_FLAG else {"split": part}
        try:
            parts.append(getattr(datasets, name)(root=str(root), download=True, **choice))
        except Exception as error:
            raise DataError(
                f"{name} could not be downloaded to {root} ({error}): go online once, {INSTEAD}"
            ) from None
    train, test = (_part(found, name) for found in parts)
    classes = tuple(str(c) for c in getattr(parts[0], "classes", ()))
    return Raw(name, train, test, class_names=classes or None)


def _part(found: Any, name: str) -> Part:
    """torchvision keeps labels under `targets` or `labels` and, for SVHN and STL10, channels first."""
    y = found.labels if name in BY_SPLIT else found.targets
    x = np.asarray(found.data)
    return Part(np.moveaxis(x, 1, -1) if name in BY_SPLIT else x, np.asarray(y), name, name)
