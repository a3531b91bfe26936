"""What a step is spent on: a pure function of its place that grows, ends whole, and resumes bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seedleaf.core import Config, Context, Measurement
from seedleaf.data.splits import nested_order
from seedleaf.errors import CheckpointError, DataError
from seedleaf.seeds import rng_for
from seedleaf.space import Space
from seedleaf.train import checkpoint
from seedleaf.train.feed import Feed, Loader, smaller
from seedleaf.train.loop import train
from seedleaf.train.ramp import AUTO, AXES, WHOLE, Ramp, resolve, shrunk
from seedleaf.train.regime import training_space

AXIS = pytest.mark.parametrize("axis", AXES)
SPACE = Space(training_space(256, mirror=True, mirrored=False, shift=0.1))


class Tiny(nn.Module):
    """A convolution and global pooling; `seen` collects the shapes that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.seen: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.append((len(x), x.shape[1]))
        x = x.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
        logits: Tensor = self.out(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def feed() -> Feed:
    rng = np.random.default_rng(0)
    y = np.arange(256, dtype=np.int64) % 2
    x = rng.integers(0, 150, (256, 16, 16, 1), dtype=np.uint8)
    x[y == 1, :, :8] += 100
    return Feed.on("cpu", x, y, nested_order(y, rng_for(0, "share")))


@pytest.fixture
def config() -> Config:
    return SPACE.complete({"batch_size": 32, "augment": "basic", "augment.mixup": 0.2, "dropout": 0.1})


def trained(
    config: Config, feed: Feed, folder: Path, axis: str, start: int = 0, stop: int = 6, full: int = 6
) -> tuple[list[Measurement], Tiny]:
    torch.manual_seed(0)
    model = Tiny()
    ctx = Context(0, start, stop, full, 0, folder, setup={"fidelity": axis})
    return list(train(model, config, feed, feed, ctx, {})), model


@AXIS
@settings(deadline=None)
@given(full=st.integers(1, 400))
def test_levels_grow_and_the_last_third_is_whole(axis: str, full: int) -> None:
    ramp = Ramp(axis, full)
    levels = [ramp.at(step) for step in range(1, full + 1)]
    assert levels == sorted(levels)
    assert levels[-1] == WHOLE
    assert all(level == WHOLE for level in levels[full - full // 3 :])
    assert ramp.at(full + 1) == WHOLE
    assert sum(ramp.lengths) == full
    assert [ramp.third(step) for step in range(1, full + 1)] == [
        third for third, n in enumerate(ramp.lengths) for _ in range(n)
    ]


def test_epochs_are_whole_and_every_other_axis_begins_at_about_a_quarter() -> None:
    for axis in AXES:
        level = Ramp(axis, 9).at(1)
        assert level.rows * level.side**2 == pytest.approx(1.0 if axis == "epochs" else 0.25, abs=0.02)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), st.integers(0, 5))
def test_any_first_part_is_a_stratified_one(labels: list[int], seed: int) -> None:
    y = np.array(labels)
    order = nested_order(y, rng_for(seed, "share"))
    assert sorted(order) == list(range(len(y)))
    np.testing.assert_array_equal(order, nested_order(y, rng_for(seed, "share")))
    classes, counts = np.unique(y, return_counts=True)
    for m in range(len(classes), len(y) + 1):
        part = np.array([(y[order[:m]] == c).sum() for c in classes])
        assert (part >= 1).all(), "no class is missing"
        assert (np.abs(part - m * counts / len(y)) <= len(classes)).all()


@AXIS
def test_the_loader_is_pure_and_shares_are_nested(axis: str) -> None:
    loader = Loader(n=200, batch_size=20, slices=1, seed=3, ramp=Ramp(axis, 9))
    for step in (1, 5, 9):
        first, again = (np.concatenate(list(loader.step(step))) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert len(set(first)) == len(first) == 20 * loader.batches(step)
        assert first.max() < loader.rows(step)
    assert loader.total == sum(loader.batches(step) for step in range(1, 10))
    assert loader.rows(9) == 200


def test_a_share_never_falls_below_a_batch() -> None:
    loader = Loader(n=100, batch_size=64, slices=1, seed=0, ramp=Ramp("data", 9))
    assert loader.rows(1) == 64
    assert [len(rows) for rows in loader.step(1)] == [64]


def test_cheap_steps_are_what_the_axis_says(config: Config, feed: Feed, tmp_path: Path) -> None:
    seen = {axis: trained(config, feed, tmp_path / axis, axis)[1].seen for axis in AXES}
    assert set(seen["epochs"]) == {(32, 16)}
    assert seen["size"] == [(32, 8)] * 16 + [(32, 12)] * 16 + [(32, 16)] * 16
    assert seen["data"] == [(32, 16)] * (2 * 2 + 2 * 4 + 2 * 8)
    assert seen["both"] == [(32, 11)] * 8 + [(32, 14)] * 12 + [(32, 16)] * 16


@AXIS
def test_a_trial_that_goes_on_equals_one_that_never_stopped(
    axis: str, config: Config, feed: Feed, tmp_path: Path
) -> None:
    def values(measurements: list[Measurement]) -> list[dict[str, float]]:
        return [{k: v for k, v in m.metrics.items() if k != "train_seconds"} for m in measurements]

    whole, _ = trained(config, feed, tmp_path / "whole", axis)
    parts = [
        m
        for a, b in ((0, 1), (1, 3), (3, 6))
        for m in trained(config, feed, tmp_path / "parts", axis, a, b)[0]
    ]
    assert values(parts) == values(whole)
    ends = [checkpoint.load(tmp_path / name / checkpoint.NAME)["model"] for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])
    assert whole[-1].metrics["error"] < 0.2, "it learns all the same"


def test_a_checkpoint_of_another_axis_is_refused(config: Config, feed: Feed, tmp_path: Path) -> None:
    trained(config, feed, tmp_path, "size", stop=1)
    assert checkpoint.load(tmp_path / checkpoint.NAME)["side"] == 0.5
    with pytest.raises(CheckpointError, match="another config or seed"):
        trained(config, feed, tmp_path, "data", start=1, stop=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_smaller_pictures_are_averages(channels: int) -> None:
    x = torch.full((2, 6, 10, channels), 40, dtype=torch.uint8)
    x[:, :, 5:] = 200
    small = smaller(x, 0.5)
    assert small.shape == (2, 3, 5, channels)
    assert small.dtype == torch.uint8
    assert small.is_contiguous()
    assert (small[:, :, :2] <= 60).all()
    assert (small[:, :, 3:] >= 180).all()
    assert abs(float(small.float().mean()) - 120) < 2
    assert smaller(x, 1.0) is x
    assert shrunk(3, 2, 0.1) == (1, 1)


@pytest.mark.parametrize("axis", ["size", "both"])
def test_pictures_that_show_too_little_once_shrunk_are_told(axis: str) -> None:
    with pytest.raises(DataError, match=r"8×30 are too small .* --fidelity epochs or data"):
        resolve(axis, 1000, 8, 30)
    assert resolve(axis, 1000, 16, 16) == axis


def test_what_is_no_axis_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match="no fidelity is called 'depth'; there are: auto, epochs, data"):
        resolve("depth", 1000, 28, 28)


@settings(deadline=None)
@given(st.integers(2, 10**6), st.integers(1, 64), st.integers(1, 64))
def test_auto_always_finds_an_axis_that_may_be_used(n: int, height: int, width: int) -> None:
    found = resolve(AUTO, n, height, width)
    assert resolve(found, n, height, width) == found
