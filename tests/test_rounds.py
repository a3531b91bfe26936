"""The loop where others work on the same study, and what its rounds cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seedleaf import loop
from seedleaf.core import Fidelity, History, Task
from seedleaf.executors.sim import SimExecutor
from seedleaf.space import Float, Space
from seedleaf.store import MemoryStore, Store
from seedleaf.study import Study

SPACE = Space(x=Float(0, 1))


def new(store: Store | Path, **more: object) -> Study:
    more = {"fidelity": Fidelity("epoch", 1, 9), "sampler": "random", **more}
    return Study(SPACE, store=store, **more)  # type: ignore[arg-type]


def workers(n: int = 2) -> SimExecutor:
    return SimExecutor(
        n, lambda config, step, trial: 1.0, lambda c, start, stop, t: [{"error": c["x"]}] * (stop - start)
    )  # type: ignore[list-item]


def train(study: Study, task: Task) -> None:
    study.tell(task, [{"error": float(task.config["x"])}] * (task.stop - task.start))  # type: ignore[arg-type]


def asked(study: Study) -> Task:
    task = study.ask()
    assert task is not None
    return task


@pytest.fixture
def when_it_waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], list[float]]:
    """Has something happen whenever the loop would sleep; the list of those sleeps."""

    def install(what: Callable[[], None]) -> list[float]:
        sleeps: list[float] = []

        def sleep(seconds: float) -> None:
            sleeps.append(seconds)
            assert len(sleeps) < 1000, "it waits for ever"
            what()

        monkeypatch.setattr(loop.time, "sleep", sleep)
        return sleeps

    return install


def test_a_driver_waits_for_what_the_others_make_possible(
    when_it_waits: Callable[[Callable[[], None]], list[float]],
) -> None:
    """All trials are out with another driver; when they report, there are promotions to share."""
    store = MemoryStore()
    other, here = new(store, max_trials=6), new(store, max_trials=6)
    held = [asked(other) for _ in range(6)]
    sleeps = when_it_waits(lambda: train(other, held.pop()) if held else None)
    executor = workers()
    assert here.run(executor) == "6 trials done"
    assert sleeps
    assert executor.steps > 0, "it took part in the promotions"
    assert any(t.step == 9 for t in here.trials)


def test_a_dead_drivers_trials_are_waited_for_as_long_as_patience_says(tmp_path: Path) -> None:
    gone = new(tmp_path / "s.db", max_trials=3)
    dead = asked(gone)
    here = new(tmp_path / "s.db", max_trials=3)
    begun = time.monotonic()
    reason = here.run(workers(), patience=0.6)
    assert 0.5 < time.monotonic() - begun < 30
    assert reason.startswith("nothing is left to do here: 1 trials of another driver (trial 0 first)")
    assert "take_over=True" in reason
    assert len(here.trials) == 3
    heir = new(tmp_path / "s.db", max_trials=3, take_over=True)
    assert heir.run(workers()) == "3 trials done"
    assert heir.trials[dead.trial].step >= 1


def test_patience_counts_from_the_last_news(
    when_it_waits: Callable[[Callable[[], None]], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    other, here = (new(store, max_trials=1, fidelity=Fidelity("epoch", 40, 40)) for _ in range(2))
    task = asked(other)
    clock = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])

    def a_step_every_fifty_seconds() -> None:
        clock[0] += 50.0
        step = other.trials[task.trial].step
        if step < 40:
            train(other, Task(task.trial, task.config, step, step + 1, 40))

    sleeps = when_it_waits(a_step_every_fifty_seconds)
    assert here.run(workers(), patience=100.0) == "1 trials done"
    assert len(sleeps) >= 40


def test_until_ends_the_wait(when_it_waits: Callable[[Callable[[], None]], list[float]]) -> None:
    store = MemoryStore()
    other, here = new(store, max_trials=1), new(store, max_trials=1)
    asked(other)
    sleeps = when_it_waits(lambda: None)

    def until(history: History) -> str | None:
        return "time" if len(sleeps) >= 3 else None

    assert here.run(workers(), until) == "time"
    assert [t.id for t in here.history.running()] == [0], "the other driver's trial is left alone"


def test_a_round_costs_little_however_many_trials_are_held() -> None:
    """The same steps on a thousand workers may cost twice what they cost on ten, not a hundred times."""

    def seconds(n: int, steps: int = 3000) -> float:
        study = Study(SPACE, sampler="random", scheduler="full", fidelity=Fidelity("epoch", 9, 9))
        executor = workers(n)
        executor._seconds = lambda config, step, trial: 1 + trial / 1e4  # no two at one instant
        begun = time.process_time()
        study.run(executor, lambda history: "enough" if executor.steps >= steps else None)
        return time.process_time() - begun

    few = min(seconds(10) for _ in range(2))
    many = min(seconds(1000) for _ in range(2))
    assert many < 3 * few + 0.5, f"{few:.2f} s with 10 workers, {many:.2f} s with 1,000"
