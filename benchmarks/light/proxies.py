"""Zero-cost proxies: a number for an untrained network that is meant to rise with the accuracy it will reach.

One function and one row in `PROXIES`. All take (network, images (N, ...), labels (N,)) and leave the network's weights as
they were drawn, or say so. They are used here and not in `seedleaf fit`: benchmarks/RESULTS.md says what they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Proxy = Callable[[nn.Module, Tensor, Tensor], float]
SHIFT = 0.01  # of zen: how far inputs are moved, in standard deviations


@contextmanager
def watched(net: nn.Module, kinds: tuple[type[nn.Module], ...], note: Callable[..., None]) -> Iterator[None]:
    """`note(module, inputs, output)` for every call of a module of these kinds."""
    handles = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def naswot(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """log |K| of how often two images switch the same units on and off (Mellor et al. 2021)."""
    kernel = torch.zeros(len(x), len(x))

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal kernel
        on = (inputs[0].detach() > 0).flatten(1).float()
        kernel = kernel + on @ on.T + (1 - on) @ (1 - on).T

    with watched(net, (nn.ReLU,), note), torch.no_grad():
        net.train()(x)
    sign, value = torch.linalg.slogdet(kernel.double())
    return float(value) if sign > 0 else -1e4


def grad_norm(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The norm of the loss's gradient on one batch (Abdelfattah et al. 2021), as its logarithm."""
    net.train().zero_grad()
    F.cross_entropy(net(x), y).backward()
    total = sum(float(p.grad.norm() ** 2) for p in net.parameters() if p.grad is not None)
    return math.log(max(total, 1e-20)) / 2


def synflow(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """log of the summed |weight × gradient| of a linear, data-free pass (Tanaka et al. 2020). Weights become absolute."""
    net.eval().zero_grad()
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    net = net.double()
    net(torch.ones_like(x[:1]).double()).sum().backward()
    total = sum(float((p.detach() * p.grad).abs().sum()) for p in net.parameters() if p.grad is not None)
    net.float()
    return math.log(max(total, 1e-300))


def zen(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """How much the last map moves with a noise input, plus what BatchNorm scaled away (Lin et al. 2021)."""
    last: dict[str, Any] = {}
    scales: list[float] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        last["map"] = output
        if isinstance(module, nn.BatchNorm2d):
            variance = inputs[0].detach().var((0, 2, 3), unbiased=False).mean()
            scales.append(0.5 * math.log(float(variance) + 1e-10))

    noise = torch.randn_like(x)
    maps = []
    with watched(net, (nn.BatchNorm2d,), note), torch.no_grad():
        for inputs in (noise, noise + SHIFT * torch.randn_like(x)):
            scales.clear()
            net.train()(inputs)
            maps.append(last["map"])
    moved = float((maps[0] - maps[1]).abs().mean())
    return math.log(moved + 1e-10) + sum(scales)


# synflow comes last: it changes the weights.
PROXIES: Mapping[str, Proxy] = {
    "naswot": naswot,
    "grad_norm": grad_norm,
    "zen": zen,
    "synflow": synflow,
}
