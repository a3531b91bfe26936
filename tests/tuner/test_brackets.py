"""Successive halving, Hyperband, BOHB and the median rule: who goes on, on logs that are written by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import mean, median
from typing import Any, ClassVar

import numpy as np
import pytest
from problems import RUNGS, SPACE, curve

from seedleaf.core import Config, Fidelity, History, State, Task
from seedleaf.space import Float, Problem, Space
from seedleaf.study import Study
from seedleaf.tuner.bohb import BohbScheduler
from seedleaf.tuner.halving import HalvingScheduler
from seedleaf.tuner.hyperband import hyperband_cycle
from seedleaf.tuner.median import MedianScheduler

LINE = Space(x=Float(0, 1))


def new(scheduler: Any, **more: Any) -> Study:
    more.setdefault("fidelity", RUNGS)
    return Study(LINE, sampler="random", scheduler=scheduler, **more)


def flat(task: Task, loss: float) -> list[dict[str, float]]:
    return [{"error": loss}] * (task.stop - task.start)


def stops(study: Study, asks: int) -> list[tuple[int, int]]:
    """(trial, stop) of the tasks, one at a time; the loss is x at every step."""
    found = []
    for _ in range(asks):
        task = study.ask()
        assert task is not None
        found.append((task.trial, task.stop))
        study.tell(task, flat(task, float(task.config["x"])))  # type: ignore[arg-type]
    return found


def test_a_bracket_of_halving_with_one_worker() -> None:
    study = new("halving")
    found = stops(study, 14)
    assert found[:9] == [(i, 1) for i in range(9)]
    best = sorted(range(9), key=lambda i: study.trials[i].config["x"])  # type: ignore[arg-type, return-value]
    assert found[9:12] == [(i, 3) for i in best[:3]]
    assert found[12:] == [(best[0], 9), (9, 1)], "then the next bracket starts"


def test_no_worker_waits_for_a_rung_and_brackets_do_not_mix() -> None:
    study = new("halving")
    tasks = [task for _ in range(12) if (task := study.ask())]
    assert [(t.trial, t.stop) for t in tasks] == [(i, 1) for i in range(12)]
    for task in tasks[1:]:
        study.tell(task, flat(task, 1.0 - task.trial / 100))
    late = study.ask()
    assert late is not None
    assert late.trial == 12, "trial 0 still runs, so the first bracket promotes nobody"
    study.tell(tasks[0], flat(tasks[0], 2.0))
    nine = [task for _ in range(4) if (task := study.ask())]
    assert [(t.trial, t.stop) for t in nine[:3]] == [(8, 3), (7, 3), (6, 3)], (
        "9 to 11 are of the next bracket"
    )
    assert (nine[3].trial, nine[3].stop) == (13, 1)


def test_who_fails_above_is_replaced_by_the_next_best() -> None:
    study = new("halving", max_trials=9)
    for _ in range(9):
        task = study.ask()
        assert task is not None
        study.tell(task, flat(task, float(task.trial)))
    for wanted in (0, 1, 2, 3):
        task = study.ask()
        assert task is not None
        assert (task.trial, task.stop) == (wanted, 3)
        if wanted < 1:
            study.tell(task, error="out of memory")
        else:
            study.tell(task, flat(task, float(wanted)))
    task = study.ask()
    assert task is not None
    assert (task.trial, task.stop) == (1, 9)


def test_the_last_bracket_is_complete_when_nothing_more_can_start() -> None:
    study = new("halving", max_trials=4)
    found = stops(study, 6)
    best = min(range(4), key=lambda i: study.trials[i].config["x"])  # type: ignore[arg-type, return-value]
    assert found == [(0, 1), (1, 1), (2, 1), (3, 1), (best, 3), (best, 9)]
    assert study.ask() is None
    assert study.history.finished == "4 trials done"


def test_a_queued_trial_takes_part_and_one_with_less_than_the_first_rung_is_brought_there() -> None:
    study = new("halving", fidelity=Fidelity("epoch", 3, 27), max_trials=9)
    study.enqueue({"x": 0.0}, budget=1)
    found = stops(study, 14)
    assert found[:3] == [(0, 1), (0, 3), (1, 3)]
    assert found[-1] == (0, 27)
    assert study.ask() is None


def test_a_size_can_be_given() -> None:
    study = new(HalvingScheduler(size=3))
    found = stops(study, 5)
    assert [stop for _, stop in found] == [1, 1, 1, 3, 9]


def test_the_cycle_of_hyperband_is_that_of_the_paper() -> None:
    """Table 1 of Li et al. 2018: R = 81, eta = 3."""
    problem = Problem(LINE, fidelity=Fidelity("epoch", 1, 81))
    assert hyperband_cycle(problem) == ((0, 81), (1, 34), (2, 15), (3, 8), (4, 5))
    assert hyperband_cycle(Problem(LINE)) == ((0, 1),)


@pytest.mark.parametrize("workers", [1, 7, 40])
def test_hyperband_starts_every_bracket_at_its_rung_whoever_works(workers: int) -> None:
    study = new("hyperband", max_trials=2 * (9 + 5 + 3))
    held: list[Task] = []
    first: dict[int, int] = {}
    rng = np.random.default_rng(0)
    while True:
        task = study.ask() if len(held) < workers else None
        if task is None:
            if not held:
                break
            task = held.pop(int(rng.integers(len(held))))
            study.tell(task, flat(task, float(task.config["x"])))  # type: ignore[arg-type]
            continue
        first.setdefault(task.trial, task.stop)
        held.append(task)
    assert [first[i] for i in range(17)] == [1] * 9 + [3] * 5 + [9] * 3
    # 9 -> 3 -> 1, 5 -> 1 and 3 full trainings in each of the two rounds, out of order or not
    assert Counter(t.step for t in study.trials) == {1: 12, 3: 12, 9: 10}


def test_what_is_over_is_remembered_but_nothing_depends_on_it() -> None:
    study = new("hyperband")
    stops(study, 120)
    key = next(k for k in study.history.memo if k.startswith("brackets:"))
    assert study.history.memo[key] > 50
    log = study.store.read(study.name)
    fresh = History.fold(log)
    again = study.scheduler.propose(study.problem, fresh, study.sampler, np.random.default_rng(1))
    kept = study.scheduler.propose(study.problem, study.history, study.sampler, np.random.default_rng(1))
    assert again == kept


@dataclass(frozen=True)
class Corner:
    """Proposes values above 0.999, so that random ones stand out."""

    name: ClassVar[str] = "corner"
    cites: ClassVar[str] = ""

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        return {"x": 0.999 + 0.001 * float(rng.random())}


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (1 / 3, 20, 60), (1.0, 117, 120)])
def test_a_share_of_bohbs_configs_is_random(share: float, low: int, high: int) -> None:
    study = Study(LINE, sampler=Corner(), scheduler=BohbScheduler(share), fidelity=RUNGS, max_trials=120)
    while (task := study.ask()) is not None:
        study.tell(task, flat(task, float(task.config["x"])))  # type: ignore[arg-type]
    drawn = sum(1 for t in study.trials if float(t.config["x"]) < 0.999)  # type: ignore[arg-type]
    assert low <= drawn <= high


def test_bohb_by_its_name_alone_fits_the_tree_tpe() -> None:
    assert Study(LINE, scheduler="bohb", fidelity=RUNGS).sampler.name == "tpe"


# --- the median rule ---


def run_to(study: Study, task: Task, losses: list[float]) -> None:
    study.tell(task, [{"error": x} for x in losses[task.start : task.stop]])


def test_the_median_rule_compares_the_best_so_far_with_the_others_running_averages() -> None:
    study = new(MedianScheduler(least=3))
    tasks = [task for _ in range(4) if (task := study.ask())]
    for task in tasks:
        run_to(study, task, [task.trial + 1.0] * 9)
    # At step 1 the averages are 1, 2, 3, 4: the last two are worse than the medians of the others, 2 and 2.
    for wanted in ((0, 3), (1, 3), (0, 9)):
        task = study.ask()
        assert task is not None
        assert (task.trial, task.stop) == wanted
        run_to(study, task, [task.trial + 1.0] * 9)
    assert [t.state for t in study.trials] == [State.DONE, State.PAUSED, State.PAUSED, State.PAUSED]
    task = study.ask()
    assert task is not None
    assert (task.trial, task.stop) == (1, 9), "with one other at step 3 there is nothing to judge it by"
    run_to(study, task, [2.0] * 9)
    task = study.ask()
    assert task is not None
    assert [t.state for t in study.trials[2:4]] == [State.STOPPED] * 2
    assert study.trials[3].reason == "worse than the median at step 1"
    # A trial that was bad at first but is better now than the others on average goes on.
    assert (task.trial, task.stop) == (4, 1)
    run_to(study, task, [2.4] + [0.1] * 8)
    task = study.ask()
    assert task is not None
    assert (task.trial, task.stop) == (4, 3), "2.4 is better than the median of 1, 2, 3, 4"


def test_with_fewer_others_than_asked_for_nobody_is_stopped() -> None:
    study = new(MedianScheduler(least=5), max_trials=5)
    while (task := study.ask()) is not None:
        study.tell(task, flat(task, float(task.trial)))
    assert [t.state for t in study.trials] == [State.DONE] * 5


def test_losers_are_kept_until_somebody_was_trained_to_the_end() -> None:
    """The winners fail at their last rung: the best of those that only paused must be finished instead."""
    study = new(MedianScheduler(least=2), max_trials=8)
    tasks = [task for _ in range(8) if (task := study.ask())]
    for task in tasks:
        study.tell(task, flat(task, float(task.trial)))
    while (task := study.ask()) is not None:
        if task.stop == 9 and sum(t.state is State.FAILED for t in study.trials) < 5:
            study.tell(task, error="died")
        else:
            study.tell(task, flat(task, float(task.trial)))
    assert sum(t.state is State.FAILED for t in study.trials) == 5
    assert any(t.state is State.DONE for t in study.trials)


# --- do they save steps? ---


def forty_trials(scheduler: str, seed: int) -> tuple[int, float]:
    """(training steps used, the lowest error of a full training) of forty random trials."""
    study = Study(
        SPACE,
        sampler="random",
        scheduler=scheduler,
        fidelity=Fidelity("epoch", 1, 27),
        seed=seed,
        max_trials=40,
    )
    while (task := study.ask()) is not None:
        study.tell(task, curve(task))
    return sum(t.step for t in study.trials), min(t.metrics["error"] for t in study.history.completed())


@pytest.mark.parametrize(("scheduler", "share"), [("halving", 0.2), ("hyperband", 0.4), ("median", 0.7)])
def test_judging_early_needs_fewer_steps_and_loses_little(scheduler: str, share: float) -> None:
    early, full = ([forty_trials(s, seed) for seed in range(8)] for s in (scheduler, "full"))
    assert mean(steps for steps, _ in early) < share * mean(steps for steps, _ in full)
    assert median(error for _, error in early) < median(error for _, error in full) + 0.03
