"""The torch network of a plan. Kept apart from the plan because the driver decides without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.learners.fold import RepConv
from seedleaf.learners.ops import (
    Chain,
    Conv,
    Head,
    Join,
    NetPlan,
    Op,
    Residual,
    Resize,
    Shape,
    SqueezeExcite,
    shape_after,
)

BN_MOMENTUM = 0.1

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "hard_swish": lambda: nn.Hardswish(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
    "gelu": lambda: nn.GELU(approximate="tanh"),
}


def pooled(x: Tensor, training: bool) -> Tensor:
    """(N, C, H, W) -> (N, C): the mean over the map.

    In training the map is seen as (N, H·W, C): the gradient of the plain mean comes back in NCHW order, and mixed with
    channels_last it made the layers before it up to 5 times slower. The exported graph keeps the plain mean.
    """
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1) if training else x.mean((2, 3))


class Gate(nn.Module):
    """Squeeze-excite: scales each channel of (N, C, H, W) by a gate in [0, 1]."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.squeeze(pooled(x, self.training)))
        gate = nn.functional.hardsigmoid(self.excite(hidden))
        return x * gate[:, :, None, None]


class Skip(nn.Module):
    """act(body(x) + x)."""

    def __init__(self, body: nn.Module, act: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + x
        return out if self.act is None else self.act(out)


class Joined(nn.Module):
    """The branches of a Join on (N, C, H, W), concatenated; channels mixed between `shuffle` groups."""

    def __init__(self, op: Join) -> None:
        super().__init__()
        self.spans = [(b.first, b.stop) for b in op.branches]
        self.cin = max(b.stop for b in op.branches)  # the last channel goes through one of them
        self.cout = shape_after(op, Shape(self.cin, 1, 1)).channels
        self.bodies = nn.ModuleList(nn.Sequential(*map(_module, b.body)) for b in op.branches)
        self.shuffle = op.shuffle

    def forward(self, x: Tensor) -> Tensor:
        parts = [
            body(x if (first, stop) == (0, self.cin) else x[:, first:stop])
            for (first, stop), body in zip(self.spans, self.bodies, strict=True)
        ]
        out = torch.cat(parts, 1)
        if self.shuffle == 1:
            return out
        n, c, h, w = out.shape
        return out.view(n, self.shuffle, c // self.shuffle, h, w).transpose(1, 2).reshape(n, c, h, w)


class Resized(nn.Module):
    """(N, C, H, W) at another resolution."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size, mode="bilinear", align_corners=False)


class Pool(nn.Module):
    """(N, C, H, W) -> (N, C): the mean over the map."""

    def forward(self, x: Tensor) -> Tensor:
        return pooled(x, self.training)


class Net(nn.Module):
    """Raw images in, logits out: uint8 or float (N, H, W, C) in 0..255 -> float (N, n_classes).

    Normalisation is part of the network (buffers `shift` and `scale`), so that an exported graph takes raw pixels.
    `plain` hands `body` tensors laid out as most code expects them: a `view` of somebody's fails on channels_last.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, body: nn.Module, mean: Sequence[float], std: Sequence[float], plain: bool = False
    ) -> None:
        super().__init__()
        self.body, self.plain = body, plain
        m, s = torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)
        self.register_buffer("scale", 1.0 / s)
        self.register_buffer("shift", -m / s)

    def forward(self, x: Tensor) -> Tensor:
        # NHWC seen as NCHW is what torch calls channels_last: the permute costs nothing.
        # In a graph planes are scaled ten times as fast as pixels, so that comes first.
        pixels = x.permute(0, 3, 1, 2).to(torch.float32)
        scaled = pixels * self.scale[:, None, None] + self.shift[:, None, None]
        if (
            self.plain
        ):  # `contiguous` would leave one channel as it is, and convolutions take that for channels_last
            scaled = scaled.clone(memory_format=torch.contiguous_format)
        out: Tensor = self.body(scaled)
        return out


def build(plan: NetPlan, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Net:
    """The network of `plan`, weights drawn from torch's global generator, in channels_last memory format.

    `mean` and `std` (per channel, in 0..255) normalise the input; without them pixels are scaled to [-1, 1].
    """
    mean = [127.5] * plan.channels if mean is None else mean
    std = [127.5] * plan.channels if std is None else std
    net = Net(nn.Sequential(*(_module(op) for op in plan.ops)), mean, std)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _module(op: Op) -> nn.Module:
    if isinstance(op, Conv):
        return _conv(op)
    if isinstance(op, SqueezeExcite):
        return Gate(op.channels, op.hidden)
    if isinstance(op, Chain):
        return nn.Sequential(*(_module(inner) for inner in op.ops))
    if isinstance(op, Residual) and not op.body:  # only the shortcut is left
        return _apart(op.act) if op.act else nn.Identity()
    if isinstance(op, Residual):
        body = nn.Sequential(*(_module(inner) for inner in op.body))
        return Skip(body, ACTIVATIONS[op.act]() if op.act else None)
    if isinstance(op, Join):
        return Joined(op)
    if isinstance(op, Resize):
        return Resized(op.height, op.width)
    return _head(op)


def _apart(act: str) -> nn.Module:
    """The activation, not in place: what it is given is another activation's output, which that one's gradient needs."""
    module: Any = ACTIVATIONS[act]()
    module.inplace = False
    found: nn.Module = module
    return found


def _conv(op: Conv) -> nn.Sequential:
    layer = nn.Conv2d(op.cin, op.cout, op.kernel, op.stride, op.kernel // 2, groups=op.groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    act = [ACTIVATIONS[op.act]()] if op.act else []
    if not op.norm:
        return nn.Sequential(layer, *act)
    if op.rep:
        return nn.Sequential(RepConv(layer, BN_MOMENTUM), *act)
    norm = nn.BatchNorm2d(op.cout, momentum=BN_MOMENTUM)
    if op.zero:
        nn.init.zeros_(norm.weight)
    return nn.Sequential(layer, norm, *act)


def _head(op: Head) -> nn.Sequential:
    linear = nn.Linear(op.cin, op.n_classes)
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(Pool(), *([nn.Dropout(op.dropout)] if op.dropout else []), linear)
