"""The front is what no other trial beats, each member exported, measured and told of as it was trained."""

from __future__ import annotations

import importlib
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs import Finished
from seedleaf import load
from seedleaf.core import Context, Fidelity, Limit, Measurement, State, Task, Trial
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.deliver import copy_delivery
from seedleaf.errors import RunError
from seedleaf.executors.base import Report, Returned
from seedleaf.finish import Run
from seedleaf.front import deliver_front, fitting, pick
from seedleaf.learners import trial as trials
from seedleaf.learners.base import learner_named
from seedleaf.modality.registry import MODALITIES
from seedleaf.planning import trivial_baseline
from seedleaf.predictor import Predictor
from seedleaf.report import write_report
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.view import SilentView

STEPS = 4


def made(number: int, error: float, macs: float, params: float, state: State = State.PAUSED) -> Trial:
    trial = Trial(number, {})
    trial.state = state
    trial.measurements.append(Measurement(1, {"error": error, "macs": macs, "params": params}))
    return trial


# --- who is in it ---


def test_a_member_is_beaten_by_nobody_and_of_use() -> None:
    best = made(0, 0.10, 1000, 100)
    others = [
        made(1, 0.20, 500, 90),
        made(2, 0.25, 600, 95),  # beaten by 1
        made(3, 0.30, 100, 20),
        made(4, 0.80, 10, 2),  # no better than guessing
        made(5, 0.15, 2000, 50),  # more work, but fewer weights
        made(6, 0.10, 1000, 100),  # the best once more
        made(7, 0.01, 1, 1, State.FAILED),
    ]
    found = pick([best, *others], best, worst=0.5)
    assert {t.id for t in found} == {1, 3, 5}
    assert len(pick([best, *others], best, worst=0.5, members=2)) == 2
    assert pick([best], best, worst=0.5) == []


def test_members_stand_for_the_whole_front() -> None:
    best = made(0, 0.1, 1e6, 1e5)
    line = [made(i, 0.1 + 0.01 * i, 1e6 * 0.8**i, 1e5 * 0.8**i) for i in range(1, 30)]
    costs = sorted(t.metrics["macs"] for t in pick([best, *line], best, worst=0.6))
    assert len(costs) == 5
    assert costs[0] < 1e6 * 0.8**20
    assert costs[-1] > 1e6 * 0.8**15
    assert max(b / a for a, b in pairwise(costs)) < 30


def test_equal_costs_are_one_member() -> None:
    best = made(0, 0.1, 1000, 100)
    assert len(pick([best, made(1, 0.2, 500, 50), made(2, 0.2, 500, 50)], best, worst=0.5)) == 1


def test_what_is_trained_fits_the_time() -> None:
    assert fitting({1: 5.0, 2: 5.0, 3: 5.0}, 5.0, 2) == [1, 2]
    assert fitting({1: 9.0, 2: 4.0, 3: 1.0}, 5.0, 1) == [2, 3]
    assert fitting({1: 1.0}, -1.0, 2) == []


# --- delivered ---


class Here:
    """An executor that does what it is called for at once, in this process."""

    def __init__(self) -> None:
        self.answers: list[Returned] = []
        self.calls: list[str] = []

    def free(self) -> int:
        return 1

    def call(self, function: str, **arguments: Any) -> int:
        module, _, name = function.partition(":")
        self.calls.append(name)
        if "device" in arguments:  # a worker puts its own there
            arguments["device"] = "cpu"
        number = len(self.calls)
        try:
            value = getattr(importlib.import_module(module), name)(**arguments)
            self.answers.append(Returned(number, value=value))
        except RunError as error:
            self.answers.append(Returned(number, error=str(error)))
        return number

    def poll(self, timeout: float) -> list[Report]:
        given, self.answers = self.answers, []
        return [*given]

    def submit(self, task: Task) -> None: ...
    def stop(self, trial: int) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def searched(pictures: Path, tmp_path: Path) -> Run:
    """A run whose search is over: the default trained to the end, two smaller networks stopped after one step."""
    cache = tmp_path / "cache"
    save_mapped(load_images(pictures), cache)
    setup = {"data": str(cache), "learner": "convnet", "seed": 0, "fidelity": "epochs"}
    learner = learner_named("convnet")
    spec = load_images(pictures).spec
    study = Study(
        learner.space(spec),
        fidelity=Fidelity("epoch", 1, STEPS),
        costs=lambda config: learner.costs(spec, config),
        store=SqlStore(tmp_path / "study.db"),
        name="fit",
    )
    study.note("data", spec=spec.to_json())
    study.note("baseline", **trivial_baseline(spec))
    study.note("plan", epoch_seconds=0.1, full=STEPS)
    study.note("session", began=time.time(), used=0.0, time_limit=60.0)
    configs = [learner.default(spec, [Limit("params", p)]) for p in (20_000, 6_000, 2_500)]
    for config, budget in zip(configs, (STEPS, 1, 1), strict=True):
        study.enqueue(config, budget)
    study.note("default", trial=0)
    for _ in configs:
        task = study.ask()
        assert task is not None
        folder = tmp_path / "trials" / f"{task.trial:04d}"
        ctx = Context(task.trial, task.start, task.stop, STEPS, 1, folder, "cpu", setup)
        study.tell(task, [m.metrics for m in trials.run(task.config, ctx)], seconds=0.2)
    nothing: Any = None
    run = Run(tmp_path, 2, setup, spec, MODALITIES["images"], study, nothing, SilentView())
    final = {
        "trial": 0,
        "params": 20_000,
        "macs": 10**6,
        "bytes": 9,
        "latency_ms": {"median": 1.0, "p90": 1.0},
    }
    test = {"accuracy": 0.9, "error": 0.1, "low": 0.8, "high": 0.95, "n": 36}
    study.note("final", **final, test=test, refit_steps=STEPS, config=dict(configs[0]))
    return run


def told(run: Run) -> dict[str, Any]:
    return dict(run.study.history.note("front") or {})


def with_executor(run: Run) -> tuple[Run, Here]:
    from dataclasses import replace

    here = Here()
    return replace(run, executor=here), here


def test_members_are_delivered_as_their_trials_left_them_where_time_is_short(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = with_executor(searched)
    monkeypatch.setattr("seedleaf.front.fitting", lambda *_: [])
    monkeypatch.setattr("seedleaf.front._worst", lambda *_: 1.0)
    deliver_front(run, time.time() + 60)
    rows = told(run)["members"]
    assert [row["macs"] for row in rows] == sorted(row["macs"] for row in rows)
    smaller = [row for row in rows if row["folder"] != "best"]
    assert smaller
    assert "refit" not in here.calls
    for row in smaller:
        folder = run.folder / row["folder"]
        assert (row["steps"], row["full"], row["trained_on"]) == (1, STEPS, "train")
        assert "Trained for 1 of 4 steps, on the training part" in (folder / "README.md").read_text()
        answer = Predictor.open(folder).probabilities(np.zeros((2, 12, 12, 3), np.uint8))
        assert answer.shape == (2, 3)
        assert json.loads((folder / "metrics.json").read_text())["params"] == row["params"] < 20_000
        assert len(copy_delivery(folder, run.folder / "copy" / str(row["trial"]))) == 4
    write_report(run.study.history, run.folder / "report.html")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "What was delivered: the front" in page
    assert all(row["folder"] in page for row in rows)


def test_members_are_trained_to_the_end_where_there_is_time(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = with_executor(searched)
    monkeypatch.setattr("seedleaf.front._worst", lambda *_: 1.0)
    deliver_front(run, time.time() + 120)
    smaller = [row for row in told(run)["members"] if row["folder"] != "best"]
    assert here.calls.count("refit") == len(smaller) > 0
    assert all((row["steps"], row["trained_on"]) == (STEPS, "train+valid") for row in smaller)


def test_without_time_there_is_no_front_and_an_old_one_goes(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = with_executor(searched)
    monkeypatch.setattr("seedleaf.front._worst", lambda *_: 1.0)
    (run.folder / "front" / "0009").mkdir(parents=True)
    deliver_front(run, time.time())
    assert told(run)["members"] == []
    assert told(run)["left_out"] > 0
    assert not (run.folder / "front").exists()
    assert not (run.folder / ".front.part").exists()


def test_a_finished_run_holds_what_it_says(finished: Finished) -> None:
    result = load(finished.folder)
    rows = result.front_rows
    assert [m.metrics["params"] for m in result.front] == [row["params"] for row in rows]
    listed = {p.name for p in (finished.folder / "front").iterdir()} if len(rows) > 1 else set()
    named = {Path(row["folder"]).name for row in rows if row["folder"] != "best"}
    assert listed == (named | {"front.json"} if named else set())
    assert all(row["params"] <= 6000 for row in rows)
