"""The original as teacher in every fine-tuning: `distil`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.core import Config, Context
from seedleaf.train.augment import Mixed
from seedleaf.train.feed import Feed
from seedleaf.train.trainer import Trainer


@dataclass(frozen=True)
class Distil:
    """Body: {"weight": share of the teacher in the loss, "temperature"}; {} trains on the labels alone."""

    name: str = "distil"
    cites: str = "Hinton et al. 2015; Beyer et al. 2022 (teacher and student see the same image)"

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        weight, heat = float(options.get("weight", 0.0)), float(options.get("temperature", 1.0))
        return {"weight": weight, "temperature": heat} if weight > 0 else {}

    def apply(self, work: Work, body: Body) -> Work:
        return replace(work, distil=dict(body))

    def told(self, body: Body) -> list[dict[str, Any]]:
        if not body:
            return []
        share, heat = 100 * body["weight"], body["temperature"]
        how = f"{share:.0f} % of the loss is the original's answer, at temperature {heat:.1f}"
        return [{"layer": "fine-tuning", "what": how, "why": "it knows more of an image than its label"}]


class DistilTrainer(Trainer):
    """A trainer whose loss is (1 - weight) · loss(labels) + weight · T² · KL(teacher ‖ student), both softened by T.

    On a GPU the teacher's answer is recorded with the step: it depends on the batch alone.
    """

    def __init__(
        self, model: nn.Module, config: Config, train: Feed, ctx: Context, teacher: nn.Module, body: Body
    ) -> None:
        super().__init__(model, config, train, ctx)
        # The original is shared by all trials of a process and stays on the CPU: a GPU gets a copy.
        self.teacher = teacher.eval() if ctx.device == "cpu" else copy.deepcopy(teacher).to(ctx.device).eval()
        self.weight, self.heat = float(body["weight"]), float(body["temperature"])

    def judge(self, mixed: Mixed, logits: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = F.log_softmax(self.teacher(mixed.x) / self.heat, 1)
        softened = F.log_softmax(logits / self.heat, 1)
        soft = F.kl_div(softened, wanted, reduction="batchmean", log_target=True) * self.heat**2
        if self.weight >= 1.0:
            return soft
        return (1.0 - self.weight) * super().judge(mixed, logits, y) + self.weight * soft


def trainer_with(teacher: nn.Module, body: Body) -> Any:
    """What makes the trainers of a work: with the teacher where its recipe says so."""
    if not body:
        return Trainer

    def make(model: nn.Module, config: Config, train: Feed, ctx: Context) -> Trainer:
        return DistilTrainer(model, config, train, ctx, teacher, body)

    return make
