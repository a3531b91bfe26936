"""Seconds as the budget: a third of them goes on, proposals cost what they are worth, and all of it replays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import RUNGS, SPACE, replay

from seedleaf.core import Config, Event, Fidelity, History, Measurement, State, Trial
from seedleaf.seeds import rng_for
from seedleaf.space import Choice, Float, Int, Problem, Space
from seedleaf.study import Study
from seedleaf.tuner import by_time
from seedleaf.tuner.pace import LEAST, Pace, seconds_to
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS

NET = Space(lr=Float(1e-4, 1, log=True), width=Int(8, 80, log=True), kind=Choice("a", "b"), tail=Float(0, 1))


def taking(config: Config) -> float:
    """Seconds of a step: 1 to 10 by width, and half as many again for kind b."""
    return float(config["width"]) / 8 * (1.5 if config["kind"] == "b" else 1.0)  # type: ignore[arg-type]


def macs(config: Config) -> dict[str, float]:
    return {"macs": 1000.0 * float(config["width"])}  # type: ignore[arg-type]


def told(n: int, seconds: bool = True, low: int = 2, **more: object) -> Study:
    """`n` random trials at their first rung, each step as slow as `taking` says."""
    study = Study(
        NET, fidelity=Fidelity("step", low, 9 * low), sampler="random", scheduler="asha", by_time=True, **more
    )  # type: ignore[arg-type]
    while len(study.trials) < n:
        task = study.ask()
        assert task is not None
        spent = taking(task.config) * (task.stop - task.start) if seconds else 0.0
        study.tell(task, [{"error": 0.5}] * (task.stop - task.start), seconds=spent)
    return study


def history_of(seconds: list[float]) -> History:
    """Trials measured at step 1, in the order of their losses, that took so long."""
    history = History()
    for i, spent in enumerate(seconds):
        history.trials[i] = Trial(
            i, {}, State.PAUSED, 1, measurements=[Measurement(1, {"error": 0.1 * i}, spent)]
        )
    return history


def first(seconds: list[float], eta: int = 3) -> list[int]:
    ranking = [(0.1 * i, i) for i in range(len(seconds))]
    return [trial for _, trial in by_time.best_share(history_of(seconds), ranking, 1, eta)]


# --- a share of the seconds ---


@given(st.integers(0, 60), st.integers(2, 5), st.floats(0.01, 100))
def test_where_all_take_equally_long_as_many_go_on_as_asha_promotes(n: int, eta: int, each: float) -> None:
    assert first([each] * n, eta) == list(range(n // eta))
    assert first([0.0] * n, eta) == list(range(n // eta)), "a log that tells no seconds"


def test_a_third_of_the_seconds_goes_on() -> None:
    assert first([1, 1, 1, 1, 1, 1, 12]) == [0, 1, 2, 3, 4, 5], "the cheap ones are a third of the time"
    assert first([6, 1, 1, 1, 1, 1, 1]) == [], "one that took half of the time must wait"
    assert first([6, *[1] * 12]) == [0]
    assert first([1, 0, 1, 0, 1, 1]) == [0, 1], "those that told nothing count as the mean"


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40))
def test_what_goes_on_took_a_third_at_most(seconds: list[float]) -> None:
    chosen = first(seconds)
    assert chosen == list(range(len(chosen)))
    assert sum(seconds[i] for i in chosen) <= sum(seconds) / 3 * 1.001
    if len(chosen) < len(seconds):
        assert sum(seconds[: len(chosen) + 1]) > sum(seconds) / 3 * 0.999


def test_seconds_are_those_of_the_steps_asked_for() -> None:
    trial = Trial(0, {}, measurements=[Measurement(s, {}, 10.0 * s) for s in (1, 2, 3)])
    assert seconds_to(trial, 2) == 30.0
    assert seconds_to(trial, 9) == 60.0


# --- what a config will take ---


@pytest.mark.parametrize("known", [True, False])
def test_seconds_of_new_configs_are_foretold(known: bool) -> None:
    study = told(40, costs=macs, limits={"macs": 1e9})
    pace = Pace.of(study.problem, study.history, known)
    assert pace is not None
    rng = rng_for(0, "new")
    configs = [NET.sample(rng) for _ in range(60)]
    truth = np.log([2 * taking(c) for c in configs])
    if known:
        guess = np.array([pace.log_seconds(c) for c in configs])
    else:
        from seedleaf.space.encode import encode

        guess = pace.of_points(pace.embedding(np.array([encode(NET, c) for c in configs])))
    assert np.abs(guess - truth).mean() < 0.15, "within a sixth, where all lie within a factor of 15"
    assert np.corrcoef(guess, truth)[0, 1] > 0.97


def test_nothing_is_foretold_from_few_trials_or_a_log_without_seconds() -> None:
    few = told(LEAST - 1)
    assert Pace.of(few.problem, few.history) is None
    silent = told(20, seconds=False)
    assert Pace.of(silent.problem, silent.history) is None
    assert by_time.slowness(silent.problem, silent.history, np.zeros((3, 5)), []).tolist() == [0, 0, 0]


def test_measured_trials_are_as_slow_as_they_were() -> None:
    study = told(20)
    trials = study.trials[:4]
    pace = Pace.of(study.problem, study.history, known=False)
    assert pace is not None
    from seedleaf.space.encode import encode

    points = pace.embedding(np.array([encode(NET, t.config) for t in study.trials[:8]]))
    found = by_time.slowness(study.problem, study.history, points, trials)
    exact = [math.log(2 * taking(t.config)) - pace.mean for t in trials]
    np.testing.assert_allclose(found[:4], exact)
    np.testing.assert_allclose(found[4:], pace.of_points(points)[4:] - pace.mean)


# --- studies ---


@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [("tpe", "asha"), ("gp", "asha"), ("random", "freeze-thaw"), ("evolution", "full")],
)
def test_every_decision_follows_from_the_log(sampler: str, scheduler: str) -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=3, sampler=sampler, scheduler=scheduler, by_time=True)
    for i in range(40):
        task = study.ask()
        assert task is not None
        steps = [{"error": 1 / (1 + k) + 0.01 * (i % 7)} for k in range(task.start, task.stop)]
        study.tell(task, steps, seconds=(1 + len(str(task.config["width"]))) * (i % 5 + 0.5))
    log: list[Event] = study.store.read(study.name)
    assert replay(study.problem, SCHEDULERS[scheduler](), SAMPLERS[sampler](), log) == []
    assert log[0].body["by_time"] is True
    counted = replace(study.problem, by_time=False)
    assert replay(counted, SCHEDULERS[scheduler](), SAMPLERS[sampler](), log), "the control: seconds matter"


def test_a_study_counts_steps_unless_told_otherwise() -> None:
    assert Problem(SPACE).by_time is False
    study = Study(SPACE)
    assert study.history.header["by_time"] is False


def test_a_space_that_runs_out_ends_the_study() -> None:
    study = Study({"k": Choice(*range(7))}, by_time=True, sampler="random")
    for _ in range(7):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": 0.1}], seconds=1.0 + task.trial)
    assert study.ask() is None
    assert len({t.config["k"] for t in study.trials}) == 7
