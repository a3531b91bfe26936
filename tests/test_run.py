"""Where a run lands, what it was asked for, and a disk that fills up while it works."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

import seedleaf
from runs import Finished
from seedleaf.core import Fidelity, Task
from seedleaf.errors import BudgetError, DataError, RunError, StudyError, WorkersFailed
from seedleaf.executors.base import Ended, Executor, Report, Returned, Stepped
from seedleaf.finish import Run, call_all
from seedleaf.folder import NewFolder, new_folder, sole_driver
from seedleaf.run import Job, begin, default_workers, devices, memory_per_worker
from seedleaf.store import NewEvent, SqlStore
from seedleaf.timing import longest_refit, wanted_epochs
from seedleaf.views.view import SilentView

# --- folders ---


@pytest.mark.parametrize(
    ("data", "name"),
    [("digits", "digits-1"), ("/some/where/My Pictures!", "my-pictures-1"), ("x/tiny.npz", "tiny-1"),
     ("Bilder für 猫", "bilder-für-猫-1"), ("...", "data-1"), ("a" * 200, "a" * 40 + "-1")],
)  # fmt: skip
def test_a_run_is_named_after_its_data(tmp_path: Path, data: str, name: str) -> None:
    assert new_folder(data, root=tmp_path).path.name == name


def test_fits_that_start_at_once_get_a_folder_each(tmp_path: Path) -> None:
    found: list[Path] = []
    barrier = threading.Barrier(16)

    def start() -> None:
        barrier.wait()
        found.append(new_folder("digits", root=tmp_path / "runs").path)

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(f.name.split("-")[1]) for f in found) == list(range(1, 17))


def test_a_numbers_gap_is_never_an_overwrite(tmp_path: Path) -> None:
    (tmp_path / "digits-1").mkdir()
    (tmp_path / "digits-2").write_text("a file")
    assert new_folder("digits", root=tmp_path).path.name == "digits-3"


def test_an_empty_folder_may_be_the_runs(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new_folder("digits", tmp_path / "mine") == NewFolder(tmp_path / "mine", ())
    (tmp_path / "mine/x").write_text("")
    with pytest.raises(RunError, match="runs never overwrite"):
        new_folder("digits", tmp_path / "mine")


# --- what was asked for ---


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    job = Job(
        "digits", 60.0, {"params": 20_000.0}, workers=3, seed=4, preset="best", command="seedleaf fit 'ä'"
    )
    job.save(tmp_path)
    assert Job.load(tmp_path) == job
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_later_version_may_know_more(tmp_path: Path) -> None:
    Job("digits", 60.0).save(tmp_path)
    body = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**body, "colour": "green"}))
    assert Job.load(tmp_path) == Job("digits", 60.0)


def test_what_cannot_be_done_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BudgetError):
        seedleaf.fit("digits", time_limit=1, out=tmp_path / "run")
    with pytest.raises(StudyError):
        seedleaf.fit("digits", sampler="oracle", out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", ["", "pre", "a"])
@pytest.mark.parametrize("out", ["pre", "a/b/c"])
def test_a_job_that_comes_to_nothing_leaves_all_as_it_was(tmp_path: Path, before: str, out: str) -> None:
    (tmp_path / before).mkdir(exist_ok=True)
    known = sorted(tmp_path.rglob("*"))
    with pytest.raises(seedleaf.SeedleafError, match="nowhere"):
        begin(new_folder("nowhere", tmp_path / out), Job("nowhere", 60.0), "nowhere")
    assert sorted(tmp_path.rglob("*")) == known


def test_what_somebody_else_put_beside_a_run_stays(tmp_path: Path) -> None:
    new = new_folder("x", tmp_path / "a/b/c")
    (tmp_path / "a/other").write_text("x")
    (new.path / "trials/0000").mkdir(parents=True)
    new.give_back()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a/other"]


def test_a_run_that_begins_in_another_ones_folder_takes_nothing_away(tmp_path: Path) -> None:
    """Two commands with one --out, both while it was empty."""
    first, second = new_folder("x", tmp_path / "run"), new_folder("x", tmp_path / "run")
    with sole_driver(first.path), pytest.raises(RunError, match="is being worked on"):
        begin(second, Job("nowhere", 60.0), "nowhere")
    (first.path / "study.db").write_text("what the first has measured")
    with pytest.raises(RunError, match="runs never overwrite"):
        begin(second, Job("nowhere", 60.0), "nowhere")
    assert [p.name for p in first.path.iterdir()] == ["study.db"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left"),
        RunError("later"),
        DataError("later"),
        StudyError("x"),
        KeyError(),
    ],
)
@pytest.mark.parametrize("trial", [False, True])
def test_from_the_first_trial_on_a_log_is_never_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, trial: bool
) -> None:
    """Whether or not it can be read back: on a full disk SQLite may fail to read what it holds."""
    from seedleaf import folder as folder_module
    from seedleaf import run as module

    def prepare(*_: Any) -> None:
        raise error

    real = SqlStore.read

    def read(store: SqlStore, study: str, after: int = 0) -> Any:
        if not store.holds_events:
            start: NewEvent = ("start", {"trial": 0, "config": {}, "budget": 1})
            store.append(study, 0, [("study", {"objectives": []}), *([start] if trial else [])])
        return real(store, study, after)

    def unreadable(path: Path) -> None:
        raise StudyError("disk I/O error")

    monkeypatch.setattr(SqlStore, "read", read)
    monkeypatch.setattr(module, "prepare_data", prepare)
    monkeypatch.setattr(folder_module, "read_history", unreadable)
    with pytest.raises(type(error)):
        begin(new_folder("x", tmp_path / "run"), Job("digits", 60.0), "digits")
    if trial:
        assert {"run.json", "study.db"} <= {p.name for p in (tmp_path / "run").iterdir()}
    else:
        assert list(tmp_path.iterdir()) == []
        assert not hasattr(error, "__notes__"), "nothing is left that could be resumed"


def test_a_worker_that_cannot_start_leaves_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seedleaf import run as module

    def prepare(folder: Path, *_: Any) -> None:
        raise WorkersFailed(f"a worker could not start; see {folder / 'workers/worker-0.log'}")

    monkeypatch.setattr(module, "prepare_data", prepare)
    with pytest.raises(WorkersFailed):
        begin(new_folder("x", tmp_path / "run"), Job("digits", 60.0), "digits")
    assert (tmp_path / "run/workers").is_dir()


# --- this machine ---


def test_there_is_a_device_and_a_worker_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices() == ("cpu",)
    assert default_workers() == len(os.sched_getaffinity(0))


def test_memory_is_shared_among_the_workers() -> None:
    alone, of_four = memory_per_worker(1), memory_per_worker(4)
    assert alone is not None
    assert of_four is not None
    assert of_four < alone / 3


# --- the log of a finished run ---


def test_the_log_says_what_a_reader_needs(finished: Finished) -> None:
    history = seedleaf.load(finished.folder).history
    names = [n["name"] for n in history.notes]
    for name in (
        "run",
        "data",
        "baseline",
        "plan",
        "default",
        "session",
        "search",
        "refit",
        "verdict",
        "final",
        "done",
    ):
        assert names.count(name) == 1, name
    assert not history.running()
    plan, n_train = history.note("plan") or {}, (history.note("data") or {})["spec"]["n_train"]
    assert plan["wanted"] == wanted_epochs(n_train)
    assert plan["longest"] == longest_refit(plan["full"], plan["wanted"])
    assert 0.15 * n_train < plan["valid"] < 0.25 * n_train
    took = (history.note("took") or {})["seconds"]
    assert 0.5 * finished.seconds < took < finished.seconds


def test_limits_are_kept_by_every_trial(finished: Finished) -> None:
    result = seedleaf.load(finished.folder)
    limits = (result.history.note("plan") or {})["limits"]
    assert limits["params"] == 6000
    measured = [m for t in result.history.trials.values() for m in t.measurements]
    assert measured
    for name in ("params", "macs"):
        assert all(m.metrics[name] <= limits[name] for m in measured)
        assert result.best.metrics[name] <= limits[name]


# --- calls that fail ---


class Fails:
    """An executor on which a call fails the first few times."""

    def __init__(self, failures: int) -> None:
        self.left, self.calls, self.waiting = failures, 0, [0][:0]

    def free(self) -> int:
        return 1 - len(self.waiting)

    def call(self, function: str, **arguments: Any) -> int:
        self.calls += 1
        self.waiting.append(self.calls)
        return self.calls

    def poll(self, timeout: float) -> list[Report]:
        call, self.left = self.waiting.pop(), self.left - 1
        return [
            Returned(call, error="its worker was killed") if self.left >= 0 else Returned(call, value=call)
        ]

    def submit(self, task: Task) -> None: ...
    def stop(self, trial: int) -> None: ...
    def close(self) -> None: ...


def run_on(executor: Executor) -> Run:
    study = seedleaf.Study({"x": seedleaf.Bool()})
    spec: Any = None
    return Run(Path("runs/x-1"), 1, {}, spec, spec, study, executor, SilentView())


def test_a_needed_call_is_tried_twice_and_one_that_is_not_once() -> None:
    needed = Fails(1)
    assert call_all(run_on(needed), {"refit": ("m:f", {})}, "refit", {"refit"})["refit"].value == 2
    warm = call_all(run_on(Fails(1)), {"warm": ("m:f", {})}, "refit", set())["warm"]
    assert (warm.value, warm.error) == (None, "its worker was killed")
    with pytest.raises(RunError, match="refit failed") as caught:
        call_all(run_on(Fails(2)), {"refit": ("m:f", {})}, "refit", {"refit"})
    assert str(caught.value) == "refit failed: its worker was killed"
    # Beside the message: where the refit fails, the run goes on without it.
    assert caught.value.__notes__ == ["go on with: seedleaf resume runs/x-1"]


# --- a full disk, where no small one can be mounted ---


class FullDisk:
    """An executor whose worker finds the disk full in its third step."""

    def __init__(self) -> None:
        self.task: Task | None = None
        self.step = 0

    def free(self) -> int:
        return int(self.task is None)

    def submit(self, task: Task) -> None:
        self.task, self.step = task, task.start

    def poll(self, timeout: float) -> list[Report]:
        assert self.task is not None
        self.step += 1
        if self.step == 3:
            return [Ended(self.task.trial, "the disk is full (checkpoint.pt)", fatal=True)]
        return [Stepped(self.task.trial, seedleaf.Measurement(self.step, {"error": 1 / self.step}))]

    def call(self, function: str, **arguments: Any) -> int:
        raise NotImplementedError

    def stop(self, trial: int) -> None: ...
    def close(self) -> None: ...


def test_a_full_disk_ends_the_study_and_blames_no_trial(tmp_path: Path) -> None:
    def study() -> seedleaf.Study:
        space = {"x": seedleaf.Float(0, 1)}
        return seedleaf.Study(
            space, fidelity=Fidelity("step", 5, 5), store=tmp_path / "study.db", take_over=True
        )

    with pytest.raises(StudyError, match=r"the disk is full \(checkpoint.pt\).*make room, then resume"):
        study().run(FullDisk())
    again = study()
    assert [m.step for m in again.trials[0].measurements] == [1, 2]
    assert str(again.trials[0].state) == "paused"
    task = again.ask()
    assert task is not None
    assert (task.trial, task.start) == (0, 2)


def test_a_log_that_cannot_grow_is_one_clear_error(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "study.db")
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 4")
        event: NewEvent = ("note", {"name": "x" * 50_000})
        connection.close()
    import sqlalchemy as sa

    sa.event.listen(store._engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 4"))
    store._engine.dispose()
    with pytest.raises(StudyError, match=r"study\.db cannot be written: database or disk is full"):
        store.append("fit", 0, [event])
    assert store.read("fit") == []
    store.close()


def test_errors_of_the_system_say_how_to_go_on(finished: Finished, tmp_path: Path, monkeypatch: Any) -> None:
    from seedleaf import run as module

    copy = Path(shutil.copytree(finished.folder, tmp_path / "copy"))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "spec.json")

    monkeypatch.setattr(module, "prepare_data", full)
    with pytest.raises(OSError, match="No space left") as caught:
        seedleaf.resume(copy, time_limit=50.0)
    assert caught.value.__notes__ == [f"go on with: seedleaf resume {copy}"]


def test_a_view_is_told_what_time_a_run_has_that_goes_on(finished: Finished, tmp_path: Path) -> None:
    class Told(SilentView):
        def start(self, info: Any) -> None:
            raise RunError(f"told {info['time_limit']:g}")

    copy = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    with pytest.raises(RunError, match="told 600"):
        seedleaf.resume(copy, time_limit="10m", view=Told())
