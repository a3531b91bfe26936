"""Regularised evolution: who may be a parent, how the old die, and what a child is."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

import numpy as np
import pytest
from problems import RUNGS, SPACE, error_of

from seedleaf.core import Task
from seedleaf.seeds import rng_for
from seedleaf.space import Choice, Float, Space
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler, child

LINE = Space(x=Float(0, 1))


def evolved(sampler: EvolutionSampler, losses: list[float], **more: Any) -> Study:
    study = Study(LINE, sampler=sampler, **more)
    for loss in losses:
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": loss}] * (task.stop - task.start))
    return study


def parents(study: Study, sampler: EvolutionSampler) -> list[int]:
    return list(sampler._population(study.problem, study.history))


def test_the_population_is_the_latest_best_first() -> None:
    sampler = EvolutionSampler(population=4, tournament=2, startup=3)
    study = evolved(sampler, [0.0, 5.0, 3.0, 4.0, 2.0])
    assert parents(study, sampler) == [4, 2, 3, 1], "trial 0 was the best and died of age"


def test_too_few_trials_have_no_population() -> None:
    sampler = EvolutionSampler(startup=6)
    assert parents(evolved(sampler, [1.0] * 5), sampler) == []


def test_running_children_take_the_places_of_the_oldest() -> None:
    sampler = EvolutionSampler(population=6, tournament=2, startup=3)
    study = evolved(sampler, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert parents(study, sampler) == [0, 1, 2, 3, 4, 5]
    for _ in range(3):
        study.ask()
    assert parents(study, sampler) == [3, 4, 5]
    for _ in range(5):
        study.ask()
    assert parents(study, sampler) == [4, 5], "a tournament needs two"


def test_parents_are_compared_at_the_highest_rung_with_enough_trials() -> None:
    sampler = EvolutionSampler(startup=3)
    study = Study(LINE, sampler=sampler, scheduler="full", fidelity=RUNGS)
    tasks: list[Task] = [task for _ in range(5) if (task := study.ask())]
    for task in tasks[:2]:
        study.tell(task, [{"error": 1.0}] * 9)
    for task in tasks[2:]:
        study.tell(task, [{"error": 1.0}] * 3, error="out of memory")
    assert parents(study, sampler) == [], "failed trials are nobody's parents"
    more = study.ask()
    assert more is not None
    study.tell(more, [{"error": 0.5}] * 9)
    assert parents(study, sampler) == [5, 0, 1]


@pytest.mark.parametrize(("size", "often"), [(1, 1 / 8), (4, 1 / 2), (8, 1.0)])
def test_a_tournament_is_won_by_the_best_of_so_many(size: int, often: float) -> None:
    space = Space(c=Choice(*range(40)), x=Float(0, 1))
    sampler = EvolutionSampler(population=8, tournament=size, startup=3, scales=(1e-4, 1e-4), stay=0.999)
    study = Study(space, sampler=sampler)
    for i in range(8):
        study.enqueue({"c": i, "x": 0.5})
    for _ in range(8):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": float(task.trial)}])
    population = parents(study, sampler)
    wins = Counter()
    for i in range(400):
        config = sampler._child(study.problem, study.history, population, rng_for(i, "test"))
        if config["x"] != 0.5:  # the number moved, so the choice is the parent's
            wins[config["c"]] += 1
    assert wins[0] / sum(wins.values()) == pytest.approx(often, abs=0.1)


def test_a_child_differs_from_its_parent_in_few_places_and_lies_in_the_tree() -> None:
    rng = np.random.default_rng(0)
    moved = []
    for _ in range(300):
        parent = SPACE.sample(rng)
        born = child(SPACE, parent, rng)
        assert SPACE.contains(born)
        if born["optimizer"] == parent["optimizer"]:
            moved.append(sum(born.get(key) != value for key, value in parent.items()))
    assert 1.0 <= np.mean(moved) < 2.2


def best_of(sampler: str, seed: int) -> float:
    study = Study(SPACE, sampler=sampler, seed=seed)
    for _ in range(80):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": error_of(task.config)}])
    return min(t.metrics["error"] for t in study.trials) - 0.05


@pytest.mark.parametrize("sampler", ["evolution", "policy"])
def test_it_searches_better_than_chance(sampler: str) -> None:
    ours, chance = ([best_of(s, seed) for seed in range(10)] for s in (sampler, "random"))
    assert median(ours) < 0.6 * median(chance), (median(ours), median(chance))
