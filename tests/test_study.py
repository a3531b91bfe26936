"""The study: its ask/tell contract, going on from a store, several drivers, and the loop on a fake executor."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedleaf.core import Config, Fidelity, History, Measurement, State, Task
from seedleaf.errors import SpaceError, StudyError, StudyFailed
from seedleaf.executors.base import Ended, Report, Stepped
from seedleaf.space import Choice, Float, Space
from seedleaf.store import MemoryStore, NewEvent
from seedleaf.study import Study

SPACE = Space(lr=Float(1e-4, 1, log=True), kind=Choice(a={}, b=dict(x=Float(0, 1))))
EPOCHS = Fidelity("epoch", 1, 9)


def new(**more: Any) -> Study:
    return Study(SPACE, **{"fidelity": EPOCHS, **more})


def asked(study: Study) -> Task:
    task = study.ask()
    assert task is not None
    return task


def error_of(config: Config, step: int) -> float:
    return abs(math.log10(float(config["lr"])) + 2) + 1 / step  # type: ignore[arg-type]


def train(study: Study, task: Task) -> None:
    study.tell(task, [{"error": error_of(task.config, s)} for s in range(task.start + 1, task.stop + 1)])


def decisions(study: Study) -> list[NewEvent]:
    return [
        (e.kind, e.body)
        for e in study.store.read(study.name)
        if e.kind in ("start", "resume", "stop", "finish")
    ]


# --- ask and tell ---


def test_the_form_to_rely_on() -> None:
    study = Study(SPACE, minimize="error", fidelity=Fidelity("epoch", 1, 52), seed=0)
    assert study.best is None
    task = asked(study)
    assert (task.trial, task.start, task.stop, task.full) == (0, 0, 1, 52)
    assert SPACE.contains(task.config)
    study.tell(task, [{"error": 0.31, "loss": 1.5}], seconds=12.0)
    assert study.best is study.trials[0]
    assert study.trials[0].metrics == {"error": 0.31, "loss": 1.5}
    assert study.trials[0].seconds == 12.0
    assert study.trials[0].state == State.PAUSED


def test_maximize_and_the_default_objective() -> None:
    study = Study({"x": Float(0, 1)}, maximize="accuracy")
    for value in (0.2, 0.9, 0.5):
        study.tell(asked(study), [{"accuracy": value}])
    assert study.best is study.trials[1]
    plain = Study({"x": Float(0, 1)})
    with pytest.raises(StudyError, match="'error' is missing"):
        plain.tell(asked(plain), [{"accuracy": 0.1}])


@pytest.mark.parametrize("n", [0, 2])
def test_a_wrong_number_of_mappings_changes_nothing(n: int) -> None:
    study = new()
    task = asked(study)
    before = study.history.seq
    with pytest.raises(StudyError, match=rf"steps 1 to 1: 1 mappings are needed, {n} came"):
        study.tell(task, [{"error": 1.0}] * n)
    assert study.history.seq == before


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"loss": 1.0}, "'error' is missing; step 2 gave loss"),
        ({}, "'error' is missing; step 2 gave nothing"),
        ({"error": "low"}, "'error' is 'low' at step 2: a number is needed"),
        ({"error": 0.5, "comment": "fine"}, "'comment' is 'fine'"),
    ],
)
def test_a_metric_that_is_missing_or_no_number_is_named_and_nothing_is_written(
    metrics: dict[str, Any], message: str
) -> None:
    study = new(fidelity=Fidelity("epoch", 2, 2))
    task = asked(study)
    before = study.history.seq
    with pytest.raises(StudyError, match=message):
        study.tell(task, [{"error": 1.0}, metrics])
    assert study.history.seq == before
    study.tell(task, [{"error": 1.0}, {"error": np.float32(0.5), "loss": math.inf, "aux": np.array(2)}])  # type: ignore[dict-item]
    last = study.trials[0].metrics
    assert (last["error"], last["aux"]) == (0.5, 2.0)
    assert math.isnan(last["loss"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_diverged_trial_fails_with_its_reason(value: Any) -> None:
    study = new(fidelity=Fidelity("epoch", 3, 3))
    study.tell(asked(study), [{"error": 0.5}, {"error": value}, {"error": 0.1}])
    (trial,) = study.trials
    assert (trial.state, trial.step) == (State.FAILED, 1)
    assert trial.reason.startswith("diverged: error is ")
    assert trial.reason.endswith("at step 2")
    assert study.best is None


def test_an_error_is_a_failure_and_may_follow_some_steps() -> None:
    study = new(fidelity=Fidelity("epoch", 3, 3))
    study.tell(asked(study), error="out of memory")
    study.tell(asked(study), [{"error": 0.5}], error="CUDA went away")
    assert [(t.state, t.step, t.reason) for t in study.trials] == [
        ("failed", 0, "out of memory"),
        ("failed", 1, "CUDA went away"),
    ]


def test_telling_twice_is_refused_also_after_the_trial_went_on() -> None:
    study = new(sampler="random")
    first = asked(study)
    train(study, first)
    with pytest.raises(StudyError, match="trial 0 is paused, not running"):
        train(study, first)
    others = [asked(study) for _ in range(5)]
    for other in others:
        train(study, other)
    resumed = asked(study)
    old = first if resumed.trial == 0 else others[resumed.trial - 1]
    assert resumed.start == 1
    with pytest.raises(StudyError, match="stands at step 1; step 1 cannot follow"):
        train(study, old)
    with pytest.raises(StudyError, match="stands at step 1"):
        study.tell(old, error="too late")
    train(study, resumed)
    with pytest.raises(StudyError, match="trial 99 is not known"):
        study.fail(99, "who?")


def test_enqueue_fills_in_defaults_and_comes_first() -> None:
    study = new()
    assert study.enqueue({"kind": "b"}, budget=9) == 0
    assert study.enqueue({"lr": np.float32(0.5)}) == 1  # type: ignore[dict-item]
    first, second = asked(study), asked(study)
    assert (first.config["kind"], first.config["kind.x"], first.stop) == ("b", 0.5, 9)
    assert second.config == {"lr": 0.5, "kind": "a"}
    assert second.stop == 1
    with pytest.raises(SpaceError, match="momentum"):
        study.enqueue({"momentum": 0.9})
    with pytest.raises(StudyError, match="between 1 and the full training of 9"):
        study.enqueue({}, budget=10)
    assert len(study.trials) == 2


def test_notes_are_kept(tmp_path: Path) -> None:
    new(store=tmp_path / "s.db").note("plan", refit=3, path=tmp_path)
    assert new(store=tmp_path / "s.db").history.note("plan") == {
        "name": "plan",
        "refit": 3,
        "path": str(tmp_path),
    }


# --- going on ---


@pytest.mark.parametrize("scheduler", ["full", "asha"])
def test_a_reopened_study_goes_on_as_if_never_closed(tmp_path: Path, scheduler: str) -> None:
    def steps(study: Study, n: int) -> None:
        for _ in range(n):
            train(study, asked(study))

    whole = new(scheduler=scheduler)
    steps(whole, 40)
    for part in range(4):
        steps(new(scheduler=scheduler, store=tmp_path / "s.db"), 10)
        assert new(scheduler=scheduler, store=tmp_path / "s.db").history.n_decisions == 10 * (part + 1)
    assert decisions(new(scheduler=scheduler, store=tmp_path / "s.db")) == decisions(whole)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dict(space=Space(lr=Float(1e-4, 1))), "space"),
        (dict(minimize="loss"), "objectives"),
        (dict(maximize="error"), "objectives"),
        (dict(fidelity=Fidelity("epoch", 1, 27)), "fidelity"),
        (dict(seed=1), "seed"),
        (dict(by_time=True), "by_time"),
    ],
)
def test_another_problem_under_the_same_name_is_refused(change: dict[str, Any], what: str) -> None:
    store = MemoryStore()
    new(store=store)
    arguments = {"space": SPACE, "fidelity": EPOCHS, **change}
    with pytest.raises(StudyError, match=f"with another {what}; give it another name"):
        Study(**arguments, store=store)
    assert len(store.read("study")) == 1
    Study(**arguments, store=store, name="other")


def test_take_over_hands_out_again_what_a_dead_driver_was_running() -> None:
    store = MemoryStore()
    gone = new(store=store)
    tasks = [asked(gone) for _ in range(3)]
    train(gone, tasks[1])
    heir = new(store=store, take_over=True)
    assert not heir.history.running()
    again = [asked(heir) for _ in range(2)]
    assert [(t.trial, t.config, t.start, t.stop) for t in again] == [
        (t.trial, t.config, t.start, t.stop) for t in (tasks[0], tasks[2])
    ]
    assert heir.trials[0].lost == 0, "the driver's end is no fault of the trial"


# --- two drivers ---


def test_two_drivers_share_one_study(tmp_path: Path) -> None:
    drivers = [new(store=tmp_path / "s.db", sampler="random") for _ in range(2)]
    rng, held = np.random.default_rng(0), [deque[Task](), deque[Task]()]
    handed: list[tuple[int, int]] = []
    for _ in range(150):
        i = int(rng.integers(2))
        if held[i] and rng.random() < 0.5:
            train(drivers[i], held[i].popleft())
        elif (task := drivers[i].ask()) is not None:
            held[i].append(task)
            handed.append((task.trial, task.stop))
    assert len(handed) == len(set(handed)), "no piece of work twice"
    log = drivers[0].store.read("study")
    assert [e.seq for e in log] == list(range(1, len(log) + 1))
    ids = [e.body["trial"] for e in log if e.kind == "start"]
    assert ids == list(range(len(ids)))
    assert sum(e.kind == "study" for e in log) == 1


def test_what_is_queued_while_another_driver_writes_gets_its_own_id() -> None:
    store = MemoryStore()
    one, two = new(store=store), new(store=store)
    started = asked(one)
    assert two.history.next_trial == 0, "it has not seen that"
    assert two.enqueue({"kind": "b"}) == 1
    train(one, started)
    assert [t.config["kind"] for t in History.fold(store.read("study")).trials.values()][1] == "b"
    assert len(History.fold(store.read("study")).trials) == 2


def test_a_driver_that_waits_sees_the_others_trials_end() -> None:
    store = MemoryStore()
    one, two = (new(store=store, max_trials=1) for _ in range(2))
    task = asked(one)
    assert two.ask() is None
    train(one, task)
    assert asked(two).start == 1


def test_a_stale_driver_cannot_tell_what_another_has_told() -> None:
    store = MemoryStore()
    one = new(store=store)
    task = asked(one)
    two = new(store=store)
    train(one, task)
    with pytest.raises(StudyError, match="trial 0 is paused, not running"):
        train(two, task)
    assert sum(e.kind == "measure" for e in store.read("study")) == 1


# --- the loop ---


class Fake:
    """An executor that takes one step of every task per poll; `fate` says how a task's worker ends instead."""

    def __init__(
        self, workers: int = 3, fate: Callable[[Task, int], Ended | float | None] | None = None
    ) -> None:
        self.workers, self.fate = workers, fate or (lambda task, step: None)
        self.at: dict[int, tuple[Task, int]] = {}
        self.submitted: list[Task] = []
        self.stopped: list[int] = []

    def free(self) -> int:
        return self.workers - len(self.at)

    def submit(self, task: Task) -> None:
        assert self.free() > 0
        assert task.trial not in self.at, "its first task is not over yet"
        self.submitted.append(task)
        self.at[task.trial] = task, task.start

    def call(self, function: str, **arguments: Any) -> int:
        raise NotImplementedError

    def stop(self, trial: int) -> None:
        self.stopped.append(trial)

    def poll(self, timeout: float) -> list[Report]:
        reports: list[Report] = []
        for trial, (task, step) in list(self.at.items()):
            over = step == task.stop or trial in self.stopped
            fate = Ended(trial) if over else self.fate(task, step + 1)
            if isinstance(fate, Ended):
                del self.at[trial]
                reports.append(fate)
                continue
            error = error_of(task.config, step + 1) if fate is None else fate
            reports.append(Stepped(trial, Measurement(step + 1, {"error": error}, 0.1)))
            self.at[trial] = task, step + 1
        return reports

    def close(self) -> None:
        return None


def test_the_loop_runs_a_study_to_its_end() -> None:
    study, executor, rounds = new(max_trials=12), Fake(), []
    assert study.run(executor, watch=lambda history: rounds.append(history.seq)) == "12 trials done"
    assert len(study.trials) == 12
    assert not study.history.running()
    assert executor.at == {}
    assert rounds == sorted(rounds)
    assert rounds[-1] == study.history.seq
    assert executor.stopped == [], "nobody had to be stopped"


def test_until_stops_the_running_at_their_last_step() -> None:
    study, executor = new(scheduler="full"), Fake()
    reason = study.run(executor, until=lambda history: "time is up" if history.seq > 20 else None)
    assert reason == "time is up"
    assert executor.at == {}
    stopped = study.history.interrupted()
    assert sorted(t.id for t in stopped) == sorted(executor.stopped)
    assert stopped
    assert all(t.lost == 0 and 0 < t.step < 9 for t in stopped)
    assert study.run(Fake(), until=lambda history: "at once") == "at once"


def test_a_lost_worker_is_retried_twice_and_then_the_trial_has_failed() -> None:
    def fate(task: Task, step: int) -> Ended | None:
        return Ended(1, "killed by signal 9", lost=True) if task.trial == 1 and step == 1 else None

    study, executor = new(max_trials=4), Fake(fate=fate)
    study.run(executor)
    assert sum(t.trial == 1 for t in executor.submitted) == 3
    assert (study.trials[1].state, study.trials[1].reason) == (State.FAILED, "killed by signal 9")
    assert [t.state for t in study.trials].count(State.FAILED) == 1


def test_losses_at_different_steps_are_forgiven() -> None:
    seen: set[int] = set()

    def fate(task: Task, step: int) -> Ended | None:
        if step in seen:
            return None
        seen.add(step)
        return Ended(task.trial, "killed", lost=True)

    study = new(max_trials=1, scheduler="full")
    study.run(Fake(1, fate))
    assert len(seen) == 9
    assert study.trials[0].state == State.DONE
    assert study.trials[0].step == 9


def test_a_task_that_ends_early_without_a_reason_is_not_handed_out_for_ever() -> None:
    study, executor = (
        new(max_trials=1, scheduler="full"),
        Fake(1, lambda task, step: Ended(0) if step == 3 else None),
    )
    study.run(executor)
    assert len(executor.submitted) == 3
    assert study.trials[0].reason == "ended at step 2, before step 9"


def test_a_diverged_trial_is_stopped_at_once() -> None:
    study = new(max_trials=4, scheduler="full")
    executor = Fake(fate=lambda task, step: math.nan if task.trial == 1 and step == 2 else None)
    study.run(executor)
    assert executor.stopped == [1]
    assert study.trials[1].reason == "diverged: error is nan at step 2"
    assert [t.state for t in study.trials].count(State.DONE) == 3


def test_a_full_disk_ends_the_study_with_what_to_do() -> None:
    study = new()
    full = Ended(2, "the disk is full (checkpoint)", fatal=True)
    with pytest.raises(StudyError, match=r"the disk is full .* make room, then resume"):
        study.run(Fake(fate=lambda task, step: full if task.trial == 2 else None))
    measured = len([e for e in study.store.read("study") if e.kind == "measure"])
    assert measured > 0
    heir = new(store=study.store, take_over=True, max_trials=6)
    heir.run(Fake())
    assert heir.trials[2].state != State.FAILED


def test_when_the_first_trials_fail_for_one_reason_the_study_says_it() -> None:
    study = new()
    with pytest.raises(StudyFailed, match="the first 3 trials all failed: ModuleNotFoundError: timm"):
        study.run(Fake(fate=lambda task, step: Ended(task.trial, "ModuleNotFoundError: timm")))


@pytest.mark.parametrize(
    "reason",
    [
        "ValueError: 0.{0}5e-3 is too small",
        "RuntimeError: <Net object at 0x7f{0}a0> broke",
        "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/tmp{1}/trials/000{0}/model.pt'",
    ],
)
def test_reasons_that_differ_in_numbers_or_paths_only_are_one(reason: str) -> None:
    study = new()
    with pytest.raises(StudyFailed, match="the first 3 trials all failed: "):
        study.run(Fake(fate=lambda t, step: Ended(t.trial, reason.format(t.trial, chr(97 + t.trial)))))


def test_what_is_no_fidelity_or_no_task_is_told() -> None:
    wrong: Any = 3
    with pytest.raises(SpaceError, match=r'fidelity must be as Fidelity\("epoch", 1, 27\), got 3'):
        Study(SPACE, fidelity=wrong)
    wrong = None
    with pytest.raises(StudyError, match=r"tell needs the task that ask\(\) gave, got None"):
        new().tell(wrong, [])


def test_different_reasons_or_one_success_do_not_end_the_study() -> None:
    study = new(max_trials=8)
    study.run(Fake(fate=lambda task, step: Ended(task.trial, f"odd {'abcdefgh'[task.trial]}")))
    assert [t.state for t in study.trials] == [State.FAILED] * 8
    study = new(max_trials=8)
    study.run(Fake(fate=lambda task, step: Ended(task.trial, "same") if task.trial else None))
    assert [t.state for t in study.trials].count(State.FAILED) == 7


def test_what_a_trial_weighs_in_memory() -> None:
    """A history is kept whole: a step must cost bytes, not kilobytes."""
    import tracemalloc

    study = Study({"x": Float(0, 1)}, sampler="random", scheduler="full", fidelity=Fidelity("epoch", 50, 50))
    tasks = [asked(study) for _ in range(20)]
    events = [
        ("measure", {"trial": t.trial, "step": s, "metrics": {"error": 0.5}})
        for t in tasks
        for s in range(1, 51)
    ]
    rows = MemoryStore().append("m", 0, events)
    tracemalloc.start()
    history = History.fold(study.store.read("study"))
    before = tracemalloc.get_traced_memory()[0]
    for row in rows:
        history.apply(type(row)(history.seq + 1, row.at, row.kind, row.body))
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / len(rows) < 1000, f"{used / len(rows):.0f} bytes a step on Python {sys.version_info[:2]}"
