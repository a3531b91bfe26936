"""The virtual clock: its own accounts, its luck, and a thousand workers that a study keeps busy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from seedleaf.core import Config, Fidelity, History, Metrics, State, Task
from seedleaf.errors import TrialError
from seedleaf.executors.base import Ended, Report, Returned, Stepped
from seedleaf.executors.sim import Luck, Seconds, SimExecutor, stragglers
from seedleaf.space import Choice, Float, Space
from seedleaf.study import Study

SPACE = Space(lr=Float(1e-4, 1, log=True), kind=Choice(a={}, b=dict(x=Float(0, 1))))


def evaluate(config: Config, start: int, stop: int, trial: int) -> Sequence[Metrics]:
    far = abs(math.log10(float(config["lr"])) + 2)  # type: ignore[arg-type]
    return [{"error": far + 1 / step} for step in range(start + 1, stop + 1)]


def by_trial(config: Config, step: int, trial: int) -> float:
    return 1.0 + trial


def task(trial: int, start: int = 0, stop: int = 2) -> Task:
    return Task(trial, {"lr": 0.1, "kind": "a"}, start, stop)


def ticks(executor: SimExecutor) -> list[tuple[float, list[Report]]]:
    """(virtual time, reports) of every instant until nothing is under way."""
    found = []
    while reports := executor.poll(0.25):
        found.append((executor.now, reports))
    return found


def kinds(reports: Sequence[Report]) -> list[tuple[str, int]]:
    return [(type(r).__name__, r.call if isinstance(r, Returned) else r.trial) for r in reports]


# --- one task after the other ---


def test_steps_come_in_the_order_of_the_virtual_clock_and_instants_together() -> None:
    executor = SimExecutor(3, by_trial, evaluate)
    for trial in (0, 1):
        executor.submit(task(trial))
    assert executor.free() == 1
    seen = ticks(executor)
    assert [(now, kinds(reports)) for now, reports in seen] == [
        (1.0, [("Stepped", 0)]),
        (2.0, [("Stepped", 1), ("Stepped", 0), ("Ended", 0)]),
        (4.0, [("Stepped", 1), ("Ended", 1)]),
    ]
    first = seen[1][1][0]
    assert isinstance(first, Stepped)
    assert (first.measurement.step, first.measurement.seconds) == (1, 2.0)
    assert executor.free() == 3
    assert executor.steps == 4
    assert executor.busy_seconds == 2.0 + 4.0
    assert executor.utilisation == pytest.approx(6 / 12)


def test_a_resumed_task_pays_only_for_its_new_steps() -> None:
    executor = SimExecutor(1, by_trial, evaluate)
    executor.submit(task(0, start=5, stop=7))
    steps = [r.measurement.step for _, rs in ticks(executor) for r in rs if isinstance(r, Stepped)]
    assert steps == [6, 7]
    assert executor.now == 2.0


def test_nothing_under_way_leaves_the_clock_alone() -> None:
    executor = SimExecutor(1, by_trial, evaluate)
    assert executor.poll(10.0) == []
    assert executor.now == 0.0
    assert executor.utilisation == 1.0


def test_a_stop_abandons_the_step_at_once_and_once() -> None:
    executor = SimExecutor(2, by_trial, evaluate)
    executor.submit(task(0, stop=9))
    executor.submit(task(8, stop=9))
    executor.poll(0)
    executor.stop(8)
    executor.stop(8)
    executor.stop(77)
    assert executor.poll(0) == [Ended(8)]
    assert executor.now == 1.0
    assert executor.busy_seconds == 2.0, "what the abandoned step had taken counts"
    assert executor.free() == 1
    assert {r.trial for _, rs in ticks(executor) for r in rs if not isinstance(r, Returned)} == {0}


def test_a_call_returns_at_once_and_takes_no_time() -> None:
    executor = SimExecutor(1, by_trial, evaluate)
    first = executor.call("math:hypot", **{})
    assert executor.free() == 0
    assert executor.poll(0) == [Returned(first, 0.0)]
    second = executor.call("math:no_such")
    (failed,) = executor.poll(0)
    assert isinstance(failed, Returned)
    assert failed.call == second
    assert "no_such" in str(failed.error)
    assert (executor.now, executor.free()) == (0.0, 1)


def test_closing_leaves_nothing() -> None:
    executor = SimExecutor(1, by_trial, evaluate)
    executor.submit(task(0))
    executor.close()
    assert executor.poll(0) == []
    assert executor.free() == 1


# --- used wrongly ---


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        SimExecutor(0, by_trial, evaluate)
    for bad in (dict(fail=1.5), dict(lose=-0.1), dict(restart=-1.0)):
        with pytest.raises(ValueError, match="chances between 0 and 1"):
            Luck(**bad)
    executor = SimExecutor(1, by_trial, evaluate)
    executor.submit(task(0))
    with pytest.raises(RuntimeError, match="no worker is free"):
        executor.submit(task(1))
    with pytest.raises(RuntimeError, match="no worker is free"):
        executor.call("math:hypot")
    twice = SimExecutor(2, by_trial, evaluate)
    twice.submit(task(0))
    with pytest.raises(RuntimeError, match="trial 0 is being trained already"):
        twice.submit(task(0))


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_durations_are_finite_and_not_negative(seconds: float) -> None:
    with pytest.raises(ValueError, match="step 1 of trial 3 cannot take"):
        SimExecutor(1, lambda config, step, trial: seconds, evaluate).submit(task(3))


def test_evaluate_answers_for_every_step_or_fails_the_trial() -> None:
    short = SimExecutor(1, by_trial, lambda *a: evaluate(*a)[1:])
    with pytest.raises(ValueError, match="1 mappings for steps 1 to 2"):
        short.submit(task(0))

    def broken(config: Config, start: int, stop: int, trial: int) -> Sequence[Metrics]:
        raise TrialError("the table has no such row")

    executor = SimExecutor(1, by_trial, broken)
    executor.submit(task(0))
    assert executor.free() == 0
    assert executor.poll(0) == [Ended(0, "the table has no such row")]
    assert executor.free() == 1


# --- luck ---


def test_a_lost_worker_is_away_until_its_restart() -> None:
    executor = SimExecutor(1, by_trial, evaluate, Luck(lose=1.0, restart=50.0))
    executor.submit(task(0))
    (ended,) = executor.poll(0)
    assert isinstance(ended, Ended)
    assert ended.lost
    assert executor.free() == 0
    assert executor.poll(0) == []
    assert (executor.now, executor.free()) == (51.0, 1)
    assert executor.busy_seconds == 1.0, "a worker that is away is not busy"


def test_chances_are_about_what_was_asked() -> None:
    luck = Luck(fail=0.02, lose=0.1, seed=3)
    lost = sum(luck.strikes("lose", luck.lose, trial, 1, 1) for trial in range(20_000))
    failed = sum(luck.strikes("fail", luck.fail, trial, 1, 1) for trial in range(20_000))
    assert lost == pytest.approx(2000, rel=0.1)
    assert failed == pytest.approx(400, rel=0.2)
    again = [luck.strikes("lose", 0.5, 1, attempt, 1) for attempt in range(1, 40)]
    assert len(set(again)) == 2, "another attempt has other luck"


def test_stragglers_have_a_heavy_tail_with_an_end() -> None:
    slowed = stragglers(lambda config, step, trial: 2.0, share=0.05, tail=1.2, most=100.0)
    factors = [slowed({}, step, trial) / 2 for trial in range(2000) for step in range(10)]
    slow = [f for f in factors if f > 1]
    assert len(slow) == pytest.approx(1000, rel=0.15)
    assert sum(f > 10 for f in slow) == pytest.approx(1000 * 10**-1.2, rel=0.4)
    assert max(factors) == 100.0
    assert factors == [slowed({}, step, trial) / 2 for trial in range(2000) for step in range(10)]


# --- a study on a thousand workers ---


class Watched(SimExecutor):
    """Writes down what it is given."""

    def __init__(self, workers: int, seconds: Seconds, luck: Luck | None = None) -> None:
        super().__init__(workers, seconds, evaluate, luck)
        self.given: list[tuple[int, int, int]] = []

    def submit(self, task: Task) -> None:
        self.given.append((task.trial, task.start, task.stop))
        super().submit(task)


def driven(executor: SimExecutor, seconds: float, **more: object) -> Study:
    study = Study(
        SPACE, fidelity=Fidelity("epoch", 1, 27), **{"sampler": "random", "scheduler": "asha", **more}
    )  # type: ignore[arg-type]

    def until(history: History) -> str | None:
        return "time" if executor.now >= seconds else None

    study.run(executor, until)
    return study


SLOWED = stragglers(lambda config, step, trial: 1.0 + trial % 7 / 10)


def test_asha_keeps_a_thousand_workers_busy_whatever_lags() -> None:
    executor = Watched(1000, SLOWED)
    study = driven(executor, 8.0)
    assert executor.utilisation >= 0.95
    assert len(executor.given) == len(set(executor.given)), "no piece of work twice"
    starts = [trial for trial, start, _ in executor.given if start == 0]
    assert sorted(starts) == list(range(len(study.trials)))
    assert len({t.step for t in study.trials}) > 3, "rungs were climbed meanwhile"
    assert not study.history.running()


def test_the_same_seeds_give_the_same_log() -> None:
    def log(seed: int) -> list[tuple[str, object]]:
        study = driven(SimExecutor(30, SLOWED, evaluate, Luck(0.01, 0.02, 2.0)), 25.0, seed=seed)
        return [(e.kind, e.body) for e in study.store.read(study.name)]

    assert log(0) == log(0)
    assert log(0) != log(1)


def test_lost_workers_cost_their_step_and_nothing_else() -> None:
    executor = Watched(50, SLOWED, Luck(lose=0.05, fail=0.01, restart=3.0))
    study = driven(executor, 40.0)
    trials = study.trials
    failed = [t for t in trials if t.state is State.FAILED]
    assert failed
    assert all(t.reason.startswith("failed at step") or t.reason == "its worker was lost" for t in failed)
    again = len(executor.given) - len(set(executor.given))
    assert again > 10, "what a lost worker held was handed out again"
    for trial in trials:
        steps = [m.step for m in trial.measurements]
        assert steps == list(range(1, len(steps) + 1)), "each step once, none left out"
    assert executor.utilisation > 0.8


def test_a_worker_that_is_away_is_waited_for() -> None:
    """With one worker, which is lost and comes back, the study goes on to its end."""
    executor = SimExecutor(1, lambda config, step, trial: 1.0, evaluate, Luck(lose=0.2, restart=9.0, seed=1))
    study = Study(SPACE, sampler="random", scheduler="full", max_trials=30)
    assert study.run(executor) == "30 trials done"
    assert executor.now > 30 + 9
