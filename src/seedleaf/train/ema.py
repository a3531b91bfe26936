"""A moving average of the weights, measured in place of the raw ones: an unfinished schedule is then judged fairly."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seedleaf.core import Value
from seedleaf.train.regime import under


class Ema:
    """weights ← decay · weights + (1 - decay) · raw, over parameters and BatchNorm statistics.

    `horizon` is 1 / (1 - decay) in optimiser steps; it grows from a few steps, or the start would be remembered long.
    """

    def __init__(self, model: nn.Module, horizon: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = 1.0 - 1.0 / max(horizon, 1.0)
        pairs = list(zip(_floats(self.model), _floats(model), strict=True))
        self.mean = [mean for mean, _ in pairs]
        self.raw = [raw for _, raw in pairs]

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Take the weights after optimiser step `done` (1 is the first) in."""
        decay = min(self.decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(self.mean, self.raw, 1.0 - decay)


def make_ema(model: nn.Module, config: Mapping[str, Value], per_epoch: int) -> Ema | None:
    """The average that `config` asks for, if any."""
    if config["ema"] == "off":
        return None
    return Ema(model, float(under(config, "ema")["epochs"]) * per_epoch)


def _floats(model: nn.Module) -> list[Tensor]:
    held = [*(p.detach() for p in model.parameters()), *model.buffers()]
    return [t for t in held if t.is_floating_point()]
