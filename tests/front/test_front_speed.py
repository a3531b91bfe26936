"""A search against latency: every trial tells its own, the pace stays in the log, the front is judged by measurements."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import seedleaf
from searched import STEPS, searched_run, told, with_executor
from seedleaf.cli import app
from seedleaf.core import Event, History, Measurement, Objective, State, Trial
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import RunError, StudyError
from seedleaf.executors.base import Report, Returned, Settings
from seedleaf.export import side_by_side
from seedleaf.finish import Run
from seedleaf.front.deliver import deliver_front
from seedleaf.front.members import SIZE, SPEED, given_for, narrower, pick
from seedleaf.front.speed import quicker
from seedleaf.job import Job
from seedleaf.learners.backbones import Backbones
from seedleaf.learners.base import learner_named, learner_of
from seedleaf.learners.pace import Pace
from seedleaf.modality.registry import MODALITIES
from seedleaf.planning import pace_of
from seedleaf.report import write_report
from seedleaf.report.facts import read
from seedleaf.report.tradeoff import measured_latencies, on_one_scale, pareto
from seedleaf.space import Float, Space
from seedleaf.stopwatch import made as made_spec
from seedleaf.study import Study

PACE = Pace({"call": 0.01, "first_macs": 1e-3, "dense_macs": 1e-4, "point_macs": 1e-4}, 8, "made")


# --- what is asked for ---


def test_latency_is_a_tradeoff_by_both_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []

    def begin(folder: Any, job: Job, *rest: Any) -> None:
        jobs.append(job)
        raise RunError("enough")

    monkeypatch.setattr("seedleaf.api.begin", begin)
    monkeypatch.chdir(tmp_path)
    for name in ("latency", "latency_ms"):
        with pytest.raises(RunError, match="enough"):
            seedleaf.fit("digits", tradeoff=name)
        assert CliRunner().invoke(app, ["fit", "digits", "--tradeoff", name]).exit_code == 2
    assert [job.tradeoff for job in jobs] == ["latency_ms"] * 4
    jobs[0].save(tmp_path)
    assert Job.load(tmp_path).tradeoff == "latency_ms"


@pytest.mark.parametrize("name", ["latencies", "ms", "LATENCY", " "])
def test_what_is_no_tradeoff_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no tradeoff is called .*; there are: macs, params, latency_ms"):
        seedleaf.fit("digits", tradeoff=name, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_networks_whose_latency_is_not_told_cannot_be_searched_against_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = Backbones({"resnet10t": "scratch"})
    monkeypatch.setattr("seedleaf.modality.images.learner_named", lambda name: named)
    images = MODALITIES["images"]
    with pytest.raises(
        StudyError, match=r"not told .*: give tradeoff macs or params, a limit \(--max-latency"
    ):
        images.check(Job("x", 60, learner="timm:resnet10t@scratch", tradeoff="latency_ms"))
    images.check(Job("x", 60, learner="timm:resnet10t@scratch", tradeoff="macs"))
    images.check(Job("x", 60, learner="timm:resnet10t@scratch", limits={"latency_ms": 1.0}))
    monkeypatch.undo()
    images.check(Job("x", 60, tradeoff="latency_ms"))


# --- the pace ---


class Worker:
    """One that says how fast the machine is."""

    settings = Settings("a:b", 0, "trials", {"data": "here"})

    def __init__(self, answer: Returned) -> None:
        self.answer, self.asked = answer, list[str]()

    def call(self, function: str, **arguments: Any) -> int:
        self.asked.append(function)
        self.given = arguments
        return self.answer.call

    def poll(self, timeout: float) -> list[Report]:
        return [self.answer]


def log(**plan: Any) -> History:
    return History.fold([Event(1, 0.0, "note", {"name": "plan", **plan})] if plan else [])


def test_the_pace_is_measured_without_a_limit_and_then_read_from_the_log() -> None:
    worker: Any = Worker(Returned(7, value=PACE.to_json()))
    against = Job("x", 60, tradeoff="latency_ms")
    assert pace_of(log(), against, worker) == PACE
    assert worker.asked == ["seedleaf.stopwatch:pace_as_json"]
    assert worker.given == {"time_limit": 60.0}, "of which it takes a share at most"
    other = Pace({"call": 5.0}, 16, "another machine")
    assert pace_of(log(pace=other.to_json()), against, worker) == other, (
        "a run that is resumed decides as before"
    )
    for job in (Job("x", 60), Job("x", 60, tradeoff="macs"), Job("x", 60, limits={"params": 9.0})):
        assert pace_of(log(), job, worker) is None
    assert len(worker.asked) == 1
    failed: Any = Worker(Returned(7, error="no ONNX Runtime"))
    with pytest.raises(StudyError, match="pace could not be measured: no ONNX Runtime"):
        pace_of(log(), against, failed)


@pytest.mark.parametrize(
    ("job", "tells"),
    [
        (Job("x", 60, tradeoff="latency_ms"), True),
        (Job("x", 60, limits={"latency_ms": 1.0}), False),
        (Job("x", 60), False),
    ],
)
def test_workers_are_told_the_pace_where_trials_are_to_tell_their_latency(
    job: Job, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = []
    opened = study_planned(epoch_seconds=100.0)

    def open_study(*given: Any) -> Any:
        learners.append(given[4])
        return opened, 1.0

    monkeypatch.setattr("seedleaf.modality.images.open_study", open_study)
    worker: Any = Worker(Returned(7, value=PACE.to_json()))
    nothing: Any = None
    found = MODALITIES["images"].open_study(nothing, log(), job, made_spec(8, 8, 1), worker, time.time())
    assert found == (opened, 1.0)
    assert ("pace" in worker.settings.setup) == tells
    assert worker.settings.setup["data"] == "here"
    assert (learners[0].pace == PACE) == bool(tells or job.limits)


@pytest.mark.parametrize(("epoch", "patience"), [(100.0, 1000.0), (0.1, 1.0)])
def test_a_worker_is_waited_for_as_long_as_epochs_may_take(
    epoch: float, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = study_planned(epoch_seconds=epoch)
    monkeypatch.setattr("seedleaf.modality.images.open_study", lambda *given: (opened, 1.0))
    worker: Any = Worker(Returned(7))
    nothing: Any = None
    job = Job("x", 600)
    MODALITIES["images"].open_study(nothing, log(), job, made_spec(8, 8, 1), worker, time.time())
    assert (worker.settings.step_patience, worker.settings.patience) == (patience, 600.0)


def study_planned(**plan: Any) -> Study:
    study = Study(Space(x=Float(0, 1)), sampler="random", scheduler="full")
    study.note("plan", **plan)
    return study


def test_a_learner_is_paced_by_the_setup_of_its_trial() -> None:
    spec: ImageSpec = made_spec(8, 8, 1)
    plain, paced = learner_of({}), learner_of({"learner": "convnet", "pace": PACE.to_json()})
    config = plain.default(spec)
    assert "latency_ms" not in plain.costs(spec, config)
    assert paced.costs(spec, config)["latency_ms"] > 0
    assert learner_of({"pace": None}).pace is None


# --- who is in the front ---


def made(number: int, error: float, took: float, macs: float = 1.0) -> Trial:
    trial = Trial(number, {})
    trial.state = State.PAUSED
    metrics = {"error": error, "macs": macs, "params": macs, "latency_ms": took}
    trial.measurements.append(Measurement(1, metrics))
    return trial


def test_members_are_chosen_by_latency_and_nothing_else() -> None:
    best = made(0, 0.1, 1.0, macs=100)
    others = [made(1, 0.2, 0.5, macs=500), made(2, 0.2, 2.0, macs=5), made(3, 0.15, 0.95, macs=50)]
    assert {m.trial.id for m in pick([best, *others], best, 0.5, costs=SPEED)} == {1}
    assert {m.trial.id for m in pick([best, *others], best, 0.5)} == {2, 3}
    error, speed = Objective("error"), Objective("latency_ms")
    assert given_for((error, speed)) == SPEED
    assert given_for((error, Objective("params"))) == given_for((error,)) == SIZE


def test_the_winner_is_made_narrower_where_that_makes_it_quicker() -> None:
    spec = made_spec(28, 28, 1)
    learner = learner_named("convnet").paced(PACE)
    best = made(3, 0.1, 1.0)
    best.config.update(learner.default(spec))
    found = narrower(learner, spec, best, SPEED)
    took = [learner.costs(spec, c)["latency_ms"] for c in (best.config, *(m.config for m in found))]
    assert found
    assert max(took[1:]) <= 0.9 * took[0]
    alike = learner_named("convnet").paced(Pace({"call": 0.5}, 8, "made"))  # where all take the same
    assert narrower(alike, spec, best, SPEED) == []
    assert narrower(alike, spec, best)


def row(folder: str, took: float, error: float | None = None, share: float = 1.0) -> dict[str, Any]:
    return {
        "folder": folder,
        "latency_ms": {"median": took, "p90": took},
        "valid_error": error,
        "share_of_widths": share,
    }


def test_who_is_measured_to_be_no_quicker_than_a_more_accurate_one_goes() -> None:
    best = row("best", 1.0)
    rows = [
        row("a", 0.5, 0.2),
        row("b", 0.6, 0.3),  # slower than a
        row("c", 1.0, 0.12),  # as slow as the best
        row("d", 0.4, 0.3),
        row("e", 0.4, 0.3),  # the same once more
        row("w70", 0.9, share=0.7),
        row("w50", 0.95, share=0.5),
        row("w35", 0.3, share=0.35),
    ]
    assert set(quicker(best, rows, {})) == {"a", "d", "w70", "w35"}
    assert set(quicker(best, reversed(rows), {})) in ({"a", "d", "w70", "w35"}, {"a", "e", "w70", "w35"})
    assert quicker(best, [], {}) == []


def test_a_narrower_winner_is_beaten_by_a_quicker_trial_that_had_not_seen_what_it_had() -> None:
    best = row("best", 1.0)
    rows = [
        row("a", 0.5, 0.02),
        row("w70", 0.8, share=0.7),
        row("w50", 0.6, share=0.5),
        row("w35", 0.4, share=0.35),
    ]
    seen = {"w70": 0.01, "w50": 0.03, "w35": 0.2}
    assert quicker(best, rows, seen) == ["a", "w70", "w35"]
    assert quicker(best, rows, {**seen, "w70": 0.02}) == ["a", "w35"]
    assert quicker(best, rows[1:], seen) == ["w70", "w50", "w35"]


# --- delivered ---


@pytest.fixture
def against(pictures: Path, tmp_path: Path) -> Run:
    return searched_run(pictures, tmp_path, PACE)


def test_every_trial_tells_the_latency_that_its_config_has(against: Run) -> None:
    learner = learner_of({"pace": PACE.to_json()})
    for trial in against.study.trials:
        assert trial.metrics["latency_ms"] == learner.costs(against.spec, trial.config)["latency_ms"]
    assert {t.id for t in against.study.front} == {0}, "of those that were trained to the end"


def test_the_front_is_judged_side_by_side(against: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run, here = with_executor(against)
    asked: list[list[str]] = []
    judged = {"best": 0.9, "0000-w70": 0.5, "0000-w50": 0.7, "0000-w35": 0.3}

    def measured(folders: list[str], setup: Any, rounds: int) -> list[dict[str, float]]:
        assert rounds >= 1
        asked.append([Path(f).name for f in folders])
        assert all((Path(f) / "model.onnx").exists() for f in folders[1:])
        return [{"median": judged.get(Path(f).name, 0.95), "p90": 8.0} for f in folders]

    monkeypatch.setattr("seedleaf.export.side_by_side", measured)
    monkeypatch.setattr("seedleaf.export.latency", lambda *_: {"median": 5.0, "p90": 9.0})
    deliver_front(run, time.time() + 120)
    assert here.calls.count("side_by_side") == 1
    assert asked[0][0] == "best"
    rows = told(run)["members"]
    took = [r["latency_ms"]["median"] for r in rows]
    assert took == sorted(took)
    assert (rows[-1]["folder"], took[-1]) == ("best", 1.0), "what best/ says of itself stays"
    names = {Path(r["folder"]).name for r in rows}
    assert names == {"best", *({"0000-w70", "0000-w35"} & set(asked[0]))}
    assert len(names) >= 2
    assert told(run)["slower"] == len(asked[0]) - len(rows) > 0
    assert (told(run)["no_time"], told(run)["over"], told(run)["failed"]) == (0, 0, 0)
    assert {p.name for p in (run.folder / "front").iterdir()} == {*names - {"best"}, "front.json"}
    for r in rows[:-1]:
        kept = json.loads((run.folder / r["folder"] / "metrics.json").read_text(encoding="utf-8"))
        assert kept["latency_ms"] == r["latency_ms"]
        assert "per_class" in kept
        assert "give away accuracy for speed" in (run.folder / r["folder"] / "README.md").read_text()
    write_report(run.study.history, run.folder / "report.html")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "A name with a w is the winner at that percentage of its widths" in page
    assert "were chosen by" not in page, "none of these is a trial's own"
    assert "turned out to be no quicker than a more accurate one" in page
    assert "no other is both quicker and better" in page


def test_where_nothing_is_quicker_there_is_no_front(against: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = with_executor(against)

    def failed(**_: Any) -> None:
        raise RunError("out of memory")

    monkeypatch.setattr("seedleaf.export.side_by_side", failed)
    monkeypatch.setattr("seedleaf.export.latency", lambda *_: {"median": 5.0, "p90": 9.0})
    deliver_front(run, time.time() + 120)
    assert told(run)["members"] == []
    assert told(run)["slower"] > 0
    assert not (run.folder / "front").exists()
    assert not (run.folder / ".front.part").exists()


def test_without_time_to_measure_side_by_side_the_delivery_decides(
    against: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = with_executor(against)
    monkeypatch.setattr("seedleaf.front.speed.LATENCY_RUNS", 10**9)
    monkeypatch.setattr("seedleaf.front.deliver.judging_seconds", lambda *_: 0.0)
    monkeypatch.setattr("seedleaf.export.latency", lambda *_: {"median": 0.5, "p90": 9.0})
    deliver_front(run, time.time() + 120)
    assert "side_by_side" not in here.calls
    assert [r["latency_ms"]["median"] for r in told(run)["members"]][-1] == 1.0
    assert len(told(run)["members"]) >= 2


def test_delivered_networks_are_measured_in_turns(against: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = with_executor(against)
    monkeypatch.setattr("seedleaf.export.latency", lambda *_: {"median": 0.5, "p90": 9.0})
    deliver_front(run, time.time() + 120)
    folders = [p for p in (run.folder / "front").iterdir() if p.is_dir()]
    found = side_by_side([str(p) for p in folders], run.setup, 2)
    assert len(found) == len(folders) >= 1
    assert all(0 < one["median"] <= one["p90"] for one in found)


# --- the report ---


def test_the_chart_takes_what_was_measured_over_what_was_told(against: Run) -> None:
    study = against.study
    members = [
        {"folder": "front/0001", "trial": 1, "share_of_widths": 1.0, "latency_ms": {"median": 0.25}},
        {"folder": "front/0000-w50", "trial": 0, "share_of_widths": 0.5, "latency_ms": {"median": 0.125}},
        {"folder": "best", "trial": 0, "latency_ms": {"median": 1.0}},
    ]
    study.note("front", members=members, left_out=0)  # as a log of an earlier version
    facts = read(study.history)
    assert measured_latencies(facts) == {0: 1.0, 1: 0.25}
    chart = pareto(facts)
    assert chart is not None
    assert "measured where the network was delivered (2 trials)" in chart.caption
    found = on_one_scale({0: 2.0, 1: 1.0, 2: 4.0, 3: 0.0}, {0: 1.0, 1: 0.3})
    assert found == pytest.approx({0: 1.0, 1: 0.3, 2: 1.6, 3: 0.0})
    assert on_one_scale({0: 2.0}, {}) == {0: 2.0}
    study.note("plan", epoch_seconds=0.1, full=STEPS, longest=4 * STEPS)
    assert measured_latencies(read(study.history)) == {}, "a latency that no pace told is a measured one"
