"""The control of somebody's network trains at a rate at which it learns."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from torch import Tensor, nn

from seedleaf.compression.analyse import analyse
from seedleaf.compression.finishing import finetune
from seedleaf.compression.original import open_original, save_foreign
from seedleaf.compression.rates import SHARE, learnable
from seedleaf.compression.recipe import Recipe, fingerprint
from seedleaf.core import Config, Context
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.learners.blocks import Net
from seedleaf.learners.convnet import ConvNet
from seedleaf.train.feed import Feed


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """These pictures tell sooner than real ones which rate is none."""
    monkeypatch.setattr("seedleaf.compression.rates.MOST", 40)


def lenet() -> nn.Module:
    """Without any normalisation."""
    return nn.Sequential(
        nn.Conv2d(zoo.CHANNELS, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(144, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, zoo.CLASSES),
    )  # fmt: skip


def given() -> tuple[Config, Feed]:
    x, y = zoo.pictures(160)
    return ConvNet().default(load_images((x, y, *zoo.pictures(40))).spec), Feed(x, y, np.arange(160))


def chosen(make: Callable[[], nn.Module], deadline: float | None = None) -> tuple[Config, Config, Net]:
    training, feed = given()
    torch.manual_seed(0)
    net = Net(make(), [0.0] * zoo.CHANNELS, [255.0] * zoo.CHANNELS, plain=True)
    ctx = Context(-1, 0, 2, 2, 7, Path(), "cpu", {}, deadline)
    return training, learnable(net, training, feed, ctx), net


def test_a_network_without_normalisation_gets_another_rate() -> None:
    training, found, _ = chosen(lenet)
    assert found != training
    kept = [k for k in training if not k.startswith("optimizer")]
    assert {k: found[k] for k in kept} == {k: training[k] for k in kept}


def test_the_network_is_not_trained_by_the_test() -> None:
    _, _, net = chosen(lenet)
    torch.manual_seed(0)
    again = Net(lenet(), [0.0] * zoo.CHANNELS, [255.0] * zoo.CHANNELS, plain=True)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in again.state_dict().items())


class Exploding(nn.Module):
    """What gives no numbers, at whatever rate."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(zoo.SIDE * zoo.SIDE * zoo.CHANNELS, zoo.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x.flatten(1)) * float("inf")
        return out


def test_where_none_learns_the_config_stays() -> None:
    training, found, _ = chosen(Exploding)
    assert found == training


def test_a_deadline_that_is_over_leaves_one_batch_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[float] = []
    from seedleaf.train.trainer import Trainer

    optimise = Trainer.optimise

    def counted(self: Trainer, x: Tensor, y: Tensor) -> Tensor:
        taken.append(time.time())
        return optimise(self, x, y)

    monkeypatch.setattr(Trainer, "optimise", counted)
    chosen(lenet, deadline=1.0)
    assert len(taken) == 3
    assert 0 < SHARE <= 0.15, "most of the time is the control's"


def test_the_control_of_somebodys_network_learns(tmp_path: Path) -> None:
    """At the rate of our own networks it does not: its loss stays that of four classes by chance."""
    torch.manual_seed(0)
    data = load_images((*zoo.pictures(160), *zoo.pictures(40)))
    save_mapped(data, tmp_path / "cache")
    net = Net(lenet(), [0.0] * zoo.CHANNELS, [255.0] * zoo.CHANNELS, plain=True).eval()
    training = ConvNet().default(data.spec)
    setup: dict[str, Any] = {
        **save_foreign(tmp_path, net, data.spec), "data": str(tmp_path / "cache"), "seed": 0, "training": training,
    }  # fmt: skip
    analyse(setup, 1.0)
    recipe = Recipe(fingerprint(open_original(setup).net)).to_json()

    done = finetune({}, recipe, setup, str(tmp_path / "control"), 12, float("inf"), fresh=True)
    assert done["steps"] == 12
    assert done["train_loss"] < 1.0
