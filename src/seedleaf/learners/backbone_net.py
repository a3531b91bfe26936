"""A network of others between our normalisation and our loss: its first layers may stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from seedleaf.learners.blocks import Net, Resized
from seedleaf.learners.timm_source import library

library()  # a worker that is sent such a network (to be compressed) must have imported timm before its classes are looked up


class Backbone(nn.Module):
    """`body` whose first layers, a share `frozen` of all before its head, stay: no gradients, no new statistics."""

    def __init__(self, body: nn.Module, frozen: float) -> None:
        super().__init__()
        self.body = body
        layers = _layers(body)[:-1]  # the last one is the new head
        self.still = tuple(layers[: round(frozen * len(layers))])  # by name: a module must not be held twice
        for name in self.still:
            body.get_submodule(name).requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for name in self.still:
            self.body.get_submodule(name).eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def _layers(body: nn.Module) -> list[str]:
    """The names of its modules that hold parameters themselves, in the order in which they were made."""
    return [
        name for name, module in body.named_modules() if any(True for _ in module.parameters(recurse=False))
    ]


def build(
    body: nn.Module,
    own: tuple[int, int],
    size: tuple[int, int],
    frozen: float,
    scaling: tuple[Sequence[float] | None, Sequence[float] | None],
    channels: int,
) -> Net:
    """The Net of `body`: uint8 images (N, *own, channels) are scaled, brought to `size` and handed on."""
    mean, std = ([127.5] * channels if v is None else v for v in scaling)
    parts: dict[str, nn.Module] = {} if own == size else {"resized": Resized(*size)}
    sequence = nn.Sequential()
    for name, module in {**parts, "backbone": Backbone(body, frozen)}.items():
        sequence.add_module(name, module)
    return Net(sequence, mean, std).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
