"""The benchmark of fidelity axes, small: it goes on where it stopped, and what it says follows from its lines."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

import cheaper_steps
from cheaper_steps import MARKS, RUNS, Task, agreements, carry_on, read, schedule, section
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.train.ramp import AXES, Ramp


def made(n: int = 300) -> ImageData:
    """Pictures of 16×16: class 1 is bright on the left, class 0 on the right."""
    rng = np.random.default_rng(0)
    y = np.arange(n, dtype=np.int64) % 2
    x = rng.integers(0, 200, (n, 16, 16, 1), dtype=np.uint8)
    x[y == 1, :, :8] += 50
    x[y == 0, :, 8:] += 50
    spec = ImageSpec("made", 16, 16, 1, 2, ("a", "b"), n, 4, (n // 2, n // 2), (), "0" * 32)
    return ImageData(spec, x, y, x[:4], y[:4])


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    torch.set_num_threads(1)
    task = Task.of("made", made(), n=2, train=96, valid=64)
    task = Task(task.name, task.source, task.configs, epochs=1)
    out = tmp_path_factory.mktemp("cheaper") / "lines.jsonl"
    assert not carry_on([task], out, until=0.0), "no time: only the costs are measured"
    assert [r["axis"] for r in read(out)] == list(AXES)
    with out.open("a", encoding="utf-8") as file:
        file.write('{"data": "made", "config": 0, "ru\n')
    assert carry_on([task], out, until=math.inf)
    begun = time.perf_counter()
    assert carry_on([task], out, until=math.inf), "all is there"
    assert time.perf_counter() - begun < 1
    return read(out)


def test_every_config_runs_along_every_axis_at_about_the_same_cost(lines: list[dict[str, object]]) -> None:
    runs = [r for r in lines if "run" in r]
    assert [(r["config"], r["run"]) for r in runs] == [(i, run) for i in range(2) for run in RUNS]
    for row in runs:
        assert len(row["losses"]) == len(row["seconds"]) == len(MARKS)  # type: ignore[arg-type]
        assert row["seconds"] == sorted(row["seconds"])  # type: ignore[call-overload]
    first = {r["run"]: r["losses"] for r in runs if r["config"] == 0}
    assert first["epochs"] != first["size"] != first["data"]


def test_agreement_is_computed_from_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses by hand: `data` ranks as the yardstick does, `size` the other way round, one training diverged."""
    rows = []
    for i in range(6):
        for run in RUNS:
            loss = 0.1 * i if run in ("yardstick", "data") else -0.1 * i if run == "size" else 0.5
            cheap = None if run == "data" and i == 5 else loss
            seconds = [1.0, 3.0, 9.0, 54.0 if run == "both" else 27.0]
            row = {"data": "fashion", "config": i, "run": run, "losses": [cheap, loss, loss, loss]}
            rows.append({**row, "seconds": seconds, "failed": "diverged" if cheap is None else ""})
    found = {(a.axis, a.part): a for a in agreements(rows, "fashion", draws=50)}
    assert found["data", 27].tau == found["data", 1].tau == pytest.approx(1)
    assert found["size", 9].tau == pytest.approx(-1)
    assert found["both", 1].cost == pytest.approx(2)
    assert found["data", 9].cost == pytest.approx(1 / 9)
    text = section(rows)
    assert "### fashion" in text
    assert "### cifar" not in text
    assert "1 of 30 trainings diverged" in text
    assert cheaper_steps.agreements(rows, "cifar") == []


def test_tau_is_kendalls() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 30).astype(float), rng.integers(0, 9, 30).astype(float)
    a[:3] = np.inf
    pick = rng.integers(0, 30, 30)
    x, y = cheaper_steps.order(a), cheaper_steps.order(b)
    ranks = np.where(np.isinf(a), 99, a)
    assert cheaper_steps.tau(x, y) == pytest.approx(kendalltau(ranks, b).statistic)
    assert cheaper_steps.tau(x, y, pick) == pytest.approx(kendalltau(ranks[pick], b[pick]).statistic)


@pytest.mark.parametrize("axis", AXES)
def test_marks_lie_at_their_share_of_the_cost(axis: str) -> None:
    cost = [0.35, 0.6, 1.0] if axis != "epochs" else [1.0, 1.0, 1.0]
    full, marks = schedule(axis, cost, 9)
    assert marks == sorted(marks)
    assert marks[-1] == full
    spent = np.cumsum([cost[Ramp(axis, full).third(step)] for step in range(1, full + 1)])
    assert spent[-1] == pytest.approx(27, abs=0.6)
    for mark, part in zip(marks, MARKS, strict=True):
        assert spent[mark - 1] == pytest.approx(27 / part, abs=0.6)
