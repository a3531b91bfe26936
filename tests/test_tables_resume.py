"""A run on a table that is killed: its driver, then a worker of the session that goes on, in a space from before."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from messy import messy
from runs import children, lives, log_of, seedleaf
from seedleaf.core import Event
from seedleaf.errors import RunError, SpaceError
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import begun_with, brought_up, ladder, space_of
from seedleaf.result import Result
from seedleaf.run import read_history, used_seconds
from seedleaf.run import resume as resume_run

FOREVER = 90.0


def wait(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + FOREVER
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def measured(events: list[Event]) -> int:
    return sum(e.kind == "measure" for e in events)


def edit_header(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Make the log one that another version has begun."""
    with sqlite3.connect(folder / "study.db") as db:
        [(text,)] = db.execute("select body from event where study = 'fit' and kind = 'study'").fetchall()
        body = json.loads(text)
        change(body)
        db.execute("update event set body = ? where kind = 'study'", (json.dumps(body),))
    db.close()


def without(learner: str) -> Callable[[dict[str, Any]], None]:
    """A change of a header: its space knows that learner not yet."""

    def change(header: dict[str, Any]) -> None:
        others = header["space"]["learner"]["branches"]["other"]["family"]
        others["options"].remove(learner)
        del others["branches"][learner]

    return change


@dataclass
class Story:
    folder: Path
    before: list[Event] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    end: tuple[int, str, str] = (-1, "", "")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    import csv

    place = tmp_path_factory.mktemp("tables")
    told = Story(place / "run")
    columns = messy("binary", 300)
    with (place / "data.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    start = [
        "fit",
        place / "data.csv",
        "--time",
        "60s",
        "--folds",
        "3",
        "--workers",
        "1",
        "--out",
        told.folder,
    ]
    driver = subprocess.Popen(seedleaf(*start), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait(lambda: measured(log_of(told.folder)) >= 2)
    workers = children(driver.pid)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait(lambda: not any(map(lives, workers)))
    told.left = [pid for pid in workers if lives(pid)]
    edit_header(told.folder, without("svm"))
    told.before = log_of(told.folder)
    # Enough for what was used and some seconds more.
    used = used_seconds(read_history(told.folder))
    again = ["resume", told.folder, "--time", f"{used + 22:.0f}s", "--json"]
    pipe = subprocess.PIPE
    driver2 = subprocess.Popen(seedleaf(*again), stdout=pipe, stderr=pipe, text=True, encoding="utf-8")
    assert wait(lambda: any(e.kind in ("start", "resume") for e in log_of(told.folder)[len(told.before) :]))
    for pid in children(driver2.pid):
        os.kill(pid, signal.SIGKILL)
    out, err = driver2.communicate(timeout=FOREVER)
    told.end = (driver2.returncode, out, err)
    return told


def test_a_killed_run_goes_on_and_ends_as_any_other(story: Story) -> None:
    code, out, err = story.end
    assert code == 0, err
    assert story.left == [], "no worker outlives its driver"
    body = json.loads(out)
    assert set(body["metrics"]) >= {"metric", "members", "test", "bytes", "latency_ms", "onnx_max_difference"}
    assert body["metrics"]["onnx_max_difference"] < 1e-5
    result = Result.open(story.folder)
    assert result.predict_proba(messy("binary", 5, seed=3)).shape == (5, 2)
    assert sorted(p.name for p in story.folder.iterdir()) == [
        "best", "leaderboard.csv", "report.html", "run.json", "study.db", "trials", "workers",
    ]  # fmt: skip


def test_nothing_measured_is_lost_and_no_trial_is_to_blame(story: Story) -> None:
    events = log_of(story.folder)
    assert [(e.seq, e.kind, e.body) for e in events[: len(story.before)]] == [
        (e.seq, e.kind, e.body) for e in story.before
    ]
    history = read_history(story.folder)
    assert not history.running()
    for trial in history.trials.values():
        assert [m.step for m in trial.measurements] == list(range(1, trial.step + 1))
        assert "ended" not in (trial.reason or "")


def test_it_goes_on_in_the_space_that_its_log_began_with(story: Story) -> None:
    history = read_history(story.folder)
    assert "svm" not in json.dumps(history.header["space"])
    assert any(t.id > 3 for t in history.trials.values()) or measured(log_of(story.folder)) > 2


def test_a_log_with_what_is_not_known_here_is_refused_in_one_line(story: Story) -> None:
    def rename(header: dict[str, Any]) -> None:
        header["space"] = json.loads(json.dumps(header["space"]).replace('"knn"', '"oracle"'))

    edit_header(story.folder, rename)
    with pytest.raises(RunError, match=r"cannot go on with \(there is no learner 'oracle' here\): fit again"):
        resume_run(story.folder, time_limit=200.0)

    def refold(header: dict[str, Any]) -> None:
        header["space"] = json.loads(json.dumps(header["space"]).replace('"oracle"', '"knn"'))
        header["fidelity"]["high"] = 4

    edit_header(story.folder, refold)
    with pytest.raises(RunError, match=r"with another fidelity\): fit again"):
        resume_run(story.folder, time_limit=200.0)


KIND = Kind(200, 3, 2, 1, 2, has_dates=True, has_missing=True)


def test_a_config_from_before_gets_what_was_added_since() -> None:
    whole = ladder(space_of(KIND))["boosting"]
    old = {k: v for k, v in whole.items() if k != "learner.rate"}
    assert brought_up(old, KIND) == whole
    assert brought_up({**old, "learner.gone": 3}, KIND) == {**whole, "learner.gone": 3}


def test_a_space_from_before_is_taken_as_it_is() -> None:
    today = space_of(KIND)
    assert begun_with({}, KIND) == today
    header = {"space": today.to_json()}
    without("svm")(header)
    assert begun_with(header["space"], KIND) != today
    assert list(ladder(begun_with(header["space"], KIND))) == list(ladder(today))
    with pytest.raises(SpaceError, match="no learner 'oracle'"):
        begun_with(json.loads(json.dumps(today.to_json()).replace('"svm"', '"oracle"')), KIND)
