"""What a worker runs: resumes bit for bit, fails with a reason, keeps its deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from seedleaf.core import Config, Context, Limit, Measurement
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import CheckpointError, TrialError
from seedleaf.learners.base import LEARNERS
from seedleaf.learners.trial import load_model, measure_test, run, seconds_per_step
from seedleaf.train import checkpoint

LIMIT = (Limit("params", 20_000),)
Make = Callable[..., Context]


@pytest.fixture
def config(digits: tuple[Path, ImageSpec]) -> Config:
    """Small and random everywhere: dropout, all augmentation but the affine, averaged weights."""
    space = LEARNERS["convnet"].space(digits[1], LIMIT)
    basic = {"shift": 0.1, "erase": 0.3, "mixup": 0.2, "strength": 0.8}
    changes = {"stem_width": 8, "stage1.width": 8, "stage2.width": 12, "dropout": 0.2, "batch_size": 128}
    return space.complete({**changes, **{f"augment.{k}": v for k, v in basic.items()}})


def values(measurements: list[Measurement]) -> list[dict[str, float]]:
    """The metrics without those that are times."""
    return [{k: v for k, v in m.metrics.items() if k != "train_seconds"} for m in measurements]


def weights(ctx: Context) -> dict[str, torch.Tensor]:
    body = checkpoint.load(ctx.folder / checkpoint.NAME)
    optimizer = body["optimizer"]["state"]
    moments = {f"{i}.{k}": v for i, row in optimizer.items() for k, v in row.items() if torch.is_tensor(v)}
    return {**body["model"], **{f"ema.{k}": v for k, v in body["judged"].items()}, **moments}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_resumed_trial_equals_one_that_never_stopped(config: Config, context: Make) -> None:
    whole = list(run(config, context(0, 4, "whole")))
    parts = [
        m for start, stop in ((0, 1), (1, 3), (3, 4)) for m in run(config, context(start, stop, "parts"))
    ]
    assert [m.step for m in parts] == [1, 2, 3, 4]
    assert values(parts) == values(whole)
    assert same(weights(context(folder="whole")), weights(context(folder="parts")))


def test_another_seed_is_another_trial(config: Config, context: Make) -> None:
    a, b = (values(list(run(config, context(0, 1, f"s{seed}", seed=seed)))) for seed in (0, 1))
    assert a != b


def test_a_checkpoint_ahead_of_the_start_gives_its_measurements_back(config: Config, context: Make) -> None:
    first = list(run(config, context(0, 3)))
    saved = (context().folder / checkpoint.NAME).stat().st_mtime_ns
    again = list(run(config, context(1, 3)))
    assert again == first[1:]
    assert (context().folder / checkpoint.NAME).stat().st_mtime_ns == saved


def test_a_checkpoint_behind_the_start_is_caught_up_with(config: Config, context: Make) -> None:
    whole = list(run(config, context(0, 4, "whole")))
    list(run(config, context(0, 1, "behind")))
    rest = list(run(config, context(2, 4, "behind")))
    assert values(rest) == values(whole[2:])


def test_a_damaged_checkpoint_is_an_error_unless_nothing_is_lost(config: Config, context: Make) -> None:
    first = list(run(config, context(0, 1)))
    path = context().folder / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="cannot be read"):
        next(run(config, context(1, 2)))
    assert values(list(run(config, context(0, 1)))) == values(first)
    path.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        next(run(config, context(1, 2)))


def test_a_checkpoint_of_another_config_is_refused(config: Config, context: Make) -> None:
    list(run(config, context(0, 1)))
    with pytest.raises(CheckpointError, match="another config"):
        next(run({**config, "dropout": 0.1}, context(1, 2)))


def test_divergence_names_its_step(config: Config, context: Make) -> None:
    wild: Config = {**config, "optimizer.lr": 1e30}
    with pytest.raises(TrialError, match="diverged"):
        list(run(wild, context(0, 3)))


def test_running_out_of_memory_is_a_failed_trial(
    config: Config, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory\nmore")

    monkeypatch.setattr("seedleaf.learners.images.train", full)
    with pytest.raises(TrialError, match="out of memory"):
        list(run(config, context(0, 1)))


def test_slices_of_an_epoch_are_steps(config: Config, context: Make) -> None:
    setup = {"steps_per_epoch": 3}
    found = list(run(config, context(0, 4, setup=setup)))
    assert [m.step for m in found] == [1, 2, 3, 4]
    assert all(math.isfinite(m.metrics["error"]) for m in found)


def test_training_on_everything_ends_by_its_deadline_with_the_rate_at_zero(
    config: Config, context: Make
) -> None:
    deadline = time.time() + 2.5
    ctx = context(0, 10_000, full=10_000, deadline=deadline, setup={"part": "train+valid"})
    found = list(run(config, ctx))
    assert time.time() <= deadline
    assert time.time() >= deadline - 1.0
    assert "error" not in found[-1].metrics
    groups = checkpoint.load(ctx.folder / checkpoint.NAME)["optimizer"]["param_groups"]
    assert groups[0]["lr"] < 0.05 * float(config["optimizer.lr"] or 0)


def test_the_default_learns_digits(digits: tuple[Path, ImageSpec], context: Make) -> None:
    learner, spec = LEARNERS["convnet"], digits[1]
    config = learner.default(spec, LIMIT)
    ctx = context(0, 15, full=15)
    found = list(run(config, ctx))
    assert found[-1].metrics["params"] <= LIMIT[0].at_most
    assert found[-1].metrics["error"] < 0.1
    probabilities = measure_test(config, ctx.folder, ctx.setup)
    assert probabilities.shape == (spec.n_test, spec.n_classes)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    model = load_model(config, spec, ctx.folder / checkpoint.NAME)
    raw = torch.zeros(2, spec.height, spec.width, spec.channels, dtype=torch.uint8)
    assert torch.equal(model(raw), model(raw.float()))


def test_the_probe_is_quick_and_positive(config: Config, context: Make) -> None:
    begun = time.perf_counter()
    found = seconds_per_step(config, context().setup, batches=4)
    assert len(found) == 3
    assert all(0 < seconds < 5 for seconds in found)
    assert time.perf_counter() - begun < 5
