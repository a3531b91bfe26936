"""`tune` with anyone's own function, however it is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seedleaf
from seedleaf import Choice, Fidelity, Float, Int
from seedleaf.core import Context
from seedleaf.errors import RunError, SpaceError, StudyError, StudyFailed
from seedleaf.tuning import _by_name_or_value
from seedleaf.views.view import SilentView

SPACE = {"x": Float(-1.0, 1.0), "how": Choice(plain={}, curved={"power": Int(1, 3)})}


def train(config: dict[str, Any], ctx: Context) -> Iterator[dict[str, float]]:
    """A bowl; the steps go on where the last ones ended."""
    seen = ctx.folder / "steps.txt"
    before = int(seen.read_text()) if ctx.start else 0
    assert before == ctx.start
    for step in range(ctx.start + 1, ctx.stop + 1):
        seen.write_text(str(step))
        yield {"error": config["x"] ** 2 + 1 / step}


def score(config: dict[str, Any]) -> float:
    return 1 - config["x"] ** 2


def test_a_function_by_name_with_steps() -> None:
    found = seedleaf.tune(train, SPACE, fidelity=Fidelity("step", 1, 9), max_trials=8, workers=2)
    assert found.reason
    assert len(found.trials) == 8
    assert found.best.step == 9
    assert set(found.trials["state"]) <= {"done", "paused", "stopped"}
    assert found.best.metrics["error"] == min(t.metrics["error"] for t in found.study.trials)


def test_a_function_may_return_a_number_to_maximise() -> None:
    found = seedleaf.tune(score, {"x": Float(-1, 1)}, maximize="score", max_trials=5, workers=1)
    assert list(found.trials["state"]) == ["done"] * 5
    assert found.best.metrics["score"] == max(found.trials["score"])


def test_lambdas_and_closures_travel_by_value() -> None:
    offset = 0.25
    found = seedleaf.tune(
        lambda config: (config["x"] - offset) ** 2, {"x": Float(0, 1)}, max_trials=3, workers=1
    )
    for trial in found.study.trials:
        assert trial.metrics["error"] == pytest.approx((float(trial.config["x"]) - offset) ** 2)  # type: ignore[arg-type]


def test_what_can_be_imported_travels_by_name() -> None:
    assert _by_name_or_value(train) == {"function": f"{__name__}:train"}
    assert _by_name_or_value("module:name") == {"function": "module:name"}
    assert "pickled" in _by_name_or_value(lambda config: 0)
    with pytest.raises(StudyError, match="must be a function"):
        _by_name_or_value(3)  # type: ignore[arg-type]


def test_a_script_needs_no_guard_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def square(v):\n    return v * v\n")
    (tmp_path / "script.py").write_text(
        "import helper, seedleaf\n"
        "from seedleaf import Float\n"
        "print('once')\n"
        "def train(config):\n"
        "    return helper.square(config['x'])\n"
        "found = seedleaf.tune(train, {'x': Float(-1, 1)}, max_trials=4, workers=2)\n"
        "print(found.best.metrics['error'] == min(found.trials['error']), len(found.trials))\n"
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/json.py").write_text(
        "raise RuntimeError('the working directory is not a library')\n"
    )
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True, text=True, timeout=120, cwd=tmp_path / "elsewhere",
        env={**__import__("os").environ, "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["once", "True 4"]
    assert list((tmp_path / "tmp").glob("seedleaf*")) == []


def test_a_study_that_is_kept_goes_on(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"fidelity": Fidelity("step", 1, 9), "workers": 1, "out": tmp_path / "study"}
    first = seedleaf.tune(train, SPACE, max_trials=3, **arguments)
    again = seedleaf.tune(train, SPACE, max_trials=6, **arguments)
    assert len(first.trials) == 3
    assert len(again.trials) == 6
    for before, after in zip(first.study.trials, again.study.trials, strict=False):
        assert after.config == before.config
        assert after.measurements[: before.step] == before.measurements
    assert sorted(p.name for p in (tmp_path / "study").iterdir()) == ["study.db", "trials", "workers"]


def test_two_calls_never_work_in_one_folder(tmp_path: Path) -> None:
    """The second would take over what the first is training, in the same trial folders."""
    inner: list[BaseException] = []

    class Nosy(SilentView):
        def start(self, info: Any) -> None:
            with pytest.raises(RunError, match="is being worked on by another process") as caught:
                seedleaf.tune(score, {"x": Float(-1, 1)}, maximize="score", max_trials=9, out=tmp_path / "s")
            inner.append(caught.value)

    seedleaf.tune(
        score,
        {"x": Float(-1, 1)},
        maximize="score",
        max_trials=2,
        workers=1,
        out=tmp_path / "s",
        view=Nosy(),
    )
    assert inner
    again = seedleaf.tune(
        score, {"x": Float(-1, 1)}, maximize="score", max_trials=3, workers=1, out=tmp_path / "s"
    )
    assert list(again.trials["state"]) == ["done"] * 3


def test_an_out_that_cannot_be_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StudyError, match="file cannot hold a study"):
        seedleaf.tune(score, {"x": Float(-1, 1)}, max_trials=2, out=tmp_path / "file")


def test_time_ends_a_study_and_keeps_what_was_measured(tmp_path: Path) -> None:
    found = seedleaf.tune(train, SPACE, fidelity=Fidelity("step", 1, 9), time_limit="3s", workers=1)
    assert found.reason == "time"
    assert not found.study.history.running()


def test_time_that_is_over_before_a_worker_is_up_is_no_error() -> None:
    found = seedleaf.tune(train, SPACE, fidelity=Fidelity("step", 1, 9), time_limit=0.01, workers=1)
    assert found.reason == "time"
    if not found.study.history.trials:
        with pytest.raises(StudyError, match="no trial has been measured"):
            _ = found.best


def test_a_study_whose_trials_all_diverged_says_so() -> None:
    found = seedleaf.tune(lambda config: float("nan"), {"x": Float(0, 1)}, max_trials=4, workers=1)
    assert list(found.trials["state"]) == ["failed"] * 4
    with pytest.raises(StudyError, match=r"no trial has been measured .*4 failed.*error is nan at step 1"):
        _ = found.best


def test_a_function_that_gives_a_text_is_told_what_to_give() -> None:
    with pytest.raises(
        StudyFailed, match="the training function gave 'fine'; it should yield or return a number"
    ):
        seedleaf.tune(lambda config: "fine", {"x": Float(0, 1)}, max_trials=4, workers=1)


def test_one_failure_is_one_failed_trial() -> None:
    def often(config: dict[str, Any]) -> float:
        if config["x"] > 0.6:
            raise ValueError("too steep")
        return float(config["x"])

    found = seedleaf.tune(
        often, {"x": Float(0, 1)}, max_trials=12, workers=1, sampler="sobol", start_with={"x": 0.1}
    )
    assert len(found.trials) == 12
    failed = found.trials[found.trials["state"] == "failed"]
    assert len(failed) > 0
    assert set(failed["reason"]) == {"ValueError: too steep"}
    assert found.best.metrics["error"] <= 0.1


def test_failures_are_told_in_the_trials_and_not_on_the_callers_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def never(config: dict[str, Any]) -> float:
        print("out")
        raise ValueError(f"too steep: {config['how']}")

    space = {"how": Choice("a", "b", "c", "d")}
    found = seedleaf.tune(never, space, max_trials=4, workers=1)
    assert set(found.trials["state"]) == {"failed"}
    assert capfd.readouterr() == ("", "")


def test_the_traceback_of_a_failure_is_that_of_the_function_alone(tmp_path: Path) -> None:
    def never(config: dict[str, Any]) -> float:
        raise ValueError("no data there")

    with pytest.raises(StudyFailed):
        seedleaf.tune(never, {"x": Float(0, 1)}, max_trials=50, workers=1, out=tmp_path / "s")
    log = (tmp_path / "s/workers/worker-0.log").read_text()
    assert "no data there" in log
    assert "TypeError" not in log
    assert "During handling" not in log


def test_a_worker_that_cannot_start_points_only_to_a_log_that_stays(tmp_path: Path) -> None:
    for out in (None, tmp_path / "s"):
        with pytest.raises(StudyError, match="a worker could not start") as caught:
            seedleaf.tune("no_such_module:f", {"x": Float(0, 1)}, max_trials=2, workers=1, out=out)
        assert ("worker-0.log" in str(caught.value)) == (out is not None)


def test_a_function_that_always_fails_ends_the_study_and_says_why() -> None:
    def never(config: dict[str, Any]) -> float:
        raise ValueError("no data there")

    with pytest.raises(StudyFailed, match="the first 3 trials all failed: ValueError: no data there"):
        seedleaf.tune(never, {"x": Float(0, 1)}, max_trials=50, workers=1)


def test_a_metric_under_another_name_is_told() -> None:
    with pytest.raises(StudyError, match="the metric 'loss' is missing; step 1 gave error"):
        seedleaf.tune(train, SPACE, minimize="loss", fidelity=Fidelity("step", 1, 3), max_trials=2, workers=1)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, StudyError, "the space is infinite: give time_limit or max_trials"),
        ({"max_trials": 1, "workers": 0}, ValueError, "workers must be a whole number of at least 1, got 0"),
        ({"max_trials": 1, "time_limit": "soon"}, ValueError, "'soon' is not a time"),
        ({"max_trials": 1, "sampler": "oracle"}, StudyError, "no sampler is called 'oracle'"),
        ({"max_trials": 1, "start_with": {"y": 1}}, SpaceError, "y"),
    ],
)
def test_mistakes_are_told_before_a_worker_is_started(
    options: dict[str, Any],
    error: type[Exception],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(error, match=said):
        seedleaf.tune(train, SPACE, **options)
    assert list(tmp_path.iterdir()) == [], "no scratch folder stays behind"


def test_a_finite_space_ends_by_itself() -> None:
    found = seedleaf.tune(lambda config: config["n"], {"n": Int(1, 4)}, workers=1)
    assert sorted(found.trials["config.n"]) == [1, 2, 3, 4]
    assert found.best.config == {"n": 1}
