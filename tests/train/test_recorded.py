"""Steps recorded as a CUDA graph answer as plain ones do. Where there is no GPU, nothing is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seedleaf.core import Config, Context
from seedleaf.seeds import rng_for
from seedleaf.space import Space
from seedleaf.train.feed import Feed
from seedleaf.train.recorded import may_record
from seedleaf.train.regime import training_space
from seedleaf.train.trainer import Trainer
from twins import learn_alike

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def trainer(device: str, config: Config, recorded: bool) -> Trainer:
    rng = rng_for(0, "recorded")
    x = rng.integers(0, 255, (256, 12, 12, 1), dtype=np.uint8)
    y = rng.integers(0, 4, 256)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    wrapped = nn.Sequential(Scaled(), net).to(device)
    ctx = Context(0, 0, 4, 4, 0, Path(), device)
    made = Trainer(wrapped, config, Feed.on(device, x, y, np.arange(256)), ctx)
    if not recorded:
        made.recorded = None
    return made


class Scaled(nn.Module):
    """Bytes as floats."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(torch.float32) / 255


def configs() -> list[Config]:
    space = training_space(256, mirror=True, mirrored=True, shift=0.1)
    full = Space(space)
    plain = full.default()
    others = [full.sample(rng_for(k, "recipes")) for k in range(6)]
    return [plain, *({**c, "augment": c["augment"]} for c in others if c.get("augment.affine") != "on")]


def test_nothing_is_recorded_without_a_gpu() -> None:
    assert not may_record("cpu")
    assert trainer("cpu", configs()[0], recorded=True).recorded is None


@needs_gpu
@pytest.mark.parametrize("config", configs())
def test_recorded_steps_learn_what_plain_ones_do(config: Config) -> None:
    one, other = (trainer("cuda", config, recorded) for recorded in (True, False))
    learn_alike(one, other)


def test_a_checkpoint_of_a_gpu_goes_on_without_one() -> None:
    config = Space(training_space(256, mirror=True, mirrored=True, shift=0.1)).complete(
        {"optimizer": "adamw"}
    )
    one, other = (trainer("cpu", config, recorded=False) for _ in range(2))
    one.advance()
    body = one.state()
    for group in body["optimizer"]["param_groups"]:  # as a recorded step leaves it
        assert "capturable" in group
        group["capturable"] = True
    other.restore(body)
    assert np.isfinite(other.advance())
