"""Freeze-thaw as a user meets it: better than its rivals on the toy, and never at a loss."""

from __future__ import annotations

import math
from statistics import median

import pytest
from problems import RUNGS, SPACE, curve, error_of

from seedleaf.core import Fidelity, Objective, State
from seedleaf.space import Choice, Float, Problem, Space
from seedleaf.study import Study
from seedleaf.tuner.curves import trust
from seedleaf.tuner.freeze_thaw import FreezeThawScheduler, Repeats
from seedleaf.tuner.registry import pick_sampler, pick_scheduler


def reached(scheduler: str, sampler: str, seed: int, trainings: int) -> float:
    """The error in the end of the config that a study holds for the best after so many full trainings' steps."""
    study = Study(SPACE, fidelity=RUNGS, scheduler=scheduler, sampler=sampler, seed=seed)
    used = 0
    while used < trainings * RUNGS.high:
        task = study.ask()
        assert task is not None
        study.tell(task, curve(task))
        used += task.stop - task.start
    assert study.best is not None
    return error_of(study.best.config)


def test_it_needs_fewer_steps_than_random_asha() -> None:
    ours = median(reached("freeze-thaw", "auto", seed, 12) for seed in range(12))
    theirs = median(reached("asha", "random", seed, 12) for seed in range(12))
    floor = 0.5 / 10
    assert ours - floor < 0.75 * (theirs - floor), (ours, theirs)


def test_a_curve_that_repeats_another_is_not_trained_twice() -> None:
    study = Study(Space(x=Float(0, 1)), fidelity=RUNGS, scheduler="freeze-thaw", seed=0)
    for _ in range(80):  # two terraces: every config on one of them has the same curve
        task = study.ask()
        assert task is not None
        floor = 0.1 if float(task.config["x"]) < 0.3 else 0.2  # type: ignore[arg-type]
        study.tell(task, [{"error": floor + 1 / s} for s in range(task.start + 1, task.stop + 1)])
    known = Repeats(study.problem, study.history)
    assert sum(known(t) for t in study.history.paused()) > 2
    ahead = [t for t in study.trials if len(t.measurements) > 1 and not known(t)]
    assert len(ahead) <= 2  # one on each terrace
    assert all(t.step < RUNGS.high for t in study.trials if t not in ahead)


def test_the_model_is_trusted_where_it_foresees_new_configs() -> None:
    trusted = {}
    for foreseeable in (True, False):
        study = Study(Space(x=Float(0, 1)), fidelity=RUNGS, scheduler="asha", sampler="random", seed=0)
        for _ in range(60):
            task = study.ask()
            assert task is not None
            x = float(task.config["x"])  # type: ignore[arg-type]
            floor = x if foreseeable else math.modf(x * 1e6)[0]
            study.tell(task, [{"error": floor + 1 / s} for s in range(task.start + 1, task.stop + 1)])
        trusted[foreseeable] = trust(study.problem, study.history)
    assert trusted[True] > 0.8
    assert trusted[False] < 0.4


def test_the_first_training_goes_as_asha_would() -> None:
    logs = []
    for scheduler in ("freeze-thaw", "asha"):
        study = Study(SPACE, fidelity=RUNGS, scheduler=scheduler, sampler="random", seed=3)
        steps = 0
        while steps < 9:
            task = study.ask()
            assert task is not None
            study.tell(task, curve(task))
            steps += task.stop - task.start
        logs.append([(t.config, t.step) for t in study.trials])
    assert logs[0] == logs[1]


def test_out_of_trials_it_finishes_the_best_and_leaves_the_hopeless() -> None:
    study = Study(SPACE, fidelity=RUNGS, scheduler="freeze-thaw", max_trials=30, seed=1)
    while (task := study.ask()) is not None:
        study.tell(task, curve(task))
    assert study.history.finished == "30 trials done"
    assert study.best is not None
    assert study.best.state is State.DONE
    assert sum(t.state is State.DONE for t in study.trials) < 15


def test_a_small_space_is_searched_and_left() -> None:
    space = Space(a=Choice(*range(3)), b=Choice(*range(4)))
    study = Study(space, fidelity=RUNGS, scheduler="freeze-thaw", seed=0)
    while (task := study.ask()) is not None:
        floor = 0.1 * float(task.config["a"]) + 0.2 * float(task.config["b"])  # type: ignore[arg-type]
        study.tell(task, [{"error": floor + 1 / s} for s in range(task.start + 1, task.stop + 1)])
    assert study.history.finished == "every config of the space has been tried"
    assert study.best is not None
    assert (study.best.config, study.best.state) == ({"a": 0, "b": 0}, State.DONE)
    assert any(t.state is State.PAUSED for t in study.trials)


def test_a_space_without_parameters_is_one_trial() -> None:
    study = Study(Space(), fidelity=RUNGS, scheduler="freeze-thaw")
    while (task := study.ask()) is not None:
        study.tell(task, [{"error": 1 / s} for s in range(task.start + 1, task.stop + 1)])
    assert [t.state for t in study.trials] == [State.DONE]


def test_a_thousand_workers_are_not_kept_waiting() -> None:
    """With a crowd at work nothing is modelled: every decision is ASHA's."""
    study = Study(SPACE, fidelity=RUNGS, scheduler="freeze-thaw", seed=0)
    tasks = [study.ask() for _ in range(200)]
    for task in tasks[:100]:
        assert task is not None
        study.tell(task, curve(task))
    assert study.ask() is not None
    assert not any(str(key).startswith("curves:") for key in study.history.memo)


def test_curves_that_all_diverge_are_survived() -> None:
    study = Study(SPACE, fidelity=RUNGS, scheduler="freeze-thaw", seed=0)
    for i in range(40):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": math.nan if i % 3 else 1e30}] * (task.stop - task.start))


@pytest.mark.parametrize("low", [1, 5])
def test_budgets_hold_to_the_first_rung_and_the_last(low: int) -> None:
    study = Study(Space(x=Float(0, 1)), fidelity=Fidelity("epoch", low, 20), scheduler="freeze-thaw", seed=0)
    for _ in range(60):
        task = study.ask()
        assert task is not None
        assert task.stop >= low
        assert task.stop <= 20
        x = float(task.config["x"])  # type: ignore[arg-type]
        study.tell(task, [{"error": x + 1 / s} for s in range(task.start + 1, task.stop + 1)])


def test_what_auto_means() -> None:
    space = Space(x=Float(0, 1), c=Choice("a", "b"))
    one, two = (Objective("error"),), (Objective("error"), Objective("size"))
    picked = {
        (len(objectives), fidelity is not None): (
            pick_scheduler(problem := Problem(space, objectives, fidelity=fidelity)).name,
            pick_sampler(problem).name,
        )
        for objectives in (one, two)
        for fidelity in (None, RUNGS)
    }
    assert picked[1, True] == ("freeze-thaw", "gradual")
    assert picked[1, False] == ("full", "gp")
    assert picked[2, True][0] == "asha"
    assert picked[2, False][0] == "full"
    assert FreezeThawScheduler() == pick_scheduler(Problem(space, one, fidelity=RUNGS))
