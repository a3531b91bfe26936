"""The pace of a machine: solved for from what networks take, kept in the cache, checked when it comes from there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seedleaf import stopwatch
from seedleaf.core import Limit
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.ops import NetPlan
from seedleaf.learners.pace import Pace
from seedleaf.seeds import rng_for

TRUTH = {"call": 0.01, "pixels": 0.002, "dense_macs": 3e-5, "dense": 0.004, "point_macs": 2e-5, "point_out": 1e-4,
         "depth_out": 1e-3, "depth_macs": 5e-5, "loose": 0.02, "reorder_map": 4e-4, "act_gelu": 5e-4}  # fmt: skip


def drawn(n: int, stream: str) -> list[NetPlan]:
    rng, learner, spec = rng_for(0, stream), ConvNet(), stopwatch.made(28, 28, 1)
    space = learner.space(spec, [Limit("params", 50_000)])
    return [learner.plan(spec, space.sample(rng)) for _ in range(n)]


@pytest.mark.parametrize("block", [8, 16])
def test_a_pace_is_found_from_times(block: int) -> None:
    truth, rng = Pace(TRUTH, block, "made"), np.random.default_rng(0)
    plans = drawn(150, "train")
    times = np.array([truth(p) for p in plans]) * rng.normal(1, 0.02, 150)
    times[:5] *= 3  # what disturbs a few changes little
    found = stopwatch.solve(plans, times, "made")
    assert found.block == block
    off = np.array([found(p) / truth(p) - 1 for p in drawn(50, "test")])
    assert np.median(np.abs(off)) < 0.02
    assert np.abs(off).max() < 0.1


def test_networks_are_timed() -> None:
    plans, times = stopwatch.measure_networks(6)
    assert len(plans) == 6
    assert ((times > 0.003) & (times < 500)).all()
    assert plans == stopwatch.measure_networks(6)[0]
    larger = max(plans, key=lambda p: p.height)
    assert larger.height > 12
    assert stopwatch.milliseconds(larger) > 0


def test_what_was_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def measured(n: int, seconds: float) -> tuple[list[NetPlan], np.ndarray]:
        calls.append(n)
        plans = drawn(n, "kept")
        return plans, np.array([Pace(TRUTH, 8, "")(p) for p in plans])

    monkeypatch.setattr(stopwatch, "measure_networks", measured)
    first = stopwatch.machine_pace(60)
    assert stopwatch.machine_pace(60) == first
    assert len(calls) == 1
    assert Pace.from_json(stopwatch.pace_as_json(60.0)) == first
    [path] = (tmp_path / "seedleaf").iterdir()
    body = json.loads(path.read_text())
    for spoilt in (
        "{",
        "[]",
        json.dumps({**body, "machine": "another"}),
        json.dumps({**body, "weights": {"x": -1}}),
    ):
        path.write_text(spoilt)
        before = len(calls)
        assert stopwatch.machine_pace(60) == first
        assert len(calls) == before + 1


def test_a_busy_machine_is_measured_by_fewer_networks_and_not_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(stopwatch, "milliseconds", Pace(TRUTH, 8, "").__call__)
    assert len(stopwatch.measure_networks(200, seconds=0.0)[0]) == stopwatch.FEWEST
    found = Pace.from_json(stopwatch.pace_as_json(time_limit=0.0))
    assert found.machine == stopwatch.machine_name()
    calls: list[float] = []

    def measured(n: int, seconds: float) -> tuple[list[NetPlan], np.ndarray]:
        calls.append(seconds)
        plans = drawn(n, "longer")
        return plans, np.array([Pace(TRUTH, 8, "")(p) for p in plans])

    monkeypatch.setattr(stopwatch, "measure_networks", measured)
    assert Pace.from_json(stopwatch.pace_as_json(time_limit=10.0)) == found, (
        "it is good enough for short runs"
    )
    whole = stopwatch.pace_as_json(time_limit=600.0)
    assert calls == [stopwatch.PATIENCE], "and measured anew by one that has the time"
    assert stopwatch.pace_as_json(time_limit=600.0) == stopwatch.pace_as_json(time_limit=10.0) == whole


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    plans = drawn(40, "no cache")
    times = np.array([Pace(TRUTH, 8, "")(p) for p in plans])
    monkeypatch.setattr(stopwatch, "measure_networks", lambda n, seconds: (plans, times))
    assert stopwatch.machine_pace().machine == stopwatch.machine_name()
