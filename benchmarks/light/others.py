"""The networks that benchmarks/light/compress.py makes faster, as others would write them, and their images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageData

SETS = {"fashion": "fashion_mnist", "cifar": "cifar10_12k_3k"}


def conv(cin: int, cout: int, stride: int = 1, act: bool = True, k: int = 3) -> nn.Sequential:
    parts = [nn.Conv2d(cin, cout, k, stride, k // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*parts, *([nn.ReLU()] if act else []))


class Block(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.one, self.two = conv(cin, cout, stride), conv(cout, cout, act=False)
        plain = stride == 1 and cin == cout
        self.short = nn.Identity() if plain else conv(cin, cout, stride, act=False, k=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.two(self.one(x)) + self.short(x))


class ResNet(nn.Module):
    """ResNet-20 of He et al. 2016 for small pictures: a stem of stride 1, three blocks each of 16, 32 and 64 channels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = conv(channels, 16)
        widths = [(16, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1)]
        widths += [(32, 64, 2), (64, 64, 1), (64, 64, 1)]
        self.blocks = nn.Sequential(*(Block(*w) for w in widths))
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class VGG(nn.Module):
    """Six convolutions of 32 to 128 channels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv(channels, 32), nn.MaxPool2d(2), conv(32, 64), conv(64, 64), nn.MaxPool2d(2), conv(64, 128), conv(128, 128),
            nn.MaxPool2d(2), conv(128, 128),
        )  # fmt: skip
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


NETS = {"resnet": ResNet, "vgg": VGG}
TASKS = [f"{d}-{n}" for d in ("cifar", "fashion") for n in NETS]


def images(task: str, folder: Path, train: int | None = None, test: int | None = None) -> ImageData:
    """The set of a task, or its first `train` and `test` images. A file NAME.packed.npz holds the images as WebP."""
    name = SETS[task.split("-")[0]]
    packed = folder / f"{name}.packed.npz"
    if packed.exists():
        with np.load(packed) as body:
            x_train = _unpacked(body["train"], body["train_ends"])
            x_test = _unpacked(body["test"], body["test_ends"])
            parts = x_train, body["y_train"][: len(x_train)], x_test, body["y_test"][: len(x_test)]
    else:
        data = load_images(folder / f"{name}.npz")
        parts = data.x_train, data.y_train, data.x_test, data.y_test
    return load_images((*(p[:train] for p in parts[:2]), *(p[:test] for p in parts[2:])))


def _unpacked(blob: np.ndarray, ends: np.ndarray) -> np.ndarray:
    from PIL import Image

    body, begins = blob.tobytes(), [0, *ends[:-1].tolist()]
    return np.stack(
        [np.asarray(Image.open(io.BytesIO(body[b:e]))) for b, e in zip(begins, ends, strict=True)]
    )


def base(task: str, data: ImageData) -> nn.Module:
    """The network of a task, untrained, by seed 0."""
    torch.manual_seed(0)
    return NETS[task.split("-")[1]](data.spec.channels, data.spec.n_classes)
