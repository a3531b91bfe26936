"""Racing over folds: who is clearly behind is stopped, who may still be the best is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seedleaf import Choice, Fidelity, Float, Space, Study
from seedleaf.core import State
from seedleaf.tuner.racing import RacingScheduler

HARD = np.array([0.3, -0.1, 0.2, -0.25, -0.15])  # some folds are harder, for every config alike


def race(max_trials: int | None = None, seed: int = 0) -> Study:
    """A study of random configs over five folds."""
    return Study(
        Space(x=Float(0, 1)),
        minimize="loss",
        fidelity=Fidelity("fold", 1, 5, eta=2),
        sampler="random",
        scheduler="racing",
        max_trials=max_trials,
        seed=seed,
    )


def raced(levels: list[float], noise: float, seed: int = 0) -> Study:
    """Trials of these true losses, one after the other; a step's metric is the mean over the folds so far."""
    study = race(len(levels), seed)
    rng = np.random.default_rng(seed)
    folds = {i: level + HARD + noise * rng.normal(size=5) for i, level in enumerate(levels)}
    while (task := study.ask()) is not None:
        means = np.cumsum(folds[task.trial]) / np.arange(1, 6)
        study.tell(task, [{"loss": float(v)} for v in means[task.start : task.stop]])
    return study


def test_the_clearly_worse_are_stopped_early_and_the_best_are_judged_on_all() -> None:
    study = raced([1.0, 1.02, 0.99, 1.5, 1.6, 1.01, 0.9, 1.7], noise=0.02)
    states = [t.state for t in study.trials]
    assert [states[i] for i in (3, 4, 7)] == [State.STOPPED] * 3
    assert all(study.trials[i].step <= 2 for i in (3, 4, 7))
    assert states[6] is State.DONE
    assert study.best is not None
    assert study.best.id == 6
    assert "clearly behind trial" in study.trials[3].reason


@pytest.mark.parametrize("seed", range(5))
def test_equals_are_seldom_stopped(seed: int) -> None:
    study = raced([1.0] * 12, noise=0.05, seed=seed)
    assert sum(t.state is State.DONE for t in study.trials) >= 8


def test_hard_folds_are_no_reason() -> None:
    """The first fold is harder for all: judged by its value alone, a better config would look worse than a mean over all."""
    study = raced([1.0, 1.0, 0.95], noise=0.005)
    assert study.trials[2].state is State.DONE


def test_the_best_of_those_that_wait_goes_on_first() -> None:
    """Queued for one fold each, none goes on before all have had it; then the best is brought to its end."""
    study = race()
    for i in range(3):
        study.enqueue({"x": i / 4}, budget=1)
    order = []
    for _ in range(5):
        task = study.ask()
        assert task is not None
        order.append((task.trial, task.stop))
        study.tell(task, [{"loss": [2.0, 1.0, 3.0][task.trial]}] * (task.stop - task.start))
    assert order == [(0, 1), (1, 1), (2, 1), (1, 2), (1, 5)]


def kinds(
    levels: dict[str, list[float]], seconds: dict[str, float], **options: Any
) -> tuple[Study, list[int]]:
    """Trials of kinds, in the order of `levels`, each of its true loss; a step of a kind takes so many seconds. And the
    trials in the order in which they did steps."""
    study = Study(
        Space(kind=Choice(*levels), x=Float(0, 1)),
        minimize="loss",
        fidelity=Fidelity("fold", 1, 5, eta=2),
        sampler="random",
        scheduler=RacingScheduler(**options),
        max_trials=sum(map(len, levels.values())),
    )
    true = {}
    for kind, own in levels.items():
        for i, level in enumerate(own):
            true[study.enqueue({"kind": kind, "x": i / 100}, budget=1)] = level
    order = []
    while (task := study.ask()) is not None:
        order.append(task.trial)
        means = np.cumsum(true[task.trial] + HARD) / np.arange(1, 6)
        steps = [{"loss": float(v)} for v in means[task.start : task.stop]]
        study.tell(task, steps, seconds=len(steps) * seconds[str(task.config["kind"])])
    return study, order


def done(study: Study) -> list[int]:
    return [t.id for t in study.trials if t.state is State.DONE]


LEVELS = {"a": [1.0, 1.01, 1.02, 1.015], "b": [2.0, 1.8, 1.9], "c": [3.0, 4.0]}


def test_the_best_of_each_kind_is_judged_on_all_where_that_is_cheap() -> None:
    cheap = dict.fromkeys("abc", 1.0)
    assert done(kinds(LEVELS, cheap)[0]) == [0], "without noise whatever is behind is clearly behind"
    study, _ = kinds(LEVELS, cheap, kin=("kind",), spare=0.5)
    assert done(study) == [0, 5, 7]
    assert [study.trials[i].state for i in (4, 6, 8)] == [State.STOPPED] * 3, "not the best of their kind"


def test_one_beyond_a_limit_is_not_the_best_of_its_kind() -> None:
    study = Study(
        Space(kind=Choice("a", "b"), x=Float(0, 1)),
        minimize="loss",
        fidelity=Fidelity("fold", 1, 5, eta=2),
        sampler="random",
        limits={"bytes": 10.0},
        scheduler=RacingScheduler(kin=("kind",), spare=0.5),
        max_trials=4,
    )
    given = [("a", 1.0, 1.0), ("a", 1.01, 1.0), ("b", 1.8, 99.0), ("b", 1.9, 1.0)]
    for i, (kind, _, _) in enumerate(given):
        study.enqueue({"kind": kind, "x": i / 10}, budget=1)
    while (task := study.ask()) is not None:
        _, loss, size = given[task.trial]
        steps = [{"loss": loss, "bytes": size}] * (task.stop - task.start)
        study.tell(task, steps, seconds=float(len(steps)))
    assert [t.state for t in study.trials] == [State.DONE, State.STOPPED, State.STOPPED, State.DONE]


def test_what_is_dear_waits_until_enough_was_spent() -> None:
    """Of kind c a step is twenty times as dear; nothing else can be begun, so that it goes on in the end, and last."""
    study, order = kinds(LEVELS, {"a": 1.0, "b": 1.0, "c": 20.0}, kin=("kind",), spare=0.3)
    assert done(study) == [0, 5, 7]
    assert order[-2:] == [7, 7]
