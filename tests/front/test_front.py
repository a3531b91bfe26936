"""The front is what no other trial beats, each member exported, measured and told of as it was trained."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs import Finished
from searched import LONGEST, STEPS, searched_run, told, with_executor
from seedleaf import load
from seedleaf.core import Limit, Measurement, Objective, State, Trial
from seedleaf.errors import LimitError, RunError
from seedleaf.export import untrained_latency
from seedleaf.finish import Run
from seedleaf.front.deliver import _best_row, deliver_front
from seedleaf.front.members import fitting, narrower, pick
from seedleaf.learners.base import learner_named
from seedleaf.limits import check_limits, winner_within
from seedleaf.predicting.deliver import copy_delivery
from seedleaf.predicting.images import Predictor
from seedleaf.report import write_report
from seedleaf.stopwatch import made as made_spec


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
    assert {m.trial.id for m in found} == {1, 3, 5}
    assert len(pick([best, *others], best, worst=0.5, members=2)) == 2
    assert pick([best], best, worst=0.5) == []


def test_members_stand_for_the_whole_front() -> None:
    best = made(0, 0.1, 1e6, 1e5)
    line = [made(i, 0.1 + 0.01 * i, 1e6 * 0.8**i, 1e5 * 0.8**i) for i in range(1, 30)]
    costs = sorted(m.trial.metrics["macs"] for m in pick([best, *line], best, worst=0.6))
    assert len(costs) == 5
    assert costs[0] < 1e6 * 0.8**20
    assert costs[-1] > 1e6 * 0.8**15
    assert max(b / a for a, b in pairwise(costs)) < 30


def test_equal_costs_are_one_member_and_little_saved_is_none() -> None:
    best = made(0, 0.1, 1000, 100)
    assert len(pick([best, made(1, 0.2, 500, 50), made(2, 0.2, 500, 50)], best, worst=0.5)) == 1
    assert pick([best, made(1, 0.2, 950, 95)], best, worst=0.5) == []
    assert [m.trial.id for m in pick([best, made(1, 0.2, 950, 90)], best, worst=0.5)] == [1]


def test_what_is_trained_fits_the_time() -> None:
    assert fitting({"a": 5.0, "b": 5.0, "c": 5.0}, 5.0, 2) == ["a", "b"]
    assert fitting({"a": 9.0, "b": 4.0, "c": 1.0}, 5.0, 1) == ["b", "c"]
    assert fitting({"a": 1.0}, -1.0, 2) == []


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (48, 48, 3)])
def test_the_winner_made_narrower_is_a_config_of_the_space(shape: tuple[int, int, int]) -> None:
    learner, spec = learner_named("convnet"), made_spec(*shape)
    best = made(3, 0.1, 1.0, 1.0)
    best.config.update(learner.default(spec))
    found = narrower(learner, spec, best)
    assert len(found) >= 2
    assert all(learner.space(spec).contains(m.config) for m in found)
    by_share = sorted(found, key=lambda m: m.share)
    costs = [learner.costs(spec, m.config) for m in by_share] + [learner.costs(spec, best.config)]
    for small, large in pairwise(costs):
        assert small["macs"] <= 0.9 * large["macs"] or small["params"] <= 0.9 * large["params"]
    assert [m.name for m in by_share][-1] == "0003-w70"
    assert all(m.error is None for m in found)


def test_what_cannot_be_narrower_is_no_member() -> None:
    learner, spec = learner_named("convnet"), made_spec(8, 8, 1)
    best = made(0, 0.1, 1.0, 1.0)
    best.config.update(learner.smallest(spec))
    assert narrower(learner, spec, best) == []


# --- delivered ---


@pytest.fixture
def searched(pictures: Path, tmp_path: Path) -> Run:
    return searched_run(pictures, tmp_path)


def test_members_are_delivered_as_their_trials_left_them_where_time_is_short(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = with_executor(searched)
    monkeypatch.setattr("seedleaf.front.training.fitting", lambda *_: [])
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
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
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
    deliver_front(run, time.time() + 120)
    smaller = [row for row in told(run)["members"] if row["folder"] != "best"]
    assert here.calls.count("refit") == len(smaller) >= 3
    assert all((row["steps"], row["trained_on"]) == (STEPS, "train+valid") for row in smaller)
    cut = [row for row in smaller if row["share_of_widths"] < 1]
    assert len(cut) >= 2
    for row in cut:
        assert row["trial"] == 0
        assert row["valid_error"] is None
        assert "-w" in row["folder"]
        assert f"widths of the best network, cut to {row['share_of_widths']:.0%}" in (
            run.folder / row["folder"] / "README.md"
        ).read_text(encoding="utf-8")


def against_macs(searched: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose front was sought."""
    run, _ = with_executor(searched)
    problem = run.study.problem
    run.study.problem = replace(problem, objectives=(*problem.objectives, Objective("macs")))
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
    return run


def test_a_front_that_was_sought_is_trained_as_long_as_a_winner_may_be(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = against_macs(searched, monkeypatch)
    monkeypatch.setattr("seedleaf.front.training._seconds", lambda *_: 10.0)
    deliver_front(
        run, time.time() + 22
    )  # four trainings on two workers; after 20, 10 and 5 steps those of the search
    beside = [row for row in told(run)["members"] if row["folder"] != "best"]
    assert {(row["steps"], row["trained_on"]) for row in beside} == {(STEPS, "train+valid")}
    deliver_front(run, time.time() + 70)  # too little for twice two trainings of 50 s each
    beside = [row for row in told(run)["members"] if row["folder"] != "best"]
    assert [(row["steps"], row["trained_on"]) for row in beside] == [(LONGEST // 2, "train+valid")] * len(
        beside
    )
    deliver_front(run, time.time() + 500)
    beside = [row for row in told(run)["members"] if row["folder"] != "best"]
    assert [row["steps"] for row in beside] == [LONGEST] * len(beside)
    for row in beside:
        said = (run.folder / row["folder"] / "README.md").read_text(encoding="utf-8")
        assert "Trained for 20 steps, where the search trained for 4 at most, on all that is not" in said


def test_a_front_that_was_sought_is_never_trained_for_fewer_steps_than_a_trial_had(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = against_macs(searched, monkeypatch)
    monkeypatch.setattr("seedleaf.front.training.SHORTEST", 1)
    # Time for one step of all, which the trials have had.
    monkeypatch.setattr(
        "seedleaf.front.training._seconds", lambda _, member: 80.0 if member.share < 1 else 20.0
    )
    deliver_front(run, time.time() + 38)
    beside = [row for row in told(run)["members"] if row["folder"] != "best"]
    own = [(row["trained_on"], row["steps"]) for row in beside if row["share_of_widths"] == 1]
    assert own
    assert set(own) == {("train", 1)}
    assert all(row["trained_on"] == "train+valid" for row in beside if row["share_of_widths"] < 1)


def test_without_time_there_is_no_front_and_an_old_one_goes(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = with_executor(searched)
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
    (run.folder / "front" / "0009").mkdir(parents=True)
    deliver_front(run, time.time())
    assert told(run)["members"] == []
    assert told(run)["no_time"] > 0
    assert (told(run)["over"], told(run)["failed"], told(run)["slower"]) == (0, 0, 0)
    assert not (run.folder / "front").exists()
    assert not (run.folder / ".front.part").exists()


# --- limits ---


def limited(run: Run, **limits: float) -> Run:
    """`run` with these limits, all of which its trials are thought to keep."""
    wanted = tuple(Limit(k, v) for k, v in limits.items())
    problem = replace(run.study.problem, limits=wanted, costs=lambda config: dict.fromkeys(limits, 0.0))
    run.study.problem = problem
    return run


def test_the_best_that_keeps_the_limit_when_measured_is_taken(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = with_executor(limited(searched, latency_ms=1.0))
    by_loss = sorted(run.study.trials, key=lambda t: (t.metrics["error"], t.metrics["loss"]))
    slow = [5.0, 4.0, 0.5]
    monkeypatch.setattr(
        "seedleaf.export.latency", lambda *_: {"median": slow[len(here.calls) - 1], "p90": 9.0}
    )
    assert winner_within(run) is by_loss[2]
    assert here.calls == ["untrained_latency"] * 3
    here.calls.clear()
    slow[2] = 3.0
    with pytest.raises(LimitError, match=r"latency_ms <= 1 when it is measured \(the quickest took 3\)"):
        winner_within(run)


def test_the_latency_of_a_config_is_measured(searched: Run, tmp_path: Path) -> None:
    found = untrained_latency(searched.default.config, searched.setup, str(tmp_path))
    assert 0 < found["median"] <= found["p90"]
    assert not list(tmp_path.glob("*.onnx"))


def test_nothing_that_breaks_a_limit_is_delivered(searched: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"params": 10, "macs": 10, "bytes": 500, "latency_ms": {"median": 2.0, "p90": 3.0}}
    check_limits(limited(searched, params=10, bytes=500, latency_ms=2.0), found)
    for limits in ({"bytes": 499.0}, {"latency_ms": 1.9}, {"params": 9.0}):
        with pytest.raises(LimitError, match=next(iter(limits))):
            check_limits(limited(searched, **limits), found)
    run, _ = with_executor(limited(searched, latency_ms=1e-6))
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
    deliver_front(run, time.time() + 60)
    assert told(run)["members"] == []
    assert told(run)["over"] > 0
    assert (told(run)["no_time"], told(run)["failed"]) == (0, 0)


def test_a_member_whose_delivery_fails_is_counted_as_that(
    searched: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(**_: Any) -> None:
        raise RunError("the disk is full")

    run, _ = with_executor(searched)
    monkeypatch.setattr("seedleaf.front.deliver._worst", lambda *_: 1.0)
    monkeypatch.setattr("seedleaf.export.deliver", deliver)
    deliver_front(run, time.time() + 60)
    assert told(run)["failed"] > 0
    assert (told(run)["no_time"], told(run)["over"]) == (0, 0)


@pytest.mark.parametrize("trained_on", ["train", "train+valid"])
def test_the_row_of_the_best_tells_how_it_was_trained(searched: Run, trained_on: str) -> None:
    final = {**(searched.study.history.note("final") or {}), "trained_on": trained_on}
    row = _best_row(final, 2 * STEPS)
    assert (row["trained_on"], row["steps"], row["full"]) == (trained_on, STEPS, 2 * STEPS)


def test_a_finished_run_holds_what_it_says(finished: Finished) -> None:
    result = load(finished.folder)
    rows = result.front_rows
    assert [m.metrics["params"] for m in result.front] == [row["params"] for row in rows]
    listed = {p.name for p in (finished.folder / "front").iterdir()} if len(rows) > 1 else set()
    named = {Path(row["folder"]).name for row in rows if row["folder"] != "best"}
    assert listed == (named | {"front.json"} if named else set())
    assert all(row["params"] <= 6000 for row in rows)
