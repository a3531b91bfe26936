"""What is kept sorted from decision to decision says what a look at all trials says."""

from __future__ import annotations

import pytest
from problems import RUNGS, SPACE, curve, drive

from seedleaf.core import Objective, incumbent
from seedleaf.space import Choice, Float, Space
from seedleaf.study import Study
from seedleaf.tuner.base import best_trial
from seedleaf.tuner.constraints import keeps_limits
from seedleaf.tuner.gradual import GradualSampler
from seedleaf.tuner.standing import Standing

ERROR = Objective("error")


@pytest.mark.parametrize("seed", range(4))
def test_it_follows_a_study_with_bad_luck(seed: int) -> None:
    study = Study(SPACE, fidelity=RUNGS, scheduler="asha", sampler="random", seed=seed)
    for i in range(25):
        drive(study, 8, seed=100 * seed + i)
        kept, anew = Standing.of(study.history, ERROR), Standing()
        anew._add(study.history, ERROR, study.history.trials)
        assert {s: rows for s, rows in kept.rows.items() if rows} == anew.rows
        assert best_trial(study.problem, study.history) == incumbent(study.history, ERROR)


def test_measured_limits_and_those_passed_over_are_no_incumbents() -> None:
    limits = {"size": 3.0}
    study = Study(Space(x=Float(0, 1)), fidelity=RUNGS, scheduler="asha", limits=limits, seed=0)
    for i in range(60):
        task = study.ask()
        assert task is not None
        study.tell(task, [{**row, "size": float(i % 6)} for row in _falling(task.start, task.stop, i)])

    def keeps(trial):  # type: ignore[no-untyped-def]
        return keeps_limits(study.problem, trial)

    best = best_trial(study.problem, study.history)
    assert best == incumbent(study.history, ERROR, keeps)
    second = best_trial(study.problem, study.history, over=lambda trial: trial == best)
    assert second == incumbent(study.history, ERROR, lambda trial: keeps(trial) and trial != best)


def test_of_many_paused_trials_the_best_of_each_step_are_weighed() -> None:
    study = Study(SPACE, fidelity=RUNGS, scheduler="asha", sampler="random", seed=0)
    for _ in range(150):
        task = study.ask()
        assert task is not None
        study.tell(task, curve(task))
    standing = Standing.of(study.history, ERROR)
    paused = study.history.paused()
    assert standing.best_paused(study.history, len(paused)) == paused
    some = standing.best_paused(study.history, 10)
    assert len(some) == 10
    assert {t.step for t in some} == {t.step for t in paused}
    for step in {t.step for t in some}:
        here = [ERROR.loss(t.metrics) for t in some if t.step == step]
        others = [ERROR.loss(t.metrics) for t in paused if t.step == step and t not in some]
        assert max(here) <= min(others)


def test_a_study_opens_with_the_default_where_a_model_or_its_stand_in_proposes() -> None:
    space = Space(lr=Float(1e-4, 1, log=True, default=3e-3), kind=Choice("a", "b", default="b"))
    for scheduler, sampler in (("auto", "auto"), ("full", "tpe"), ("asha", "gp")):
        study = Study(space, fidelity=RUNGS, scheduler=scheduler, sampler=sampler, seed=1)
        assert study.ask().config == {"lr": 3e-3, "kind": "b"}  # type: ignore[union-attr]
    study = Study(space, sampler="random", seed=1)
    assert study.ask().config["lr"] != 3e-3  # type: ignore[union-attr]


def test_from_many_trials_on_tpe_proposes_a_share() -> None:
    study = Study(Space(x=Float(0, 1), y=Float(0, 1)), sampler=GradualSampler(many=40, model=0.8), seed=0)
    for _ in range(140):
        task = study.ask()
        assert task is not None
        far = (task.config["x"] - 0.2) ** 2 + (task.config["y"] - 0.7) ** 2  # type: ignore[operator]
        study.tell(task, [{"error": far}])
    errors = [t.metrics["error"] for t in study.trials]
    assert sum(e < 0.02 for e in errors[40:]) / 100 > 3 * max(sum(e < 0.02 for e in errors[:40]), 1) / 40


def test_a_forbidden_or_too_large_default_is_not_opened_with() -> None:
    problem_space = Space(width=Choice(8, 16, 32, default=32), x=Float(0, 1))
    study = Study(
        problem_space,
        limits={"params": 20.0},
        costs=lambda config: {"params": float(config["width"])},  # type: ignore[arg-type]
        sampler="gp",
        seed=0,
    )
    task = study.ask()
    assert task is not None
    assert task.config["width"] != 32


def _falling(start: int, stop: int, trial: int) -> list[dict[str, float]]:
    return [{"error": (trial * 7 % 60) / 60 + 1 / step} for step in range(start + 1, stop + 1)]
