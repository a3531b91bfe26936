"""Small networks of every kind that compression is held against, ours and others', with statistics as after a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign_zoo import CHANNELS, CLASSES, FOREIGN, SIDE
from torch import Tensor, nn

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
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)


def images(n: int = 8, seed: int = 1) -> Tensor:
    """uint8 (n, H, W, C) noise."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, SIDE, SIDE, CHANNELS), dtype=torch.uint8, generator=g)
