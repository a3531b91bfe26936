"""Optimisers, losses, and learning rates as pure functions of progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.core import Value
from seedleaf.errors import TrialError
from seedleaf.train.regime import under

Options = Mapping[str, Any]
Groups = list[dict[str, Any]]
Schedule = Callable[[float, Options], float]


# --- optimisers: fused where torch has it, else foreach; per-parameter Python loops cost as much as the network ---


def _sgd(groups: Groups, o: Options) -> torch.optim.Optimizer:
    nesterov = bool(o["nesterov"]) and o["momentum"] > 0
    return torch.optim.SGD(groups, lr=o["lr"], momentum=o["momentum"], nesterov=nesterov, fused=True)


def _adam(groups: Groups, o: Options) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), fused=True)


def _adamw(groups: Groups, o: Options) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), fused=True)


def _rmsprop(groups: Groups, o: Options) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, lr=o["lr"], alpha=o["alpha"], momentum=o["momentum"], foreach=True)


def _nadam(groups: Groups, o: Options) -> torch.optim.Optimizer:
    return torch.optim.NAdam(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), foreach=True)


OPTIMIZERS: Mapping[str, Callable[[Groups, Options], torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
    "nadam": _nadam,
}


def make_optimizer(model: nn.Module, config: Mapping[str, Value]) -> torch.optim.Optimizer:
    """The optimiser that `config` names. BatchNorm and biases (one axis) are not decayed."""
    options = under(config, "optimizer")
    params = [p for p in model.parameters() if p.requires_grad]
    groups: Groups = [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": options["weight_decay"]},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[str(config["optimizer"])]([g for g in groups if g["params"]], options)


# --- schedules: progress in [0, 1] -> share of the configured learning rate ---


def _anneal(x: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * min(max(x, 0.0), 1.0)))


def _cosine(progress: float, o: Options) -> float:
    warmup = float(o["warmup"])
    if progress < warmup:
        return max(progress / warmup, 0.01)
    return _anneal((progress - warmup) / (1.0 - warmup))


def _one_cycle(progress: float, o: Options) -> float:
    """Up from 1/10 to the peak, then down to 0 in a straight line (Smith and Topin 2018)."""
    peak = float(o["peak"])
    if progress < peak:
        return 0.1 + 0.9 * progress / peak
    return max(1.0 - progress, 0.0) / (1.0 - peak)


def _step(progress: float, o: Options) -> float:
    passed = int(min(progress, 1.0) * (o["drops"] + 1))
    return float(o["gamma"] ** min(passed, o["drops"]))


def _constant(progress: float, o: Options) -> float:
    return 1.0


SCHEDULES: Mapping[str, Schedule] = {
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "step": _step,
    "constant": _constant,
}


def make_schedule(config: Mapping[str, Value]) -> Callable[[float], float]:
    """progress in [0, 1] -> learning rate. Pure, so a deadline can take the place of the step count."""
    lr = float(under(config, "optimizer")["lr"])
    shape, options = SCHEDULES[str(config["schedule"])], under(config, "schedule")
    return lambda progress: lr * shape(progress, options)


# --- losses: (N, K) logits, (N,) classes -> scalar ---

Loss = Callable[[Tensor, Tensor], Tensor]


def _cross_entropy(o: Options) -> Loss:
    smoothing = float(o["label_smoothing"])
    return lambda logits, y: F.cross_entropy(logits, y, label_smoothing=smoothing)


def _focal(o: Options) -> Loss:
    """-(1 - p)^gamma log p (Lin et al. 2017)."""
    gamma = float(o["gamma"])

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        log_p = F.log_softmax(logits, 1).gather(1, y[:, None])[:, 0]
        # 1 - p is kept off 0, where the slope of its power is infinite for gamma < 1.
        return -((-torch.expm1(log_p)).clamp_min(1e-6) ** gamma * log_p).mean()

    return loss


LOSSES: Mapping[str, Callable[[Options], Loss]] = {"cross_entropy": _cross_entropy, "focal": _focal}


def make_loss(config: Mapping[str, Value]) -> Loss:
    """The training loss that `config` names."""
    return LOSSES[str(config["loss"])](under(config, "loss"))


def check_finite(value: float, where: str) -> float:
    """`value`, or TrialError where it is NaN or infinite."""
    if not math.isfinite(value):
        raise TrialError(f"diverged: the training loss is {value} {where}")
    return value
