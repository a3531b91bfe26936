"""Warm workers: what they report, and what happens when one dies, hangs, grows or will not stop."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedleaf import Fidelity, Float, Study
from seedleaf.core import Task
from seedleaf.errors import StudyError, StudyFailed
from seedleaf.executors import local, watch
from seedleaf.executors.base import Ended, Report, Returned, Settings, Stepped
from seedleaf.executors.local import LocalExecutor

FOREVER = 60.0  # no test waits that long unless it fails
Make = Callable[..., LocalExecutor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes executors on a toy function; all are closed at the end, and leave no process behind."""
    made: list[LocalExecutor] = []
    pids: set[int] = set()

    def start(function: str = "saving", workers: int = 1, **changes: Any) -> LocalExecutor:
        name = function if ":" in function else f"toys:{function}"
        fields = {"function": name, "seed": 0, "folder": str(tmp_path / "trials"), "setup": {}, **changes}
        executor = LocalExecutor(Settings(**fields), workers, log_folder=tmp_path / "log")
        made.append(executor)
        pids.update(executor.pids())
        return executor

    yield start
    for executor in made:
        pids.update(executor.pids())
        executor.close()
    assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie counts, as it was not waited for, unless it is not ours to wait for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return False
    return state[0] != "Z" or int(state[1]) == os.getpid()


def gone(pid: int, within: float = FOREVER) -> bool:
    end = time.monotonic() + within
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def task(trial: int = 0, start: int = 0, stop: int = 3, **config: Any) -> Task:
    return Task(trial, config, start, stop, full=9)


def wait_for(
    executor: LocalExecutor, kind: type[Report] | tuple[type[Report], ...], seen: list[Report] | None = None
) -> Any:
    """The first report of that kind; what came before it goes to `seen`."""
    end = time.monotonic() + FOREVER
    while time.monotonic() < end:
        reports = executor.poll(0.1)
        for index, report in enumerate(reports):
            if isinstance(report, kind):
                assert not reports[index + 1 :], "nothing follows what was waited for"
                return report
            if seen is not None:
                seen.append(report)
    raise AssertionError(f"no {kind} in {FOREVER} s")


def outcome(executor: LocalExecutor, work: Task) -> tuple[list[Stepped], Ended]:
    executor.submit(work)
    seen: list[Report] = []
    end = wait_for(executor, Ended, seen)
    return [s for s in seen if isinstance(s, Stepped)], end


def trained(tmp_path: Path, trial: int = 0) -> list[int]:
    """The steps that a `saving` trial really trained, in order."""
    return [int(line) for line in (tmp_path / f"trials/{trial:04d}/trained.txt").read_text().split()]


# --- what a trial function may give ---


def test_a_trial_pauses_at_its_stop_and_goes_on_from_its_checkpoint(make: Make, tmp_path: Path) -> None:
    executor = make("saving")
    first, end = outcome(executor, task(stop=2))
    assert end == Ended(0)
    second, end = outcome(executor, task(start=2, stop=5))
    assert end == Ended(0)
    assert [s.measurement.step for s in first + second] == [1, 2, 3, 4, 5]
    assert trained(tmp_path) == [1, 2, 3, 4, 5]
    assert first[0].measurement.metrics["pid"] == second[0].measurement.metrics["pid"]


@pytest.mark.parametrize(
    ("function", "stop", "expected"),
    [
        ("mappings", 2, [{"error": 1.0}, {"error": 0.5}]),
        ("bare_numbers", 2, [{"error": 1.0}, {"error": 0.5}]),
        ("a_number", 1, [{"error": 9.0}]),
        ("a_numpy_number", 1, [{"error": 0.25}]),
        ("a_mapping", 1, [{"error": 0.5, "size": 3.0}]),
    ],
)
def test_what_a_function_may_give(
    make: Make, function: str, stop: int, expected: list[dict[str, float]]
) -> None:
    steps, end = outcome(make(function), task(stop=stop, x=3))
    assert end.error is None
    assert [dict(s.measurement.metrics) for s in steps] == expected


def test_a_function_that_counts_from_one_again_has_its_repeats_passed_over(make: Make) -> None:
    steps, end = outcome(make("from_the_start"), task(start=2, stop=4))
    assert end.error is None
    assert [s.measurement.step for s in steps] == [3, 4]


@pytest.mark.parametrize(
    ("function", "steps", "reason"),
    [
        ("wrong_steps", 1, "yielded step 3 after step 1"),
        ("too_few", 1, "ended at step 1, before step 3"),
        ("nothing", 0, "gave None"),
        ("words", 0, "the metric 'error' is 'low', not a number"),
        ("raises", 1, "ValueError: the learning rate is blue"),
        ("exits", 1, "sys.exit(3)"),
    ],
)
def test_what_goes_wrong_inside_a_function_is_told_in_one_line(
    make: Make, tmp_path: Path, function: str, steps: int, reason: str
) -> None:
    executor = make(function)
    pids = executor.pids()
    came, end = outcome(executor, task())
    assert len(came) == steps
    assert not end.lost
    assert not end.fatal
    assert reason in str(end.error)
    assert "\n" not in str(end.error)
    assert executor.pids() == pids, "the worker itself lives on"
    assert outcome(executor, task(1))[1].error == end.error


def test_a_traceback_is_kept_in_the_workers_log(make: Make, tmp_path: Path) -> None:
    outcome(make("raises"), task())
    assert "in raises" in (tmp_path / "log/worker-0.log").read_text()


def test_a_full_disk_is_fatal_whatever_it_was_wrapped_in(make: Make) -> None:
    steps, end = outcome(make("disk_is_full"), task())
    assert len(steps) == 1
    assert end.fatal
    assert end.error == "the disk is full (weights.bin)"


def test_nan_is_reported_and_fails_the_trial_in_the_study(make: Make) -> None:
    executor = make("not_a_number")
    study = Study({"x": Float(0, 1)}, fidelity=Fidelity("step", 1, 3), max_trials=1)
    study.run(executor)
    assert [str(t.state) for t in study.trials] == ["failed"]
    assert study.trials[0].reason == "diverged: error is nan at step 1"


def test_output_goes_to_the_log_and_not_into_the_protocol(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps, end = outcome(make("talks"), task(stop=1))
    assert len(steps) == 1
    assert end.error is None
    log = (tmp_path / "log/worker-0.log").read_text()
    for text in ('"kind": "ended"', "on stderr", "something raw", "from a process"):
        assert text in log
    assert capfd.readouterr() == ("", "")


# --- workers that die, hang or grow ---


def test_a_killed_worker_is_replaced_and_loses_only_the_unfinished_step(make: Make, tmp_path: Path) -> None:
    executor = make("saving")
    study = Study({"pause": Float(0.3, 0.31)}, fidelity=Fidelity("step", 6, 6), max_trials=1)
    killed: list[int] = []

    def kill_after_two(history: Any) -> None:
        if not killed and history.trials and history.trials[0].step == 2:
            killed.extend(executor.pids())
            os.kill(killed[0], signal.SIGKILL)

    study.run(executor, watch=kill_after_two)
    assert killed
    assert killed != executor.pids()
    (trial,) = study.trials
    assert str(trial.state) == "done"
    assert [m.step for m in trial.measurements] == [1, 2, 3, 4, 5, 6]
    assert trained(tmp_path) in ([1, 2, 3, 4, 5, 6], [1, 2, 3, 3, 4, 5, 6])
    assert [e.body["lost"] for e in study.store.read("study") if e.kind == "release"] == [True]


def test_a_killed_worker_is_told_as_lost(make: Make) -> None:
    executor = make("hangs", workers=2)
    executor.submit(task())
    wait_for(executor, Stepped)
    os.kill(executor.pids()[0], signal.SIGKILL)
    assert wait_for(executor, Ended) == Ended(0, "its worker was killed by SIGKILL", lost=True)
    assert executor.free() == 2


def test_a_function_that_always_kills_its_worker_is_one_failed_trial(make: Make) -> None:
    study = Study({"x": Float(0, 1)}, fidelity=Fidelity("step", 3, 3), max_trials=1)
    study.run(make("segfaults"))
    (trial,) = study.trials
    assert str(trial.state) == "failed"
    assert trial.reason == "its worker was killed by SIGSEGV"
    assert [m.step for m in trial.measurements] == [1]


def test_a_hang_fails_the_trial_and_the_next_one_runs(make: Make) -> None:
    executor = make("hangs", patience=1.0)
    steps, end = outcome(executor, task())
    assert len(steps) == 1
    assert not end.lost
    assert str(end.error).startswith("hung: no step finished in")
    steps, end = outcome(executor, task(1, stop=1))
    assert (len(steps), end) == (1, Ended(1))


def test_a_step_that_may_take_longer_is_not_held_to_hang(make: Make) -> None:
    executor = make("saving", patience=0.3, step_patience=30.0)
    steps, end = outcome(executor, task(pause=1.2))
    assert (len(steps), end.error) == (3, None)


def test_a_worker_that_outgrows_its_memory_fails_the_trial(make: Make) -> None:
    executor = make("eats_memory", memory=400 * 2**20)
    steps, end = outcome(executor, task())
    assert len(steps) == 1
    assert not end.lost
    assert str(end.error).startswith("memory: the worker held")
    assert executor.free() == 1
    assert executor.peak > 200 * 2**20


def test_one_large_array_is_refused_before_anybody_looks(make: Make) -> None:
    executor = make("wants_much_at_once", memory=300 * 2**20)
    for i in range(2):
        _, end = outcome(executor, task(i, stop=1))
        assert (end.lost, end.error) == (False, "out of memory (a worker may hold 300 MiB)")
    assert executor.peak < 2 * 2**30


def test_workers_that_do_not_fit_go_and_the_others_are_held_to_their_share(make: Make) -> None:
    executor = make("saving", workers=3)
    before = executor.pids()
    executor.share(700 * 2**20, 2)
    assert executor.pids() == before[:2]
    assert executor.free() == 2
    assert gone(before[2])
    for pid in executor.pids():
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        soft = next(row for row in limits if row.startswith("Max data size")).split()[3]
        assert 700 * 2**20 <= int(soft) < 1100 * 2**20
    steps, end = outcome(executor, task())
    assert (len(steps), end.error) == (3, None)


def test_what_a_trial_has_started_dies_with_its_worker(make: Make) -> None:
    """A fork holds the line to the driver open as well, so that the end of the worker shows only in its process."""
    steps, end = outcome(make("has_children"), task(die=1))
    assert end.lost
    for name in ("sleeper", "fork"):
        assert gone(int(steps[0].measurement.metrics[name]))


def test_steps_that_were_reported_before_a_death_are_kept(make: Make) -> None:
    executor = make("segfaults")
    executor.submit(task())
    time.sleep(1.5)  # the step and the death are both there before anybody looks
    seen: list[Report] = []
    assert wait_for(executor, Ended, seen).lost
    assert [s.measurement.step for s in seen if isinstance(s, Stepped)] == [1]


# --- stop ---


def test_stop_abandons_the_step_and_keeps_the_worker(make: Make) -> None:
    executor = make("hangs")
    pids = executor.pids()
    executor.submit(task())
    wait_for(executor, Stepped)
    executor.stop(0)
    assert wait_for(executor, Ended) == Ended(0)
    assert executor.pids() == pids
    assert outcome(executor, task(1, stop=1))[1] == Ended(1)


def test_stop_is_bounded_even_if_the_function_ignores_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "GRACE", 0.5)
    executor = make("will_not_stop")
    executor.submit(task())
    wait_for(executor, Stepped)
    begun = time.monotonic()
    executor.stop(0)
    assert wait_for(executor, Ended) == Ended(0)
    assert time.monotonic() - begun < FOREVER / 2
    assert executor.free() == 1


def test_stop_of_a_trial_whose_worker_still_imports_leaves_the_worker_alone(make: Make) -> None:
    executor = make("hangs")
    pids = executor.pids()
    executor.submit(task())
    executor.stop(0)
    assert wait_for(executor, Ended) == Ended(0)
    assert executor.pids() == pids


def test_stop_of_a_trial_that_is_over_does_nothing_to_the_next(make: Make) -> None:
    executor = make("saving")
    outcome(executor, task(stop=1))
    executor.stop(0)
    steps, end = outcome(executor, task(start=1, stop=3, pause=0.05))
    assert (len(steps), end) == (2, Ended(0))


def test_a_stop_that_crosses_the_end_of_its_trial_is_forgotten(make: Make) -> None:
    executor = make("saving")
    outcome(executor, task(7, stop=1))
    for round_ in range(1, 15):
        executor.submit(task(7, start=round_, stop=round_ + 1))
        time.sleep(0.002 * round_)  # the stop comes before, while, and after the step is trained
        executor.stop(7)
        seen: list[Report] = []
        assert wait_for(executor, Ended, seen) == Ended(7)
        steps, end = (
            outcome(executor, task(7, start=round_ + len(seen), stop=round_ + 1))
            if not seen
            else (seen, None)
        )
        assert len(steps) == 1
        assert end in (None, Ended(7))


def test_a_stop_never_leaves_half_a_module_behind(make: Make, tmp_path: Path) -> None:
    executor = make("imports_late")
    pids = executor.pids()
    executor.submit(task(pause=600))
    while not (tmp_path / "trials/0000/importing").exists():
        executor.poll(0.01)
    executor.stop(0)
    assert wait_for(executor, Ended, []) == Ended(0)
    steps, end = outcome(executor, task(1, stop=1, pause=0))
    assert end == Ended(1)
    assert [s.measurement.metrics["error"] for s in steps] == [0.5]
    assert executor.pids() == pids


def test_a_worker_that_dies_while_it_is_stopped_ends_once(make: Make) -> None:
    executor = make("will_not_stop")
    executor.submit(task())
    wait_for(executor, Stepped)
    executor.stop(0)
    os.kill(executor.pids()[0], signal.SIGKILL)
    assert wait_for(executor, Ended).lost
    assert executor.poll(0.6) == []
    assert executor.free() == 1


# --- calls ---


def test_calls_return_values_and_errors(make: Make) -> None:
    executor = make("saving")
    call = executor.call("toys:double", value=21)
    assert wait_for(executor, Returned) == Returned(call, 42)
    call = executor.call("toys:fails_call")
    assert wait_for(executor, Returned) == Returned(call, error="RuntimeError: no such luck")
    call = executor.call("toys:there_is_none")
    assert "there_is_none" in str(wait_for(executor, Returned).error)


def test_a_worker_killed_in_a_call_is_told_and_the_call_can_be_repeated(make: Make, tmp_path: Path) -> None:
    executor = make("saving")
    executor.call("toys:pid_of_call", folder=str(tmp_path))
    while not (tmp_path / "called").exists():
        assert executor.poll(0.05) == []
    os.kill(int((tmp_path / "called").read_text()), signal.SIGKILL)
    assert wait_for(executor, Returned).error == "its worker was killed by SIGKILL"
    executor.call("toys:pid_of_call", folder=str(tmp_path))
    assert wait_for(executor, Returned).value == executor.pids()[0]


def test_a_call_that_hangs_ends(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CALL_PATIENCE", 1.0)
    executor = make("saving", patience=1.0)
    executor.call("toys:pid_of_call", folder=str(tmp_path))
    assert str(wait_for(executor, Returned).error).startswith("hung: no answer in")


@pytest.mark.parametrize("told", ["by the run", "by the call"])
def test_a_call_that_hangs_ends_soon_after_its_deadline(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """However long a step may take."""
    monkeypatch.setattr(watch, "LATE", 0.5)
    executor = make(
        "saving", patience=2.0, calls_until=time.time() + (1000.0 if told == "by the call" else 1.0)
    )
    while not executor.start_seconds:
        executor.poll(0.1)
    executor.start_seconds = 0.1
    more = {"deadline": time.time() + 1.0} if told == "by the call" else {}
    begun = time.monotonic()
    executor.call("toys:hanging_call", folder=str(tmp_path), **more)
    assert str(wait_for(executor, Returned).error).startswith("hung: no answer in")
    assert 1.0 < time.monotonic() - begun < FOREVER / 2


# --- starting and ending ---


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"function": "broken_module:train"}, "RuntimeError: this module is broken"),
        ({"function": "no_such_module:train"}, "No module named 'no_such_module'"),
        ({"function": "toys:no_such_function"}, "no_such_function"),
        ({"preload": ("no_such_module",)}, "No module named 'no_such_module'"),
    ],
)
def test_a_worker_that_cannot_start_is_one_clear_error(
    make: Make, changes: dict[str, Any], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    executor = make(workers=2, **changes)
    pids = executor.pids()
    executor.submit(task())
    with pytest.raises(StudyError, match="a worker could not start") as caught:
        wait_for(executor, Ended)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert executor.pids() == pids, "none was started again"
    assert capfd.readouterr() == ("", "")


def test_a_worker_killed_while_it_imports_is_started_again(make: Make) -> None:
    executor = make("saving")
    executor.submit(task(stop=1))
    os.kill(executor.pids()[0], signal.SIGKILL)
    assert wait_for(executor, Ended).lost
    assert outcome(executor, task(stop=1))[1] == Ended(0)


def test_workers_that_are_always_killed_while_they_import_end_the_study(make: Make) -> None:
    executor = make("saving")
    for _ in range(local.STARTS):
        executor.submit(task())
        os.kill(executor.pids()[0], signal.SIGKILL)
        assert wait_for(executor, Ended).lost
    with pytest.raises(StudyError, match="could not start: its worker was killed by SIGKILL"):
        executor.poll(0.1)


def test_close_leaves_no_process_and_no_open_file_behind(make: Make, tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    executor = make("has_children", workers=2)
    steps = [outcome(executor, task(stop=1))[0][0]]
    executor.submit(task(1, pause=600))
    steps.append(wait_for(executor, Stepped))
    pids = executor.pids()
    executor.close()
    executor.close()
    assert sorted(os.listdir("/proc/self/fd")) == before
    for pid in pids:
        assert not alive(pid)
    for step in steps:
        for name in ("sleeper", "fork"):
            assert gone(int(step.measurement.metrics[name]))


@pytest.mark.parametrize("listening", [True, False], ids=["listening", "with messages unread"])
def test_workers_are_gone_soon_after_their_driver_is_killed(tmp_path: Path, listening: bool) -> None:
    script = f"""
import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from seedleaf.core import Task
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
executor = LocalExecutor(Settings("toys:will_not_stop", 0, {str(tmp_path)!r}, {{}}), 2)
executor.submit(Task(0, {{}}, 0, 3))
while not executor.poll(0.1): pass
if not {listening}:
    executor.submit(Task(1, {{}}, 0, 3))
    time.sleep(1.5)
print(*executor.pids(), flush=True)
time.sleep(600)
"""
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    pids = [int(p) for p in driver.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(p) for p in pids)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert all(gone(p, within=20) for p in pids)


def test_if_the_first_trials_all_fail_alike_the_study_stops_and_says_why(make: Make) -> None:
    study = Study({"x": Float(0, 1)}, fidelity=Fidelity("step", 3, 3))
    with pytest.raises(StudyFailed, match="the first 3 trials all failed: the training function gave None"):
        study.run(make("nothing", workers=2))


def test_a_metric_that_is_infinite_is_not_lost_on_the_way(make: Make) -> None:
    executor = make("a_number")
    steps, _ = outcome(executor, task(stop=1, x=math.inf))
    assert steps[0].measurement.metrics["error"] == math.inf
