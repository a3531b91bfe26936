"""Limits that only a measurement can judge: Deb's order, what is best, who is promoted, and what samplers make of it."""

from __future__ import annotations

import math
from statistics import median

import pytest

from seedleaf.core import Config, Fidelity, Limit, Resume, State
from seedleaf.errors import LimitError, StudyError
from seedleaf.space import Choice, Float, Problem, Space
from seedleaf.study import Study
from seedleaf.tuner.base import decide, ranked
from seedleaf.tuner.constraints import violation
from seedleaf.tuner.registry import SCHEDULERS

SPACE = Space(x=Float(0, 1), y=Float(0, 1))
LIMITS = {"latency_ms": 5.0}


def told(study: Study, rows: list[tuple[float, float]], limit: str = "latency_ms") -> None:
    """One trial per (error, limited metric)."""
    for error, value in rows:
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": error, limit: value}] * (task.stop - task.start))


def test_how_far_beyond_is_a_share_of_each_bound() -> None:
    limits = (Limit("a", 10), Limit("b", 0), Limit("c", -2))
    assert violation(limits, {"a": 10, "b": 0, "c": -2}) == 0
    assert violation(limits, {"a": 15, "b": 1, "c": -1}) == pytest.approx(0.5 + 1 + 0.5)
    assert violation(limits, {"a": 1, "b": math.nan, "c": -3}) == math.inf
    assert violation(limits, {"a": 1, "b": 0}) == math.inf
    assert violation((), {}) == 0


def test_who_breaks_a_limit_comes_last_and_is_never_best() -> None:
    study = Study(SPACE, limits=LIMITS, sampler="random")
    told(study, [(0.1, 9), (0.5, 5), (0.05, 6), (0.4, 1), (0.01, math.nan)])
    rows = ranked(study.problem, study.history, 1)
    assert [trial for _, trial in rows] == [3, 1, 2, 0, 4]
    assert [value for value, _ in rows] == [0.4, 0.5, math.inf, math.inf, math.inf]
    assert study.best is study.trials[3]
    assert study.front == [study.trials[3]]


def test_while_nobody_keeps_the_limits_there_is_no_best_and_the_nearest_leads() -> None:
    study = Study(SPACE, limits=LIMITS, sampler="random")
    told(study, [(0.1, 9), (0.5, 6)])
    assert study.best is None
    assert study.front == []
    assert ranked(study.problem, study.history, 1) == [(pytest.approx(0.2), 1), (pytest.approx(0.8), 0)]


def test_a_limit_on_the_objective_itself() -> None:
    study = Study(SPACE, minimize="latency_ms", limits={"error": 0.2}, sampler="random")
    told(study, [(0.1, 9), (0.5, 1), (0.15, 6)])
    assert study.best is study.trials[2]


def test_a_metric_with_a_limit_must_be_told() -> None:
    study = Study(SPACE, limits=LIMITS, sampler="random")
    task = study.ask()
    assert task is not None
    with pytest.raises(StudyError, match="'latency_ms' has a limit, but neither costs"):
        study.tell(task, [{"error": 0.1}])


def test_known_limits_stay_known() -> None:
    """What costs(config) gives is judged before training; the trial need not report it."""
    costs = lambda config: {"size": float(config["x"])}  # noqa: E731
    problem = Problem(SPACE, limits=(Limit("size", 0.5), Limit("latency_ms", 5)), costs=costs)
    assert problem.measured_limits == (Limit("latency_ms", 5),)
    assert problem.feasible({"x": 0.4, "y": 0.0})
    assert not problem.feasible({"x": 0.6, "y": 0.0})
    study = Study(SPACE, limits={"size": 0.5}, costs=costs, sampler="random")
    task = study.ask()
    assert task is not None
    study.tell(task, [{"error": 1.0, "size": 99.0}])
    assert study.best is study.trials[0]


def test_a_cost_that_is_given_for_some_configs_only_is_refused() -> None:
    space = Space(kind=Choice("net", "tree"))
    problem = Problem(
        space, limits=(Limit("macs", 5),), costs=lambda c: {"macs": 1.0} if c["kind"] == "net" else {}
    )
    with pytest.raises(
        LimitError, match=r"costs.config. gives 'macs' for some configs; here it gives nothing"
    ):
        problem.feasible({"kind": "tree"})


def test_asha_promotes_nobody_who_breaks_a_limit() -> None:
    study = Study(SPACE, limits=LIMITS, sampler="random", scheduler="asha", fidelity=Fidelity("epoch", 1, 9))
    told(study, [(0.5, 2), (0.01, 9), (0.02, 9)])
    decision = decide(study.problem, study.history, study.scheduler, study.sampler)
    assert decision == Resume(0, 3)
    told(study, [(0.5, 2), *[(0.001, 9)] * 40])
    assert all(t.step == 1 for t in study.trials if t.metrics["latency_ms"] > 5)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_scheduler_trains_on_what_breaks_a_limit_that_others_keep(scheduler: str) -> None:
    """Half of the trials look better and break the limit."""
    study = Study(
        SPACE, limits=LIMITS, sampler="random", scheduler=scheduler, fidelity=Fidelity("epoch", 1, 9), seed=1
    )
    went_on: list[int] = []
    for _ in range(150):
        task = study.ask()
        if task is None:
            break
        went_on += [task.trial] * (task.start > 0)
        slow = task.trial % 2
        error = float(task.config["x"]) - 0.5 * slow  # type: ignore[arg-type]
        study.tell(task, [{"error": error, "latency_ms": 1.0 + 8 * slow}] * (task.stop - task.start))
    assert study.best is not None
    assert study.best.id % 2 == 0
    assert not [t for t in went_on if t % 2 and t > 9], "the first few have nobody to be compared with"
    assert scheduler == "full" or len(went_on) > 5


def test_where_training_is_to_reach_the_limit_the_nearest_are_promoted() -> None:
    study = Study(
        SPACE,
        minimize="size",
        limits={"error": 0.1},
        sampler="random",
        scheduler="asha",
        fidelity=Fidelity("epoch", 1, 9),
    )
    for error in (0.5, 0.3, 0.4):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"size": 1.0, "error": error}])
    assert decide(study.problem, study.history, study.scheduler, study.sampler) == Resume(1, 3)


def test_at_the_end_one_that_keeps_the_limits_is_brought_to_the_full_budget() -> None:
    study = Study(
        SPACE,
        limits=LIMITS,
        sampler="random",
        scheduler="asha",
        fidelity=Fidelity("epoch", 1, 9),
        max_trials=2,
    )
    told(study, [(0.1, 9), (0.5, 2), (0.5, 2), (0.5, 2)])
    assert study.best is study.trials[1]
    assert study.best.state == State.DONE
    assert study.ask() is None


def test_a_failed_trial_leaves_the_order() -> None:
    study = Study(SPACE, limits=LIMITS, sampler="random", scheduler="asha", fidelity=Fidelity("epoch", 1, 9))
    told(study, [(0.1, 1), (0.2, 9), (0.3, 2)])
    assert len(ranked(study.problem, study.history, 1)) == 3
    task = study.ask()
    assert task is not None
    assert task.trial == 0
    study.tell(task, error="CUDA went away")
    assert [t for _, t in ranked(study.problem, study.history, 1)] == [2, 1]


def ridge(config: Config) -> dict[str, float]:
    """The best error lies where the limit is just kept; most of the good half breaks it."""
    x, y = float(config["x"]), float(config["y"])  # type: ignore[arg-type]
    return {"error": (x - 0.8) ** 2 + (y - 0.8) ** 2, "latency_ms": 6.25 * (x + y)}


def best_error(sampler: str, seed: int, trials: int = 60) -> float:
    study = Study(SPACE, limits=LIMITS, sampler=sampler, seed=seed)
    for _ in range(trials):
        task = study.ask()
        assert task is not None
        study.tell(task, [ridge(task.config)])
    return study.best.metrics["error"] if study.best else 1.0


@pytest.mark.parametrize(("sampler", "trials", "at_most"), [("tpe", 60, 0.6), ("pareto-gp", 30, 0.1)])
def test_samplers_learn_where_the_limits_are_kept(sampler: str, trials: int, at_most: float) -> None:
    optimum = 2 * 0.4**2
    ours = median(best_error(sampler, seed, trials) - optimum for seed in range(5))
    chance = median(best_error("random", seed, trials) - optimum for seed in range(15))
    assert ours < at_most * chance, (ours, chance)


def test_while_nothing_keeps_the_limits_the_sampler_goes_towards_them() -> None:
    """One random config in a thousand keeps them."""
    space = Space({f"x{i}": Float(0, 1) for i in range(3)})
    study = Study(space, limits={"far": 0.06}, sampler="pareto-gp", seed=1)
    for _ in range(60):
        task = study.ask()
        assert task is not None
        x = [float(v) for v in task.config.values()]  # type: ignore[arg-type]
        far = math.dist(x, (0.2, 0.7, 0.4))
        study.tell(task, [{"error": x[0], "far": far}])
        if study.best is not None:
            return
    pytest.fail("no config within the limits was found")
