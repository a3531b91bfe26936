"""Fine-tuning with a teacher, recorded as a CUDA graph, learns what plain steps do; without a GPU nothing is recorded."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seedleaf.compression.distil import trainer_with
from seedleaf.compression.space import training_of
from seedleaf.core import Config, Context
from seedleaf.seeds import rng_for
from seedleaf.train.feed import Feed
from seedleaf.train.trainer import Trainer
from twins import learn_alike

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
PLAIN: Config = {"batch_size": 32, "augment": "none"}
MIXED: Config = {
    "batch_size": 32, "augment": "basic", "augment.strength": 1.0, "augment.shift": 0.1, "augment.erase": 0.0,
    "augment.mixup": 0.5, "augment.affine": "off", "augment.flip": True,
}  # fmt: skip
BODIES = [{"weight": 0.7, "temperature": 2.0}, {"weight": 1.0, "temperature": 1.0}]


class Small(nn.Module):
    """Bytes (B, 12, 12, 1) to logits of four classes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(144, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 4)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x.to(torch.float32).flatten(1) / 255)
        return out


class Asking(Small):
    """Looks at a number on the way, which no graph can record."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out if float(out.sum()) > 0 else 2 * out


def pupil(
    device: str, training: Config, body: dict[str, float], recorded: bool, teacher: type[Small] = Small
) -> Trainer:
    rng = rng_for(0, "recorded")
    x = rng.integers(0, 255, (256, 12, 12, 1), dtype=np.uint8)
    y = rng.integers(0, 4, 256)
    torch.manual_seed(0)
    taught, net = teacher(48).eval(), Small(24).to(device)
    config = training_of({"lr": 0.05}, training)
    ctx = Context(0, 0, 4, 4, 0, Path(), device)
    made: Trainer = trainer_with(taught, body)(net, config, Feed.on(device, x, y, np.arange(256)), ctx)
    if not recorded:
        made.recorded = None
    return made


@pytest.mark.parametrize("training", [PLAIN, MIXED], ids=["plain", "mixed"])
def test_nothing_is_recorded_without_a_gpu_and_the_teacher_is_left_alone(training: Config) -> None:
    one = pupil("cpu", training, BODIES[0], recorded=True)
    before = copy.deepcopy(one.teacher.state_dict())  # type: ignore[attr-defined]
    assert one.recorded is None
    losses = [one.advance() for _ in range(4)]
    assert losses[-1] < losses[0]
    after = one.teacher.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(v, after[k]) for k, v in before.items())


@needs_gpu
@pytest.mark.parametrize("body", BODIES, ids=["labels too", "teacher alone"])
@pytest.mark.parametrize("training", [PLAIN, MIXED], ids=["plain", "mixed"])
def test_recorded_steps_learn_what_plain_ones_do(training: Config, body: dict[str, float]) -> None:
    one, other = (pupil("cuda", training, body, recorded) for recorded in (True, False))
    learn_alike(one, other)


@needs_gpu
def test_a_teacher_that_no_graph_can_hold_is_asked_step_by_step() -> None:
    one = pupil("cuda", PLAIN, BODIES[0], True, Asking)
    losses = [one.advance() for _ in range(4)]
    assert one.recorded is not None
    assert not one.recorded.works
    assert np.isfinite(losses).all()
