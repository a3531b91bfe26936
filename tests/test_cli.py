"""The command line: what it prints, what it answers to mistakes, and what it leaves behind."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from runs import CLASSES, SECONDS, Finished, draw, draw_folder, seedleaf
from seedleaf import __version__
from seedleaf.cli import app
from seedleaf.predicting.images import Predictor


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land under the working directory."""
    monkeypatch.chdir(tmp_path)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def complaint(result: Result) -> str:
    """The one line of a refusal."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("seedleaf: ")
    assert isinstance(result.exception, SystemExit)
    return lines[0]


# --- help ---


def test_help_names_the_verbs_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from seedleaf.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'sklearn', 'sqlalchemy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for verb in ("fit", "resume", "predict", "report", "export"):
        assert f"  {verb} " in out
    assert out.splitlines()[-1] == "[]"


def test_version_and_no_verb() -> None:
    assert call("--version").stdout == f"seedleaf {__version__}\n"
    assert "Usage" in call("fit", "--help").stdout
    nothing = call()
    assert "Usage" in nothing.output
    assert nothing.exit_code in (0, 2)


# --- a whole run ---


def test_a_run_prints_at_most_25_lines_and_ends_with_what_to_do_next(finished: Finished) -> None:
    lines = finished.stdout.splitlines()
    assert len(lines) <= 25
    assert finished.stderr == ""
    assert lines[-1].strip().startswith("next")
    assert "seedleaf predict" in lines[-1]
    assert "144 training and 36 test images, 12×12 colour, 3 classes" in finished.stdout
    assert "baseline" in finished.stdout


def test_a_run_keeps_its_time(finished: Finished) -> None:
    """Generously, as the machine may be busy: the benchmark holds the 105 %."""
    assert finished.seconds < 4 * SECONDS


def test_a_runs_folder_holds_what_it_should_and_no_more(finished: Finished) -> None:
    # A busy machine may leave no time for a front.
    assert sorted(p.name for p in finished.folder.iterdir() if p.name != "front") == [
        "best", "leaderboard.csv", "report.html", "run.json", "study.db", "trials", "workers",
    ]  # fmt: skip
    assert sorted(p.name for p in (finished.folder / "best").iterdir()) == [
        "README.md", "config.json", "metrics.json", "model.onnx", "weights.pt",
    ]  # fmt: skip
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert CLASSES[0] in page


def test_json_is_all_that_is_printed(finished: Finished) -> None:
    result = call("resume", finished.folder, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    body = json.loads(result.stdout)
    assert len(result.stdout.splitlines()) == 1
    assert body["run"] == str(finished.folder)
    assert Path(body["model"]).is_file()
    assert body["metrics"]["params"] <= 6000
    assert body["metrics"]["test"]["n"] == 36
    assert sum(body["trials"].values()) >= 1


def test_an_error_is_json_as_well() -> None:
    result = call("resume", "nowhere", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["kind"] == "RunError"
    assert len(result.stderr.splitlines()) == 1


# --- mistakes ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time", "soon"], "'soon' is not a time; write it as 90s, 10m, 1h30m"),
        (["--time", "-5s"], "'-5s' is not a time"),
        (["--time", "0"], "a time must be positive"),
        (["--time", ""], "a time must be positive, got ''"),
        (["--time", "8.9"], "--time 8.9s is too short; give at least 9s"),
        (["--time", "2s"], "--time 2s is too short; give at least"),
        (["--max-params", "-5"], "a limit must be at least 1, got '-5'"),
        (["--max-params", "lots"], "'lots' is not a number; write it as 20000, 20k or 5M"),
        (["--max-macs", "0"], "a limit must be at least 1"),
        (["--workers", "0"], "workers must be a whole number of at least 1, got 0"),
        (["--workers", "-2"], "workers must be a whole number of at least 1, got -2"),
        (["--seed", "-1"], "the seed must be 0 or more, got -1"),
        (["--preset", "fast"], "no preset is called 'fast'; there are: quick, good, best"),
        (["--sampler", "oracle"], "no sampler is called 'oracle'; there are: auto, "),
        (["--scheduler", "cron"], "no scheduler is called 'cron'; there are: auto, "),
    ],
)
def test_a_mistake_in_an_option_is_one_line_and_leaves_nothing(options: list[str], said: str) -> None:
    assert said in complaint(call("fit", "digits", *options))
    assert list(Path().iterdir()) == []


def test_options_of_another_type_are_explained() -> None:
    result = call("fit", "digits", "--workers", "many")
    assert result.exit_code == 2
    assert "--workers" in result.stderr
    assert "int" in result.stderr
    assert "Traceback" not in result.output
    assert call("grow").exit_code == 2
    assert call("fit").exit_code == 2


def spoilt(kind: str) -> Path:
    folder = Path(kind)
    if kind == "empty":
        folder.mkdir()
    elif kind == "one class":
        draw_folder(folder, each=4)
        for name in CLASSES[1:]:
            shutil.rmtree(folder / name)
    elif kind == "text":
        folder.write_text("nothing to see")
    return folder


@pytest.mark.parametrize(
    ("kind", "said"),
    [("missing", "missing"), ("empty", "empty"), ("one class", "one class"), ("text", "text")],
)
def test_data_that_cannot_be_used_is_one_line_that_names_it_and_leaves_no_run(kind: str, said: str) -> None:
    data = spoilt(kind)
    assert said in complaint(call("fit", data, "--workers", "1"))
    assert not Path("runs").exists() or list(Path("runs").iterdir()) == []


def test_limits_that_nothing_keeps_are_one_line_and_out_can_be_used_again() -> None:
    line = complaint(call("fit", "digits", "--max-params", "10", "--out", "mine", "--workers", "1"))
    assert "10" in line
    assert "params" in line
    assert not Path("mine").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_nothing_is_overwritten(kind: str) -> None:
    if kind == "folder":
        Path("mine").mkdir()
        Path("mine/precious.txt").write_text("keep me")
    else:
        Path("mine").write_text("keep me")
    assert "mine exists already: runs never overwrite; choose another --out" in complaint(
        call("fit", "digits", "--out", "mine")
    )
    kept = Path("mine/precious.txt") if kind == "folder" else Path("mine")
    assert kept.read_text() == "keep me"


@pytest.mark.parametrize(
    "arguments", [["resume"], ["report"], ["export"], ["predict", "x.png"]], ids=lambda a: str(a[0])
)
def test_what_is_no_run_is_said_to_be_none(arguments: list[str]) -> None:
    verb, *rest = arguments
    Path("bare").mkdir()
    Path("file").write_text("")
    for name in ("nowhere", "bare", "file"):
        assert name in complaint(call(verb, name, *rest))


def test_a_folder_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "runs")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert complaint(call("fit", "digits")) == "seedleaf: runs: Permission denied"


# --- predict ---


def predictions(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return {row["input"]: row["predicted"] for row in csv.DictReader(result.stdout.splitlines())}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """One picture in every mode, two that are none, one in a subfolder."""
    folder = tmp_path / "älbum"
    (folder / "子").mkdir(parents=True)
    image = Image.fromarray(draw(2, 5))
    image.save(folder / "rgb.png")
    image.convert("RGBA").save(folder / "rgba.png")
    image.convert("L").save(folder / "grey.png")
    image.convert("P").save(folder / "palette.png")
    image.resize((30, 20)).save(folder / "子" / "larger.jpg")
    wide = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(wide).save(folder / "deep.png")
    (folder / "cut.png").write_bytes((folder / "rgb.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_predict_reads_every_mode_and_names_what_it_skips(finished: Finished, album: Path) -> None:
    result = call("predict", finished.folder, album)
    told = predictions(result)
    assert sorted(told) == ["deep.png", "grey.png", "palette.png", "rgb.png", "rgba.png", "子/larger.jpg"]
    assert set(told.values()) <= set(CLASSES)
    assert told["rgb.png"] == told["rgba.png"]
    assert told["grey.png"] == told["deep.png"]
    assert "cut.png" in result.stderr
    assert "Traceback" not in result.stderr


def test_predict_gives_the_same_for_a_file_a_folder_and_an_array(finished: Finished, tmp_path: Path) -> None:
    folder = finished.data / CLASSES[0]
    by_folder = predictions(call("predict", finished.folder, folder))
    files = sorted(by_folder)[:3]
    stacked = np.stack([np.asarray(Image.open(folder / name)) for name in files])
    np.savez(tmp_path / "x.npz", x=stacked)
    np.save(tmp_path / "x.npy", stacked)
    by_array = predictions(call("predict", finished.folder, tmp_path / "x.npz"))
    assert [by_folder[name] for name in files] == list(by_array.values())
    assert predictions(call("predict", finished.folder, tmp_path / "x.npy")) == by_array
    alone = predictions(call("predict", finished.folder, folder / files[0]))
    assert alone == {files[0]: by_folder[files[0]]}


def test_predict_scales_as_training_did(finished: Finished, tmp_path: Path) -> None:
    best = Path(shutil.copytree(finished.folder / "best", tmp_path / "best"))
    body = json.loads((best / "config.json").read_text(encoding="utf-8"))
    body["scale"] = {"whole": 65535, "decimal": None}
    (best / "config.json").write_text(json.dumps(body), encoding="utf-8")
    dark = np.stack([draw(k, 1) for k in range(3)]).astype(np.uint16)  # up to 255 of 65,535
    np.savez(tmp_path / "x.npz", x_train=dark, y_train=np.arange(3))
    np.save(tmp_path / "x.npy", np.rint(dark / 257).astype(np.uint8))
    result = call("predict", best, tmp_path / "x.npz")
    assert result.stdout == call("predict", best, tmp_path / "x.npy").stdout
    assert predictions(result)
    assert "The array x_train of" in result.stderr
    assert "Values reach only" in result.stderr


def test_predict_has_learned_something(finished: Finished) -> None:
    right = 0
    for name in CLASSES:
        told = predictions(call("predict", finished.folder, finished.data / name))
        right += sum(answer == name for answer in told.values())
    assert right / 180 > 0.6  # a third by chance


def test_predict_writes_a_csv_where_it_is_told_to(finished: Finished, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "preds.csv"
    result = call("predict", finished.folder, album, "--out", out)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "6 predictions in" in result.stderr
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == ["input", "predicted", "probability", *(f"p({c})" for c in CLASSES)]
    for row in rows:
        shares = [float(row[f"p({c})"]) for c in CLASSES]
        assert sum(shares) == pytest.approx(1, abs=0.001)
        assert row["predicted"] == CLASSES[int(np.argmax(shares))]


@pytest.mark.parametrize("kind", ["missing.png", "cut.png", "wrong.npy", "empty"])
def test_predict_on_what_it_cannot_use_is_one_line(
    finished: Finished, album: Path, tmp_path: Path, kind: str
) -> None:
    np.save(album / "wrong.npy", np.zeros((2, 5, 5), np.uint8))
    (album / "empty").mkdir()
    assert kind in complaint(call("predict", finished.folder, album / kind))


def test_predict_imports_neither_torch_nor_pandas(finished: Finished, album: Path) -> None:
    code = (
        "import sys; from seedleaf.cli import app\n"
        f"app(['predict', {str(finished.folder)!r}, {str(album / 'rgb.png')!r}], standalone_mode=False)\n"
        "print(sorted({'torch', 'pandas', 'sklearn', 'sqlalchemy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_predict_into_a_pipe_that_closes_says_nothing(finished: Finished) -> None:
    many = subprocess.Popen(
        seedleaf("predict", finished.folder, finished.data), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert many.stdout is not None
    assert many.stderr is not None
    many.stdout.close()
    assert b"Traceback" not in many.stderr.read()
    many.stderr.close()
    many.wait()


def test_a_model_that_was_spoilt_is_one_line(finished: Finished, album: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    model = copy / "best/model.onnx"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    assert "model.onnx is not a model" in complaint(call("predict", copy, album))
    assert "model.onnx is not a model" in complaint(call("export", copy))
    (copy / "best/config.json").write_text("{")
    shutil.copy2(finished.folder / "best/model.onnx", model)
    assert "config.json cannot be read" in complaint(call("predict", copy, album))


# --- report and export ---


def test_report_is_written_anew_wherever_it_is_wanted(finished: Finished, tmp_path: Path) -> None:
    result = call("report", finished.folder, "--out", tmp_path / "page.html")
    assert result.exit_code == 0
    assert result.stdout.strip() == str(tmp_path / "page.html")
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_export_copies_a_model_that_works_alone(finished: Finished, tmp_path: Path) -> None:
    result = call("export", finished.folder, "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4
    model = Predictor.open(tmp_path / "model")
    assert model.classes == CLASSES
    assert "exists already" in complaint(call("export", finished.folder, "--out", tmp_path / "model"))


def test_looking_at_a_run_takes_little_time_and_changes_nothing(finished: Finished) -> None:
    def listing() -> list[tuple[str, int]]:
        return sorted((str(p), p.stat().st_size) for p in finished.folder.rglob("*") if p.is_file())

    before, begun = listing(), time.monotonic()
    assert call("resume", finished.folder).exit_code == 0
    assert call("export", finished.folder).exit_code == 0
    assert time.monotonic() - begun < 60
    assert listing() == before, "not even a write-ahead log stays"
