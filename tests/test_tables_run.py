"""A table from the file to predictions, as a user goes: fit, files, predict, resume; and what is refused."""

from __future__ import annotations

import csv
import html
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import seedleaf
from messy import messy
from seedleaf.cli import app
from seedleaf.errors import DataError, RunError, StudyError
from seedleaf.modality import table_finish
from seedleaf.predicting.tables import TablePredictor
from seedleaf.result import Result

SRC = Path(__file__).parents[1] / "src"


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("tables")
    data = write(folder / "data.csv", messy("multiclass", 300))
    return seedleaf.fit(data, time_limit="16s", folds=3, workers=1, out=folder / "run")


def test_one_file_comes_out_with_what_is_known_of_it(fitted: Result) -> None:
    history, best = fitted.history, fitted.best
    assert (history.note("final") or {})["onnx_max_difference"] < 1e-5
    assert best.metrics["test"]["n"] == 60
    assert best.metrics["test"]["logloss"] < (history.note("baseline") or {})["logloss"]
    assert "macs" not in best.metrics
    given = [t for t in history.trials.values() if t.given]
    assert [t.config["learner"] for t in given] == ["linear", "boosting", "mlp", "forest"], "the ladder"
    looked_at = [t.step > 0 for t in given]  # where the machine is busy time may end before the last
    assert sum(looked_at) >= 2, "on one fold at least"
    assert looked_at == sorted(looked_at, reverse=True), "in that order"
    rows = list(csv.DictReader((fitted.folder / "leaderboard.csv").open(encoding="utf-8")))
    assert len(rows) == 1 + len(history.trials)
    assert rows[0]["rank"] == "1" or rows[0]["role"] == "baseline"
    page = (fitted.folder / "report.html").read_text(encoding="utf-8")
    assert "images" not in page.split("<main")[0]
    assert "touched once at the end" in page
    told = history.note("importance") or {}
    if told["columns"]:  # a busy machine may leave no time for it
        rows = list(csv.DictReader((best.path / "importance.csv").open(encoding="utf-8")))
        assert [(r["column"], r["rows"]) for r in rows] == [(c[0], told["part"]) for c in told["columns"]]
        assert "Which columns the answers hang on" in page
    card = (best.path / "README.md").read_text(encoding="utf-8")
    assert "one of 3 classes" in card
    for text in (card, page):
        assert ("some 500" in text) == best.metrics["packed"]


def test_rows_alone_and_together_get_the_same_answer(fitted: Result, tmp_path: Path) -> None:
    cells = messy("multiclass", 20, seed=5)
    del cells["y"]
    cells["colour"][0], cells["a"][1], cells["when"][2], cells["said"][3] = "mauve", "", "no date", ""
    file = write(tmp_path / "new.csv", cells)
    model = TablePredictor.open(fitted.folder)
    whole = model.answers(file)
    assert whole.shape == (20, 3)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    for i in range(20):
        alone = model.answers({name: [column[i]] for name, column in cells.items()})
        assert np.abs(alone[0] - whole[i]).max() < 1e-6
    import pandas as pd

    frame = pd.DataFrame(cells)
    frame["b"] = frame["b"].astype(float)
    assert np.abs(model.answers(frame) - whole).max() < 1e-6, "few rows are read cell by cell"
    assert np.abs(model.answers(pd.concat([frame] * 5))[:20] - whole).max() < 1e-6, "many by column"
    assert np.abs(model.answers(frame.iloc[3:4])[0] - whole[3]).max() < 1e-6
    assert model.answers(frame.iloc[:0]).shape == (0, 3)
    turned = model.answers({name: cells[name] for name in reversed(cells)})
    assert np.array_equal(turned, whole), "columns are found by name"
    assert fitted.predict(file) == [fitted.classes[k] for k in whole.argmax(1)]
    with pytest.raises(DataError, match="1 column missing: colour"):
        model.answers({name: column for name, column in cells.items() if name != "colour"})


def test_the_file_alone_takes_strings_and_gives_probabilities(fitted: Result, tmp_path: Path) -> None:
    """Without seedleaf: ONNX Runtime, numpy and what stands in the file itself."""
    import json

    import onnxruntime

    cells = messy("multiclass", 30, seed=6)
    model = onnxruntime.InferenceSession(fitted.best.path / "model.onnx")
    told = model.get_modelmeta().custom_metadata_map
    columns = json.loads(told["seedleaf.columns"])
    assert columns == json.loads((fitted.best.path / "config.json").read_text())["cells"]
    assert [i.name for i in model.get_inputs()] == ["cells"]
    rows = np.array([[cells[name][i] for name in columns] for i in range(30)], dtype=object)
    rows[3, columns.index("colour")] = " red"  # as files with blanks behind commas have it
    answer = model.run(None, {"cells": rows})[0]
    del cells["y"]
    cells["colour"][3] = "red"
    assert np.array_equal(answer, fitted.predictor.answers(write(tmp_path / "new.csv", cells)))
    assert tuple(json.loads(told["seedleaf.classes"])) == fitted.classes
    assert "onnxruntime.InferenceSession" in (fitted.best.path / "README.md").read_text(encoding="utf-8")


def test_predict_needs_onnx_runtime_and_numpy_alone(fitted: Result, tmp_path: Path) -> None:
    file = write(tmp_path / "new.csv", messy("multiclass", 7, seed=5))
    script = (
        "import sys\nfrom seedleaf.cli import main\n"
        f"sys.argv = ['seedleaf', 'predict', {str(fitted.folder)!r}, {str(file)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = ('torch', 'sklearn', 'pandas', 'scipy', 'sqlalchemy', 'onnx')\n"
        "print(*[m for m in heavy if m in sys.modules], file=sys.stderr)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
    assert done.stderr.strip() == ""
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [r["row"] for r in rows] == [str(i + 1) for i in range(7)]
    assert {r["y"] for r in rows} <= {"low", "mid", "high"}
    assert all(abs(sum(float(v) for k, v in r.items() if k.startswith("p(")) - 1) < 1e-3 for r in rows)


def test_the_command_line_shows_and_exports_it(fitted: Result, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["export", str(fitted.folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "model.onnx").exists()
    from seedleaf.summary import as_lines

    lines = "\n".join(as_lines(fitted))
    assert "valid logloss" in lines
    assert "ms a row" in lines


def test_a_regression_in_a_frame_all_of_which_is_trained_on_beats_the_mean(tmp_path: Path) -> None:
    import pandas as pd

    from seedleaf.summary import as_lines

    frame = pd.DataFrame(messy("regression", 250))
    asked: dict[str, Any] = {"target": "y", "test": "none", "folds": 2, "workers": 1}
    result = seedleaf.fit(frame, time_limit="15s", out=tmp_path / "run", **asked)
    spec = (result.history.note("data") or {})["spec"]
    assert (spec["n_train"], spec["n_test"]) == (250, 0)
    assert result.best.metrics["test"] == {"n": 0}
    reached, mean = result.best.metrics["cross_validated"]["rmse"], result.history.note("baseline") or {}
    assert reached < 0.8 * mean["rmse"]
    folds = result.best.metrics["folds"]
    part = "" if folds["judged"] == folds["of"] == 2 else "after 1 of 2 folds"  # where the machine is busy
    said = f"{part}; " if part else ""
    assert f"folds   rmse {reached:.4g} ({said}no test rows)" in "\n".join(as_lines(result))
    assert "none for a test" in (result.folder / "report.html").read_text(encoding="utf-8")
    said = f", {part}" if part else ""
    assert f"cross-validated rmse{said} | {reached:.4g} |" in (result.best.path / "README.md").read_text()
    assert np.asarray(result.predict(frame)).shape == (250,)
    with pytest.raises(DataError, match="has no probabilities"):
        result.predict_proba(frame)


@pytest.mark.parametrize("kind", ["frame", "columns", "file"])
def test_test_rows_may_come_as_data_does(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed over in memory is read once, and a run that has it mapped goes on."""
    from seedleaf.core import History
    from seedleaf.job import Job
    from seedleaf.run import prepare_data

    taken: list[Any] = []
    monkeypatch.setattr("seedleaf.api.begin", lambda new, *rest: taken.extend(rest[:2]))
    cells, file = messy("binary", 30, seed=4), tmp_path / "test.csv"
    test = {"frame": pd.DataFrame(cells), "columns": cells, "file": write(file, cells)}[kind]
    data: Any = write(tmp_path / "data.csv", messy("binary", 80))
    for each in (data, pd.DataFrame(messy("binary", 80))):
        taken.clear()
        seedleaf.fit(each, test=test, target="y", out=tmp_path / f"run-{each is data}")
        folder, [job, source] = tmp_path / f"run-{each is data}", taken
        folder.mkdir(exist_ok=True)
        job.save(folder)
        kept = Job.load(folder)
        spec = prepare_data(folder, kept, source, History())
        assert (spec.schema.n_train, spec.schema.n_test) == (80, 30)
        assert prepare_data(folder, kept, kept.data, History()) == spec
    (folder / "cache" / "spec.json").unlink()
    with pytest.raises(RunError, match="was fitted on arrays, which are gone"):
        prepare_data(folder, kept, kept.data, History())
    folder = tmp_path / "run-True"
    (folder / "cache" / "spec.json").unlink()
    if kind == "file":
        assert prepare_data(folder, Job.load(folder), str(data), History()).schema.n_test == 30
        return
    with pytest.raises(RunError, match="was tested on arrays, which are gone"):
        prepare_data(folder, Job.load(folder), str(data), History())


def test_test_rows_that_are_no_table_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "data.csv", messy("binary", 60))
    with pytest.raises(DataError, match="a table is a file or a pandas DataFrame, not list"):
        seedleaf.fit(file, test=[1, 2], out=tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()
    with pytest.raises(StudyError, match="test: for tables only"):
        seedleaf.fit("digits", test=pd.DataFrame({"x": [1]}))


def test_in_the_order_of_time_no_model_of_old_rows_alone_is_delivered(tmp_path: Path) -> None:
    """The target goes up all the time; a mean over the folds' models would be a mean over the years."""
    rng = np.random.default_rng(0)
    t = np.arange(900)
    x = rng.normal(size=900)
    day = (pd.Timestamp("2021-01-01") + pd.to_timedelta(t // 2, "D")).strftime("%Y-%m-%d")
    frame = pd.DataFrame(
        {"t": day, "x": x.round(4), "y": (t / 150 + x + 0.1 * rng.normal(size=900)).round(4)}
    )
    result = seedleaf.fit(
        frame,
        target="y",
        order_by="t",
        time_limit="14s",
        workers=1,
        families="boosting",
        out=tmp_path / "run",
    )
    final = result.history.note("final") or {}
    assert final["models"] == len(final["members"])
    assert final["test"]["rmse"] < 2.0, "the folds' models together were off by more than three"


def test_a_tie_is_told_wherever_the_winner_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `blend` calls a tie is left to its own tests: here there is one, whoever leads."""
    ask = table_finish.call_all
    delivered: list[str] = []
    passed: list[int] = []

    def tied(run: Any, calls: Any, *rest: Any, **named: Any) -> Any:
        answers = ask(run, calls, *rest, **named)
        if "blend" in calls:
            plainness = calls["blend"][1]["plainness"]
            plain = plainness.index(min(plainness))
            others = [i for i in range(len(plainness)) if i != plain]
            weights = [float(i == plain) for i in range(len(plainness))]
            tie = {"lead": 0.0123, "se": 0.0456, "members": others[:2]}
            answers["blend"] = replace(
                answers["blend"], value={**answers["blend"].value, "weights": weights, "tied": tie}
            )
            passed.extend(int(Path(calls["blend"][1]["folders"][i]).name) for i in others[:2])
            delivered.append(Path(calls["blend"][1]["folders"][plain]).name)
        return answers

    monkeypatch.setattr(table_finish, "call_all", tied)
    data = write(tmp_path / "data.csv", messy("regression", 200))
    result = seedleaf.fit(data, time_limit="16s", folds=2, workers=1, out=tmp_path / "run")
    final, verdict = (result.history.note(name) or {} for name in ("final", "verdict"))
    assert [f"{final['trial']:04d}"] == delivered
    assert verdict["plainer"] == final["trial"]
    said = f"(trial {final['trial']}) is delivered, the plainer model: "
    chance = "led by 0.012 ± 0.046 in squared error on the folds, which 160 rows do not tell from chance"
    assert said in verdict["text"]
    assert passed
    assert all(f"(trial {k})" in verdict["text"].partition(said)[2] for k in passed)
    assert verdict["text"].endswith(chance)
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert html.escape(said) in page
    assert "winner: the plainer model of a tie" in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tradeoff": "macs"}, "tradeoff means nothing to tables: .* give --max-bytes or --max-latency"),
        ({"tradeoff": "latency"}, "tradeoff means nothing to tables: .* give --max-bytes or --max-latency"),
        ({"preset": "best"}, "preset means nothing to tables: .*--time"),
        ({"fidelity": "size"}, "fidelity means nothing to tables: .*--folds"),
        ({"inherit": True}, "inherit means nothing to tables"),
        ({"side": 32}, "side means nothing to tables: it is for folders of pictures"),
        ({"tradeoff": "speed"}, "no tradeoff is called 'speed'"),
        ({"max_macs": "1k"}, "a limit on macs is for images; tables know --max-bytes, --max-latency"),
    ],
)
def test_what_would_be_ignored_of_a_table_is_refused(
    asked: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "data.csv", messy("binary", 60))
    with pytest.raises(StudyError, match=said):
        seedleaf.fit(file, out=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
    [(name, value)] = asked.items()
    option = [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    done = CliRunner().invoke(app, ["fit", str(file), "--out", str(tmp_path / "run"), *option])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said[:20] in done.stderr


def test_a_run_that_was_begun_with_what_is_ignored_goes_on() -> None:
    from seedleaf.job import Job
    from seedleaf.modality import check_job, check_new

    old = Job("data.csv", 60.0, kind="tables", preset="best", tradeoff="macs")
    check_job(old)
    with pytest.raises(StudyError, match="preset means nothing"):
        check_new(old)
    with pytest.raises(StudyError, match=r"learner means nothing to tables: .*--families"):
        check_new(Job("data.csv", 60.0, kind="tables", learner="timm:resnet10t"))
    with pytest.raises(StudyError, match="tables know no option 'colour'; there are: target, test"):
        check_job(replace(old, options={"colour": "red"}))


def test_what_cannot_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = write(tmp_path / "data.csv", messy("binary", 60))
    with pytest.raises(StudyError, match="a limit on params is for images"):
        seedleaf.fit(file, max_params=100)
    with pytest.raises(StudyError, match="folds must be 2 to 20, got 1"):
        seedleaf.fit(file, folds=1)
    with pytest.raises(StudyError, match="target: for tables only"):
        seedleaf.fit("digits", target="y")
    with pytest.raises(DataError, match="none does not exist"):  # a path, not the word
        seedleaf.fit(file, test=Path("none"), out=tmp_path / "run", workers=1)
    for wrong, said in (
        ({"target": "z"}, "no column 'z'"),
        ({"metric": "rmse"}, "no metric for binary"),
        ({"positive": "z"}, "no class 'z'; there are: "),
    ):
        with pytest.raises((DataError, StudyError), match=said):
            seedleaf.fit(file, out=tmp_path / "run", workers=1, **wrong)  # type: ignore[arg-type]
        assert not (tmp_path / "run" / "study.db").exists() or not list((tmp_path / "run").glob("best"))
