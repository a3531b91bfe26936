"""Beliefs in samplers: the centre first, a good prior helps, a wrong one is let go of, and no sampler depends on it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import pytest
from problems import RUNGS

from seedleaf.core import Config
from seedleaf.seeds import rng_for
from seedleaf.space import Choice, Float, Int, Space
from seedleaf.study import Study
from seedleaf.tuner.prior import LEAST, MOST, centre, draw, share

BELIEVERS = ["random", "sobol", "tpe", "evolution", "policy"]


def space(lr: float | None = None, width: float | None = None, kind: str | None = None) -> Space:
    """The toy of these tests; it is best at lr = 1e-4, width = 0.2, kind = b and the momentum 0.9 that stands there."""
    return Space(
        lr=Float(1e-5, 1, log=True, prior=lr),
        width=Float(0, 1, prior=width),
        kind=Choice(
            a={}, b=dict(momentum=Float(0, 1, prior=0.8 if lr else None)), c=dict(n=Int(1, 9)), prior=kind
        ),
    )


def loss(config: Config) -> float:
    far = (np.log10(float(config["lr"])) + 4) ** 2 / 4 + 2 * (float(config["width"]) - 0.2) ** 2  # type: ignore[arg-type]
    branch = (float(config["kind.momentum"]) - 0.9) ** 2 if config["kind"] == "b" else 0.3  # type: ignore[arg-type]
    return float(far + branch)


NONE, GOOD, WRONG = space(), space(3e-4, 0.3, "b"), space(0.7, 0.95, "a")


def searched(sampler: str, where: Space, seed: int, trials: int, **more: Any) -> Study:
    study = Study(where, sampler=sampler, scheduler="full", seed=seed, **more)
    for _ in range(trials):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": loss(task.config)}] * (task.stop - task.start))
    return study


@cache
def losses(sampler: str, belief: str, seed: int) -> list[float]:
    """The losses of fifty trials, in their order."""
    where = {"none": NONE, "good": GOOD, "wrong": WRONG}[belief]
    return [t.metrics["error"] for t in searched(sampler, where, seed, 50).trials]


def typical(sampler: str, belief: str, trials: int) -> float:
    """The median over ten seeds of the lowest loss after so many trials."""
    return median(min(losses(sampler, belief, seed)[:trials]) for seed in range(10))


def test_the_centre_holds_every_prior_and_else_the_defaults() -> None:
    assert centre(GOOD) == {"lr": 3e-4, "width": 0.3, "kind": "b", "kind.momentum": 0.8}
    mixed = Space(x=Float(0, 1, default=0.2, prior=0.7), y=Float(0, 1, default=0.2), z=Choice("p", "q"))
    assert centre(mixed) == {"x": 0.7, "y": 0.2, "z": "p"}


@pytest.mark.parametrize("sampler", BELIEVERS)
def test_the_first_config_is_the_priors_centre_and_no_later_one_is(sampler: str) -> None:
    study = searched(sampler, GOOD, 0, 6)
    assert [t.config == centre(GOOD) for t in study.trials] == [True] + [False] * 5


@pytest.mark.parametrize("sampler", BELIEVERS)
def test_queued_configs_come_before_the_centre(sampler: str) -> None:
    study = Study(GOOD, sampler=sampler)
    study.enqueue({"lr": 0.5})
    configs = [task.config for _ in range(2) if (task := study.ask())]
    assert configs[0]["lr"] == 0.5
    assert configs[1] == centre(GOOD)


@pytest.mark.parametrize("sampler", BELIEVERS)
def test_a_centre_beyond_the_limits_is_left_out(sampler: str) -> None:
    study = Study(GOOD, sampler=sampler, limits={"lr": 1e-4}, costs=lambda c: {"lr": float(c["lr"])})  # type: ignore[arg-type]
    for _ in range(5):
        task = study.ask()
        assert task is not None
        assert float(task.config["lr"]) <= 1e-4  # type: ignore[arg-type]


@pytest.mark.parametrize("sampler", BELIEVERS)
def test_a_good_prior_helps_from_the_start(sampler: str) -> None:
    assert typical(sampler, "good", 15) < 0.4 * typical(sampler, "none", 15)


@pytest.mark.parametrize("sampler", BELIEVERS)
def test_a_wrong_prior_costs_little(sampler: str) -> None:
    """Far from the optimum, and for a branch that cannot win: at most half of the trials are lost, not the search."""
    assert typical(sampler, "wrong", 5) > 2 * typical(sampler, "none", 5), "it must be wrong to say something"
    assert typical(sampler, "wrong", 50) < 1.1 * typical(sampler, "none", 25)


def test_evidence_moves_the_share_of_the_prior() -> None:
    def after(where: Space, trials: int) -> float:
        study = searched("random", where, 1, trials)
        return share(study.problem, study.history)

    assert share(Study(NONE).problem, Study(NONE).history) == 0.0
    assert after(GOOD, 0) == pytest.approx(MOST)
    assert after(WRONG, 0) == pytest.approx(MOST), "before any evidence a belief is believed"
    assert after(GOOD, 60) > 0.45
    assert LEAST <= after(WRONG, 25) < 0.3
    assert after(WRONG, 120) < 0.1


def test_draws_follow_the_share_and_stay_in_the_space() -> None:
    study = searched("random", WRONG, 1, 120)
    near = 0
    for i in range(400):
        config = draw(study.problem, study.history, rng_for(i, "test"))
        assert WRONG.contains(config)
        near += float(config["lr"]) > 0.1  # type: ignore[arg-type]
    assert 40 < near < 140, "a fifth of the uniform draws, and hardly more"


def test_a_sequence_stays_even_under_the_prior() -> None:
    """Sobol's points through the quantiles of the prior: their share below its centre is that of the prior."""
    line = Space(x=Float(0, 1, prior=0.3))
    study = Study(line, sampler="sobol", fidelity=RUNGS)
    found = [float(task.config["x"]) for _ in range(64) if (task := study.ask())]  # type: ignore[arg-type]
    below = sum(x < 0.3 for x in found) / 64
    assert 0.38 < below < 0.52


def test_the_share_does_not_depend_on_the_memo() -> None:
    study = searched("tpe", GOOD, 3, 40)
    kept = share(study.problem, study.history)
    study.history.memo.clear()
    assert share(study.problem, study.history) == kept
    assert share(replace(study.problem, seed=9), study.history) == kept
