"""What every sampler and scheduler must do: a new row of the registry is tested here without a test of its own."""

from __future__ import annotations

import dataclasses
import math
import random
import warnings
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import PAIRS, RUNGS, SPACE, curve, drive, error_of
from trees import random_tree

from seedleaf.core import Config, Fidelity, State, Task, config_key
from seedleaf.errors import LimitError, SeedleafError, StudyError
from seedleaf.space import Bool, Choice, Float, Int, Space
from seedleaf.study import Study
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS

PAIR = pytest.mark.parametrize(("sampler", "scheduler"), PAIRS)
SAMPLER = pytest.mark.parametrize("sampler", SAMPLERS)
SCHEDULER = pytest.mark.parametrize("scheduler", SCHEDULERS)


BETWEEN = {"freeze-thaw"}  # schedulers that pause trials between rungs


def new(sampler: str = "random", scheduler: str = "full", space: Space = SPACE, **more: Any) -> Study:
    more.setdefault("fidelity", RUNGS)
    return Study(space, sampler=sampler, scheduler=scheduler, **more)


def configs(study: Study) -> list[str]:
    return [config_key(t.config) for t in study.trials]


@PAIR
def test_a_row_is_what_the_table_says(sampler: str, scheduler: str) -> None:
    for name, made in ((sampler, SAMPLERS[sampler]()), (scheduler, SCHEDULERS[scheduler]())):
        assert made.name == name
        assert isinstance(made.cites, str)
        assert dataclasses.is_dataclass(made)
        assert made == type(made)()
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.state = 1  # type: ignore[union-attr]


@PAIR
def test_seeds_reproduce_and_other_seeds_differ(sampler: str, scheduler: str) -> None:
    logs = []
    for seed in (0, 0, 1):
        study = new(sampler, scheduler, seed=seed)
        drive(study, 40)
        logs.append([(e.kind, e.body) for e in study.store.read("study")[1:]])
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]
    starts = [[b["config"]["lr"] for k, b in log if k == "start"] for log in logs]
    assert len(set(starts[0]) & set(starts[2])) <= 1  # some open with the default, whatever the seed


@SAMPLER
@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(tree=st.integers(0, 2**32), seed=st.integers(0, 2**32))
def test_proposals_lie_in_the_tree(sampler: str, tree: int, seed: int) -> None:
    """On random trees, past the samplers' start-up, with failures among the trials."""
    space = random_tree(random.Random(tree), 3)
    study = new(sampler, space=space, fidelity=None, seed=seed)
    for i in range(24):
        task = study.ask()
        if task is None:
            assert study.history.finished
            assert space.size == len(study.trials)
            break
        assert space.check(task.config) == task.config
        value = math.nan if i % 7 == 3 else float(hash(config_key(task.config)) % 97)
        study.tell(task, [{"error": value}])


def area(config: Config) -> dict[str, float]:
    return {"area": float(config["a"]) * float(config["b"]) * (1 + float(config["k"]))}  # type: ignore[arg-type]


TIGHT: dict[str, Any] = dict(
    space=Space(a=Float(0, 1), b=Float(0, 1), k=Choice(*range(8)), mode=Choice(x=dict(n=Int(1, 9)), y={})),
    costs=area,
    anchor={"a": 0.001, "b": 0.001, "k": 0, "mode": "y"},
)


MOST_LOOKED_AT = 3_000  # configs before one is proposed: a tenth of a second


@PAIR
@pytest.mark.parametrize("at_most", [0.1, 2e-5])
def test_limits_are_kept_and_found_at_once(sampler: str, scheduler: str, at_most: float) -> None:
    """2e-5 is kept by about one random config in ten thousand: only the anchor leads there."""
    looked: list[int] = [0]

    def counted(config: Config) -> dict[str, float]:
        looked[-1] += 1
        return area(config)

    study = new(sampler, scheduler, limits={"area": at_most}, **{**TIGHT, "costs": counted})
    for _ in range(40):
        looked.append(0)
        task = study.ask()
        assert task is not None
        assert area(task.config)["area"] <= at_most
        study.tell(task, [{"error": float(task.config["a"])}] * (task.stop - task.start))  # type: ignore[arg-type]
    assert max(looked) < MOST_LOOKED_AT
    assert len(set(configs(study))) == len(study.trials) > 10


@SAMPLER
@pytest.mark.parametrize("space", [Space(a=Float(1, 2)), Space(a=Int(1, 9))])
def test_impossible_limits_are_told_with_the_smallest_cost_seen(sampler: str, space: Space) -> None:
    study = new(sampler, space=space, limits={"params": 0.5}, costs=lambda c: {"params": float(c["a"])})  # type: ignore[arg-type]
    with pytest.raises(LimitError, match=r"params <= 0\.5 \(the smallest seen: 1"):
        study.ask()


@SAMPLER
def test_when_the_few_configs_within_the_limits_are_used_up_the_study_ends(sampler: str) -> None:
    space = Space({f"x{i}": Int(0, 9) for i in range(6)})  # too many to list
    study = new(
        sampler,
        space=space,
        fidelity=None,
        limits={"sum": 1},
        costs=lambda c: {"sum": float(sum(c.values()))},  # type: ignore[arg-type]
        anchor={f"x{i}": 0 for i in range(6)},
        max_trials=20,
    )
    while (task := study.ask()) is not None:
        study.tell(task, [{"error": 1.0}])
    assert study.history.finished
    assert 1 <= len(set(configs(study))) == len(study.trials) <= 7


@PAIR
def test_bad_luck_is_survived(sampler: str, scheduler: str) -> None:
    study = new(sampler, scheduler, max_trials=60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(study, 300)
    assert study.ask() is None
    assert study.history.finished
    assert study.best is not None
    assert study.best.state == State.DONE
    states = {t.state for t in study.trials}
    assert State.FAILED in states
    assert State.RUNNING not in states
    assert not study.history.interrupted()


@PAIR
def test_if_all_fail_the_study_goes_on_to_its_end(sampler: str, scheduler: str) -> None:
    study = new(sampler, scheduler, max_trials=30)
    while (task := study.ask()) is not None:
        study.tell(task, error="no luck")
    assert study.history.finished == "30 trials done"
    assert [t.state for t in study.trials] == [State.FAILED] * 30
    assert study.best is None


FINITE = Space(
    kind=Choice(a=dict(n=Int(1, 3), flag=Bool()), b=dict(o=Choice(1, 2, 3)), c={}), z=Choice("p", "q")
)


@PAIR
def test_a_finite_space_is_tried_once_through(sampler: str, scheduler: str) -> None:
    study = new(sampler, scheduler, FINITE)
    while (task := study.ask()) is not None:
        study.tell(task, [{"error": float(len(str(task.config)))}] * (task.stop - task.start))
    assert len(study.trials) == FINITE.size == 20
    assert len(set(configs(study))) == 20
    assert study.history.finished == "every config of the space has been tried"
    assert any(t.state == State.DONE for t in study.trials)
    before = study.history.seq
    assert study.ask() is None
    assert study.history.seq == before, "asking a finished study writes nothing"


@PAIR
def test_max_trials_counts_all_trials_of_the_study(sampler: str, scheduler: str) -> None:
    first = new(sampler, scheduler, max_trials=7)
    first.enqueue({"lr": 0.1})
    drive(first, 500)
    assert len(first.trials) == 7
    again = new(sampler, scheduler, max_trials=9, store=first.store)
    drive(again, 500)
    assert len(again.trials) == 9
    assert again.history.finished == "9 trials done"


@PAIR
def test_many_asks_before_any_tell_never_repeat(sampler: str, scheduler: str) -> None:
    study = new(sampler, scheduler)
    tasks = [study.ask() for _ in range(60)]
    assert len({t.trial for t in tasks if t}) == 60
    assert len(set(configs(study))) == 60
    for task in [t for t in reversed(tasks) if t]:
        study.tell(task, curve(task))
    more: list[Task] = [t for t in (study.ask() for _ in range(30)) if t]
    assert len({t.trial for t in more}) == 30, "no trial is handed out twice at one time"
    assert len(set(configs(study))) == len(study.trials)


@PAIR
def test_with_every_config_out_there_is_nothing_to_do_but_wait(sampler: str, scheduler: str) -> None:
    study = new(sampler, scheduler, FINITE)
    tasks = [t for t in (study.ask() for _ in range(25)) if t]
    assert len(tasks) == 20
    assert study.ask() is None
    assert study.history.finished is None


@SCHEDULER
@pytest.mark.parametrize("fidelity", [None, Fidelity("epoch", 1, 1), RUNGS, Fidelity("epoch", 2, 81)])
def test_budgets_go_up_and_end_at_the_full_one(scheduler: str, fidelity: Fidelity | None) -> None:
    study = new(scheduler=scheduler, fidelity=fidelity, max_trials=40)
    rungs = fidelity.rungs if fidelity else (1,)
    while (task := study.ask()) is not None:
        assert task.start < task.stop <= task.full == rungs[-1]
        assert task.stop in rungs or scheduler in BETWEEN
        study.tell(task, curve(task))
    assert any(t.state == State.DONE for t in study.trials)


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(
        StudyError, match=r"no sampler is called 'tpi'; there are: auto, .*random, sobol, tpe"
    ):
        new("tpi")
    with pytest.raises(SeedleafError, match="no scheduler is called 'hyper'"):
        new(scheduler="hyper")


# --- does it search well? ---


def steps_until(study: Study, error: float, at_most: int) -> int:
    """Training steps used before a fully trained trial has at most this error."""
    used = 0
    while used < at_most:
        task = study.ask()
        assert task is not None
        study.tell(task, curve(task))
        used += task.stop - task.start
        if task.stop == task.full and error_of(task.config) <= error:
            return used
    return at_most


def bowl(config: Config) -> float:
    return sum((float(v) - 0.3) ** 2 for v in config.values())  # type: ignore[arg-type]


def wavy(config: Config) -> float:
    x, y = float(config["x"]), float(config["y"])  # type: ignore[arg-type]
    return (x - 0.7) ** 2 + 2 * (y - 0.2) ** 2 + 0.05 * (1 - math.cos(12 * math.pi * x))


PROBLEMS: dict[str, tuple[Space, Any]] = {
    "conditional": (SPACE, error_of),
    "bowl": (Space({f"x{i}": Float(0, 1) for i in range(4)}), bowl),
    "wavy": (Space(x=Float(0, 1), y=Float(0, 1), idle=Choice("a", "b", "c")), wavy),
}


def best_of(sampler: str, problem: str, seed: int, trials: int = 80) -> float:
    space, function = PROBLEMS[problem]
    study = new(sampler, space=space, fidelity=None, seed=seed)
    for _ in range(trials):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": function(task.config)}])
    return min(t.metrics["error"] for t in study.trials)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_tpe_is_clearly_better_than_random(problem: str) -> None:
    optimum = 0.05 if problem == "conditional" else 0.0
    tpe, chance = (
        [best_of(sampler, problem, seed) - optimum for seed in range(10)] for sampler in ("tpe", "random")
    )
    assert median(tpe) < 0.6 * median(chance), (median(tpe), median(chance))


def test_asha_gets_there_with_fewer_steps() -> None:
    asha, full = (
        [float(steps_until(new("random", s, seed=seed), 0.075, 2000)) for seed in range(10)]
        for s in ("asha", "full")
    )
    assert median(asha) < 0.6 * median(full), (median(asha), median(full))
