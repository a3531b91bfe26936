"""One run that everything happens to: a full disk, Ctrl-C, and kill -9 in the search, the refit and the export.

The run is told once, in the fixture `story`; each test looks at one side of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runs import Finished, children, draw_folder, lives, log_of, seedleaf
from seedleaf.cli import app
from seedleaf.core import Event, History
from seedleaf.errors import RunError, SeedleafError
from seedleaf.predicting.images import Predictor
from seedleaf.result import Result
from seedleaf.run import ARRAYS, read_history, used_seconds
from seedleaf.run import resume as resume_run

FOREVER = 120.0
TIME = "60s"


@dataclass
class Cut:
    """What was there when a session was cut off."""

    code: int
    stderr: str
    events: list[Event]
    workers_left: list[int]
    report: str


@dataclass
class Story:
    folder: Path
    data: Path
    cuts: dict[str, Cut] = field(default_factory=dict)
    end: subprocess.CompletedProcess[str] | None = None


def until(what: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    end = time.monotonic() + FOREVER
    while not what():
        assert driver.poll() is None, f"the driver ended by itself: {driver.communicate()}"
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.05)


def heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def session(
    story: Story,
    name: str,
    arguments: list[object],
    when: Callable[[list[Event]], bool],
    how: Callable[[int], None],
) -> None:
    """Start the command, wait until `when` holds of the events that it wrote itself, do `how` to it, keep what is left."""
    known = len(log_of(story.folder))
    driver = subprocess.Popen(
        seedleaf(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Where the tests run in the background of a shell, Ctrl-C is ignored and would be by the driver as well.
        preexec_fn=heed_ctrl_c,
    )
    until(lambda: when(log_of(story.folder)[known:]), driver)
    page = CliRunner().invoke(
        app, ["report", str(story.folder), "--out", str(story.data.parent / "live.html")]
    )
    workers = children(driver.pid)
    assert workers
    how(driver.pid)
    _, said = driver.communicate(timeout=FOREVER)
    end = time.monotonic() + 20
    while any(map(lives, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [pid for pid in workers if lives(pid)]
    story.cuts[name] = Cut(driver.returncode, said, log_of(story.folder), left, page.output)


def measured(count: int) -> Callable[[list[Event]], bool]:
    return lambda events: sum(e.kind == "measure" for e in events) >= count


def noted(name: str) -> Callable[[list[Event]], bool]:
    return lambda events: any(e.kind == "note" and e.body.get("name") == name for e in events)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    os.kill(pid, signal.SIGINT)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A folder of 12 MB where the system lets us mount one, else an ordinary one."""
    folder = tmp_path_factory.mktemp("disk")
    options = ["-t", "tmpfs", "-o", "size=12m", "none", str(folder)]
    mounted = (
        subprocess.run(["mount", *options], capture_output=True).returncode == 0
        if shutil.which("mount")
        else False
    )
    yield folder, mounted
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, small_disk: tuple[Path, bool]) -> Story:
    disk, small = small_disk
    data = draw_folder(tmp_path_factory.mktemp("data") / "pictures")
    told = Story(disk / "a run", data)
    resume: list[object] = ["resume", told.folder]
    start: list[object] = ["fit", data, "--time", TIME, "--max-params", "6k", "--out", told.folder]
    start += ["--fidelity", "data"]  # 12 pixels are too few to be shrunk

    def fill(_: int) -> None:
        with (disk / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096):
                    pass
            except OSError:
                pass

    if small:
        session(told, "full disk", start, measured(3), fill)
        (disk / "filler").unlink()
    session(told, "interrupted", [*resume, "--time", "10m"] if small else start, measured(3), interrupt)
    session(told, "killed in the search", [*resume, "--time", "10m"], measured(3), kill)
    # The rest need not take long: from here on the run has 20 s more than it has used.
    resume += ["--time", f"{used_seconds(read_history(told.folder)) + 20:.0f}s"]
    refit = told.folder / "refit"
    in_refit = noted("refitting")
    session(told, "killed in the refit", resume, lambda e: in_refit(e) and any(refit.glob("*/*.pt")), kill)
    session(told, "killed in the export", resume, noted("refit"), kill)
    told.end = subprocess.run(
        seedleaf(*resume, "--json"), capture_output=True, text=True, encoding="utf-8", timeout=FOREVER
    )
    return told


def key(event: Event) -> tuple[int, str, str]:
    return event.seq, event.kind, json.dumps(event.body, sort_keys=True)


def test_it_ends_well(story: Story) -> None:
    assert story.end is not None
    assert story.end.returncode == 0, story.end.stderr
    assert story.end.stderr == ""
    body = json.loads(story.end.stdout)
    assert body["metrics"]["params"] <= 6000
    result = Result.open(story.folder)
    assert (
        result.best.metrics["test"]["accuracy"] > 0.4
    )  # a third by chance; seconds of training on a busy machine
    assert result.predict_proba(draw_array(story)).shape == (1, 3)
    assert sorted(p.name for p in story.folder.iterdir() if p.name != "front") == [  # if there was time for one
        "best", "leaderboard.csv", "report.html", "run.json", "study.db", "trials", "workers",
    ]  # fmt: skip


def draw_array(story: Story) -> Any:
    import numpy as np

    return np.zeros((1, *Predictor.open(story.folder).shape), np.uint8)


def test_nothing_measured_is_ever_lost(story: Story) -> None:
    final = [key(e) for e in log_of(story.folder)]
    assert len(story.cuts) >= 4
    for name, cut in story.cuts.items():
        assert final[: len(cut.events)] == [key(e) for e in cut.events], name


def test_trials_go_on_from_the_step_they_had(story: Story) -> None:
    history = read_history(story.folder)
    for trial in history.trials.values():
        assert [m.step for m in trial.measurements] == list(range(1, trial.step + 1))
    cut_off = [
        t
        for cut in story.cuts.values()
        for t in History.fold(cut.events).trials.values()
        if t.step < t.budget
    ]
    assert any(history.trials[t.id].step > t.step > 0 for t in cut_off)
    assert not history.running()


def test_what_steps_are_spent_on_stands_in_the_log_and_the_report(story: Story) -> None:
    history = read_history(story.folder)
    plan = history.note("plan") or {}
    assert plan["axis"] == "data"
    assert history.header["fidelity"]["name"] == "step"
    assert (history.note("run") or {})["fidelity"] == "data"
    assert plan["third_seconds"][0] < 0.6 * plan["third_seconds"][2], (
        "a quarter of the images, in whole batches"
    )
    page = (story.folder / "report.html").read_text(encoding="utf-8")
    assert "data: a quarter of the images, then half, then all" in page


def test_no_session_leaves_a_worker_behind(story: Story) -> None:
    assert {name: cut.workers_left for name, cut in story.cuts.items()} == {name: [] for name in story.cuts}


def test_a_report_of_a_run_that_is_going_on_can_be_written_in_every_phase(story: Story) -> None:
    for cut in story.cuts.values():
        assert cut.report.strip().endswith("live.html"), cut.report


def test_a_full_disk_is_one_line_and_can_be_mended(story: Story) -> None:
    if "full disk" not in story.cuts:
        pytest.skip("no small disk could be mounted here; see test_run.py for what stands in for it")
    cut = story.cuts["full disk"]
    assert cut.code == 2
    assert len(cut.stderr.splitlines()) == 1, cut.stderr
    assert "full" in cut.stderr
    assert "seedleaf resume" in cut.stderr
    assert not any(e.kind == "fail" for e in cut.events), "no trial is to blame for the disk"


def test_ctrl_c_is_one_line_and_exit_130(story: Story) -> None:
    cut = story.cuts["interrupted"]
    assert cut.code == 130
    assert cut.stderr.splitlines() == [
        f"seedleaf: interrupted; everything measured is kept; go on with: seedleaf resume '{story.folder}'"
    ]


def test_a_killed_refit_is_taken_up_and_not_begun_anew(story: Story) -> None:
    before = story.cuts["killed in the refit"].events[-1].body
    notes = [n for n in read_history(story.folder).notes if n["name"] == "refitting"]
    assert before["name"] == "refitting"
    same = [n for n in notes if n["trial"] == before["trial"]]
    assert len(same) >= 2
    assert all(n["steps"] >= before["steps"] for n in same)


def test_time_that_was_used_counts(story: Story) -> None:
    sessions = [n for n in read_history(story.folder).notes if n["name"] == "session"]
    used = [n["used"] for n in sessions]
    assert len(sessions) == len(story.cuts) + 1
    assert used[0] == 0
    assert used == sorted(used)
    assert used[-1] > 10


# --- what resume is asked for besides ---


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


def refusal(run: Path, **options: Any) -> str:
    with pytest.raises(SeedleafError) as caught:
        resume_run(run, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_finished_run_is_handed_back_at_once(copy: Path) -> None:
    before = [key(e) for e in log_of(copy)]
    assert resume_run(copy).best.metrics == resume_run(copy, time_limit=25.0).best.metrics
    assert [key(e) for e in log_of(copy)] == before


def steps_of(result: Result) -> int:
    return sum(len(t.measurements) for t in result.history.trials.values())


def test_a_finished_run_goes_on_with_more_time(copy: Path) -> None:
    before = Result.open(copy)
    after = resume_run(copy, time_limit=60.0)
    assert steps_of(after) > steps_of(before)
    assert [n["name"] for n in after.history.notes].count("done") == 2
    assert after.history.note("session")["used"] > 10  # type: ignore[index]  # what the first session took
    assert json.loads((copy / "run.json").read_text())["time_limit"] == 60.0
    assert after.best.metrics["params"] <= 6000


def test_images_that_have_changed_since_are_refused(copy: Path, finished: Finished, tmp_path: Path) -> None:
    data = Path(shutil.copytree(finished.data, tmp_path / "data"))
    picture = next(data.rglob("000.png"))
    shutil.copy2(data / picture.parent.name / "001.png", picture)
    job = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**job, "data": str(data)}))
    assert "the images have changed" in refusal(copy, time_limit=50.0)
    shutil.rmtree(data)
    assert str(data) in refusal(copy, time_limit=50.0)


def test_a_run_on_arrays_that_are_gone_is_refused(copy: Path) -> None:
    job = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**job, "data": ARRAYS}))
    assert "was fitted on arrays, which are gone" in refusal(copy, time_limit=50.0)


def test_two_drivers_never_work_in_one_folder(copy: Path) -> None:
    lock = os.open(copy, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert "is being worked on by another process" in refusal(copy, time_limit=50.0)
    finally:
        os.close(lock)
    assert resume_run(copy).folder == copy


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"data": "digits"}', '{"data": "x", "time_limit": "soon", "workers": 1}',
             '{"data": "x", "time_limit": 60, "workers": 1, "limits": 5}', "\x00\x01"],
)  # fmt: skip
def test_a_broken_run_json_is_one_clear_error(copy: Path, text: str) -> None:
    (copy / "run.json").write_text(text)
    assert "run.json cannot be read" in refusal(copy)


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    assert "is not a run's folder: it holds no run.json" in refusal(tmp_path)
    assert "is not a run's folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("left", [0, 100, 5000, 12_000])
def test_a_log_that_was_cut_short_is_one_clear_error(copy: Path, left: int) -> None:
    log = copy / "study.db"
    log.write_bytes(log.read_bytes()[:left])
    assert "study.db" in refusal(copy)
    if left:
        with pytest.raises(SeedleafError, match=r"study\.db"):
            read_history(copy)


def test_a_log_of_garbage_is_one_clear_error(copy: Path) -> None:
    (copy / "study.db").write_bytes(b"this was never a database" * 100)
    assert "study.db" in refusal(copy)
    with pytest.raises(SeedleafError, match=r"study\.db"):
        Result.open(copy)


def test_a_run_that_was_killed_before_its_metrics_were_there_has_delivered_nothing(copy: Path) -> None:
    (copy / "best/metrics.json").unlink()
    with pytest.raises(RunError, match=r"metrics\.json is missing: seedleaf resume"):
        Result.open(copy)


@pytest.mark.parametrize("name", ["model.onnx", "config.json", "metrics.json"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_done_run_whose_model_was_spoilt_says_how_it_is_made_anew(copy: Path, name: str, how: str) -> None:
    part = copy / "best" / name
    if how == "gone":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    before = [key(e) for e in log_of(copy)]
    said = refusal(copy)
    assert name in said
    assert "is done, but what it delivered is not whole any more" in said
    assert re.search(r"with more time it is made anew: seedleaf resume \S.* --time 45s$", said)
    assert said.count("seedleaf resume") == 1
    assert [key(e) for e in log_of(copy)] == before, "nothing was begun"


def test_a_model_that_was_spoilt_is_made_anew_with_more_time(copy: Path) -> None:
    (copy / "best/model.onnx").unlink()
    (copy / "best/config.json").write_text("{")
    again = resume_run(copy, time_limit=45.0)
    assert again.predictor.shape == (12, 12, 3)
