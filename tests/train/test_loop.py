"""Every optimiser, schedule, loss and augmentation trains a small network of no learner's."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seedleaf.core import Config, Context
from seedleaf.space import Choice, Space
from seedleaf.train.augment import DISTORTIONS
from seedleaf.train.ema import Ema
from seedleaf.train.feed import Feed, Loader
from seedleaf.train.loop import train
from seedleaf.train.optim import LOSSES, OPTIMIZERS, SCHEDULES
from seedleaf.train.regime import training_space
from seedleaf.train.trainer import Clock, Trainer

SPACE = Space(training_space(512, mirror=True, mirrored=True, shift=0.1))
ROWS = [
    *({"optimizer": name} for name in OPTIMIZERS),
    *({"schedule": name} for name in SCHEDULES),
    *({"loss": name} for name in LOSSES),
    {"augment": "none"},
    {
        "augment": "basic",
        "augment.flip": True,
        "augment.erase": 0.5,
        "augment.mixup": 0.4,
        "augment.strength": 0.5,
    },
    {"augment": "basic", "augment.affine": "on"},
    {"ema": "off"},
]


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
        logits: Tensor = self.out(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def feed() -> Feed:
    """512 grey images of 8×8; class 1 is bright at the top and bottom, class 0 in the middle rows."""
    rng = np.random.default_rng(0)
    y = np.arange(512, dtype=np.int64) % 2
    x = rng.integers(0, 120, (512, 8, 8, 1), dtype=np.uint8)
    x[y == 1, :2] += 120
    x[y == 1, 6:] += 120
    x[y == 0, 2:6] += 120
    return Feed.on("cpu", x, y, np.arange(512, dtype=np.int64))


def context(folder: Path, stop: int = 4, **changes: object) -> Context:
    return Context(0, 0, stop, stop, 0, folder, setup={}, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row.values())))
def test_every_row_learns(row: Config, feed: Feed, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = SPACE.complete({"batch_size": 32, "augment": "none", **row})
    config["optimizer.lr"] = 0.3 if config["optimizer"] == "sgd" else 0.02
    found = list(train(Plain(), config, feed, feed, context(tmp_path, 5), {"params": 1.0}))
    assert [m.step for m in found] == [1, 2, 3, 4, 5]
    assert found[-1].metrics["loss"] < found[0].metrics["loss"]
    assert found[-1].metrics["error"] < 0.3
    assert found[-1].metrics["params"] == 1.0
    assert all(0 < m.metrics["train_seconds"] <= m.seconds for m in found)


def test_the_space_offers_exactly_what_the_tables_hold() -> None:
    def options(name: str) -> set[object]:
        param = SPACE.params[name]
        assert isinstance(param, Choice)
        return set(param.options)

    assert options("optimizer") == set(OPTIMIZERS)
    assert options("schedule") == set(SCHEDULES)
    assert options("loss") == set(LOSSES)
    keys = {node.key for node in SPACE.nodes}
    assert {f"augment.{name}" for name in DISTORTIONS} <= keys


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_share_of_the_rate(name: str) -> None:
    config = SPACE.complete({"schedule": name})
    options = {k.split(".")[1]: v for k, v in config.items() if k.startswith("schedule.")}
    values = [SCHEDULES[name](p, options) for p in np.linspace(0, 1, 101)]
    assert all(0 <= v <= 1 for v in values)
    assert max(values) == pytest.approx(1.0, abs=0.03)
    if name in ("cosine", "one_cycle"):
        assert values[-1] == pytest.approx(0.0, abs=1e-9)


def test_norms_and_biases_are_not_decayed(feed: Feed, tmp_path: Path) -> None:
    trainer = Trainer(Plain(), SPACE.complete({"optimizer": "sgd"}), feed, context(tmp_path))
    for group in trainer.optimizer.param_groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])


def test_an_epoch_is_every_row_once_and_a_pure_function_of_its_place() -> None:
    loader = Loader(n=100, batch_size=20, slices=1, seed=3)
    seen = np.concatenate(list(loader.step(2)))
    assert sorted(seen) == list(range(100))
    sliced = Loader(n=100, batch_size=20, slices=5, seed=3)
    parts = np.concatenate([rows for step in range(6, 11) for rows in sliced.step(step)])
    np.testing.assert_array_equal(parts, seen)
    assert not np.array_equal(seen, np.concatenate(list(loader.step(1))))


def test_more_slices_than_batches_still_train() -> None:
    loader = Loader(n=10, batch_size=64, slices=4, seed=0)
    assert [len(rows) for step in range(1, 9) for rows in loader.step(step)] == [10] * 8


def test_a_feed_on_a_device_gives_the_same_batches(feed: Feed) -> None:
    rows = np.array([5, 9, 200, 3], dtype=np.int64)
    mapped = Feed.on("cpu", feed.x, feed.y, rows)
    resident = Feed.on("cpu:0", feed.x, feed.y, rows)
    assert resident.resident is not None
    for a, b in zip(mapped.in_order(3), resident.in_order(3), strict=True):
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[1], b[1])


def test_the_clock_runs_by_steps_or_by_time_whichever_is_ahead() -> None:
    now = time.time()
    assert Clock(100, now).progress(25) == 0.25
    assert Clock(100, now, 0.0, now + 1000).progress(25) == 0.25
    assert Clock(100, now - 50, 0.0, now + 50).progress(1) == pytest.approx(0.5, abs=0.01)
    assert Clock(100, now - 50, 0.5, now + 50).progress(1) == pytest.approx(0.75, abs=0.01)
    assert Clock(100, now - 2, 0.0, now).progress(1) == 1.0


def test_the_average_follows_its_formula() -> None:
    torch.manual_seed(0)
    model = Plain()
    ema, expected = Ema(model, horizon=5.0), model.out.weight.detach().clone()
    for done in range(1, 30):
        with torch.no_grad():
            model.out.weight += 1.0
        ema.update(done)
        decay = min(0.8, (1 + done) / (10 + done))
        expected = decay * expected + (1 - decay) * model.out.weight.detach()
    averaged = ema.model.state_dict()["out.weight"]
    torch.testing.assert_close(averaged, expected)
    assert math.isfinite(float(averaged.sum()))
