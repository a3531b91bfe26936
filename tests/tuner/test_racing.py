"""Racing over folds: who is clearly behind is stopped, who may still be the best is not."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf import Fidelity, Float, Space, Study
from seedleaf.core import State

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
