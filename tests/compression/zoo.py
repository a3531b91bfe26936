"""Small networks of every kind that compression is held against, ours and others', with statistics as after a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.compression.foreign import ForeignNet
from seedleaf.compression.melt import branches, melt, plain_plan
from seedleaf.compression.original import save_own
from seedleaf.compression.own import OwnNet
from seedleaf.compression.subject import Subject
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.data.spec import ImageData
from seedleaf.learners.blocks import Net, build
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.plan import plan_network

SIDE, CHANNELS, CLASSES = 12, 3, 4
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 65.0, 70.0)


def pictures(n: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Classes that differ in the brightness of a corner."""
    rng = np.random.default_rng(n)
    x = rng.integers(0, 120, (n, SIDE, SIDE, CHANNELS), dtype=np.uint8)
    y = np.arange(n) % CLASSES
    for k in range(CLASSES):
        x[y == k, 3 * k : 3 * k + 3] += 120
    return x, y


def original(folder: Path) -> tuple[ImageData, OwnNet, dict[str, Any]]:
    """Pictures and a network of ours, both saved in `folder`, and the setup of a compression that says where."""
    data = load_images((*pictures(160), *pictures(40)))
    save_mapped(data, folder / "cache")
    own = subject("own_conv")
    assert isinstance(own, OwnNet)
    saved = save_own(folder, own.plan, own.net.state_dict())
    body = {**saved, "data": str(folder / "cache"), "seed": 0, "training": ConvNet().default(data.spec)}
    return data, own, body


def conv(cin: int, cout: int, k: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
    )


def head(cin: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, CLASSES))


def vgg() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 16), conv(16, 16), nn.MaxPool2d(2), conv(16, 24), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(24 * 9, 20), nn.ReLU(), nn.Linear(20, CLASSES),
    )  # fmt: skip


class Basic(nn.Module):
    """Two convolutions; the shortcut is the identity, a projection, or (padded) zeros beside a strided slice."""

    def __init__(self, cin: int, cout: int, stride: int = 1, padded: bool = False) -> None:
        super().__init__()
        self.one, self.two = conv(cin, cout, 3, stride), nn.Sequential(*list(conv(cout, cout))[:2])
        self.padded, self.stride, self.more = padded, stride, cout - cin
        plain = cin == cout and stride == 1
        self.short = None if plain or padded else nn.Sequential(*list(conv(cin, cout, 1, stride))[:2])

    def forward(self, x: Tensor) -> Tensor:
        out = self.two(self.one(x))
        if self.short is not None:
            x = self.short(x)
        elif self.padded:
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride],
                (0, 0, 0, 0, self.more // 2, self.more - self.more // 2),
            )
        return F.relu(out + x)


def resnet() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Basic(8, 8), Basic(8, 16, 2), Basic(16, 16), head(16))


def resnet_padded() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Basic(8, 8), Basic(8, 16, 2, True), Basic(16, 16), head(16))


class Bottleneck(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, inner, 1), conv(inner, inner), *list(conv(inner, width, 1))[:2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + x)


def bottleneck() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 16), Bottleneck(16, 8), Bottleneck(16, 8), head(16))


class Squeeze(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, hidden, 1), nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Inverted(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, se: bool = False) -> None:
        super().__init__()
        wide = 3 * cin
        gate = [Squeeze(wide, 8)] if se else []
        self.body = nn.Sequential(
            conv(cin, wide, 1), conv(wide, wide, 3, stride, wide), *gate, *list(conv(wide, cout, 1))[:2]
        )
        self.skip = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


def mobilenet() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 8), Inverted(8, 8, 1), Inverted(8, 12, 2), Inverted(12, 12, 1), head(12)
    )


def squeeze_excite() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Inverted(8, 8, 1, True), Inverted(8, 12, 2, True), head(12))


class Dense(nn.Module):
    def __init__(self, cin: int, growth: int, layers: int) -> None:
        super().__init__()
        each = [(cin + i * growth) for i in range(layers)]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, growth, 3, 1, 1, bias=False))
            for n in each
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


def densenet() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 8), Dense(8, 8, 3), conv(32, 16, 1), nn.AvgPool2d(2), Dense(16, 8, 2), head(32)
    )


class Shuffle(nn.Module):
    """Half of the channels pass; the halves are then mixed (ShuffleNetV2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(conv(half, half, 1), conv(half, half, 3, 1, half), conv(half, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        out = torch.cat([a, self.body(b)], 1)
        n, c, h, w = out.shape
        return out.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 16), Shuffle(16), Shuffle(16), conv(16, 24, 1), head(24))


def grouped() -> nn.Module:
    def block(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(cin, cout, 3, 1, 1, groups=4), nn.GroupNorm(4, cout), nn.ReLU())

    return nn.Sequential(conv(CHANNELS, 16), block(16, 16), block(16, 16), conv(16, 16), head(16))


FOREIGN: Mapping[str, Callable[[], nn.Module]] = {
    "vgg": vgg,
    "resnet": resnet,
    "resnet_padded": resnet_padded,
    "bottleneck": bottleneck,
    "mobilenet": mobilenet,
    "squeeze_excite": squeeze_excite,
    "densenet": densenet,
    "shufflenet": shufflenet,
    "grouped": grouped,
}

_MORE = {"kernel": 3, "repeats": 2, "ratio": 0.5, "expansion": 2, "se": False}
OWN: Mapping[str, Sequence[tuple[str, Mapping[str, object]]]] = {
    "own_conv": [("conv", {**_MORE, "width": 12}), ("conv", {**_MORE, "width": 20})],
    "own_separable": [
        ("separable", {**_MORE, "width": 12}),
        ("separable", {**_MORE, "width": 20, "kernel": 5}),
    ],
    "own_bottleneck": [("bottleneck", {**_MORE, "width": 16}), ("bottleneck", {**_MORE, "width": 24})],
    "own_inverted": [("inverted", {**_MORE, "width": 12}), ("inverted", {**_MORE, "width": 16, "se": True})],
    "own_fused": [("fused", {**_MORE, "width": 12}), ("fused", {**_MORE, "width": 16, "se": True})],
}
# Grouped and re-parameterised convolutions, branches with a shuffle or cheap copies: of runs, melted or taken as modules.
BRANCHED: Mapping[str, Sequence[tuple[str, Mapping[str, object]]]] = {
    "rep": [
        ("conv", {**_MORE, "width": 12, "rep": True}),
        ("separable", {**_MORE, "width": 16, "rep": True}),
    ],
    "ghost": [("ghost", {**_MORE, "width": 16}), ("conv", {**_MORE, "width": 24})],
    "shuffle": [("shuffle", {**_MORE, "width": 16}), ("conv", {**_MORE, "width": 24})],
}
OWN_GROUPED = [("conv", {**_MORE, "width": 16}), ("bottleneck", {**_MORE, "width": 32, "groups": 4})]
OWN = {**OWN, "own_grouped": OWN_GROUPED}
NAMES = (*OWN, *BRANCHED, *FOREIGN)


def subject(name: str, seed: int = 0) -> Subject:
    """The network of that name, in eval mode, with weights and BatchNorm statistics that are nowhere trivial."""
    torch.manual_seed(seed)
    example = torch.zeros((2, SIDE, SIDE, CHANNELS), dtype=torch.uint8)
    if name in (*OWN, *BRANCHED):
        stages = tuple({**OWN, **BRANCHED}[name])
        plan = plan_network(SIDE, SIDE, CHANNELS, CLASSES, (8, 1), stages, "relu", 0.1)
        net = build(plan, MEAN, STD)
        lived(net)
        melt(net, images(64).numpy())
        plan = plain_plan(plan)
        return ForeignNet(net.eval(), example) if branches(plan.ops) else OwnNet(plan, net.eval())
    net = Net(FOREIGN[name](), MEAN, STD)
    lived(net)
    return ForeignNet(net.eval(), example)


@cache
def shared(name: str) -> Subject:
    """The same network for all tests that only look at it: reading its structure takes a second."""
    return subject(name)


def lived(net: nn.Module) -> None:
    """Give every normalisation scales, shifts and statistics as a training leaves them."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)


def images(n: int = 8, seed: int = 1) -> Tensor:
    """uint8 (n, H, W, C) noise."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, SIDE, SIDE, CHANNELS), dtype=torch.uint8, generator=g)
