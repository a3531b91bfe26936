"""Fronts that grow and shrink point by point are those that sorting anew gives; the order within them stands for them."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf.tuner.fronts import Fronts
from seedleaf.tuner.hypervolume import hypervolume
from seedleaf.tuner.pareto import hypervolume_2d, pareto_front
from seedleaf.tuner.spread import spread


def peeled(points: np.ndarray) -> list[set[int]]:
    left, levels = np.arange(len(points)), []
    while len(left):
        mask = pareto_front(points[left])
        levels.append({int(i) for i in left[mask]})
        left = left[~mask]
    return levels


def sets(fronts: Fronts) -> list[set[int]]:
    return [set(level.trials) for level in fronts.levels]


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("values", [4, 1000])
def test_levels_are_those_of_peeling(m: int, values: int) -> None:
    rng = np.random.default_rng(m * values)
    for _ in range(10):
        points = rng.integers(values, size=(70, m)).astype(float)
        grown = Fronts()
        for i in rng.permutation(70):
            grown.add(points[i], int(i))
        at_once = Fronts.of(points, range(70))
        assert sets(grown) == sets(at_once) == peeled(points)
        assert grown.ranked() == at_once.ranked(), "how the points came must not show"


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("values", [4, 1000])
def test_a_point_that_goes_lets_others_move_up(m: int, values: int) -> None:
    rng = np.random.default_rng(m + values)
    points = rng.integers(values, size=(60, m)).astype(float)
    fronts = Fronts.of(points, range(60))
    left = list(range(60))
    while left:
        gone = left.pop(int(rng.integers(len(left))))
        fronts.discard(gone)
        assert sets(fronts) == [{left[i] for i in level} for level in peeled(points[left])]
    assert fronts.ranked() == []
    fronts.discard(5)  # one that is not there


def test_ranked_numbers_say_front_and_place() -> None:
    points = np.array([[0, 3], [1, 1], [3, 0], [2, 2], [9, 9]], float)
    rows = Fronts.of(points, [10, 11, 12, 13, 14]).ranked()
    assert [int(value) for value, _ in rows] == [0, 0, 0, 1, 2]
    assert rows[0] == (0.0, 11), "the knee covers most"
    assert rows == sorted(rows)


def test_the_first_few_of_a_front_cover_nearly_all_of_it() -> None:
    rng = np.random.default_rng(0)
    x = rng.random(200)
    front = np.stack([x, 1 - np.sqrt(x)], axis=1)
    order = spread(front, range(200))
    assert sorted(order) == list(range(200))
    whole = hypervolume_2d(front, [1.1, 1.1])
    ours = hypervolume_2d(front[order[:8]], [1.1, 1.1])
    chance = np.mean([hypervolume_2d(front[rng.permutation(200)[:8]], [1.1, 1.1]) for _ in range(200)])
    assert whole - ours < 0.6 * (whole - chance)


def test_in_three_objectives_the_first_few_are_spread() -> None:
    rng = np.random.default_rng(1)
    front = np.abs(rng.standard_normal((150, 3)))
    front = 1 - front / np.linalg.norm(front, axis=1, keepdims=True)
    corner = np.full(3, 1.1)
    ours = hypervolume(front[spread(front, range(150))[:10]], corner)
    chance = [hypervolume(front[rng.permutation(150)[:10]], corner) for _ in range(100)]
    assert ours > np.quantile(chance, 0.9)


@pytest.mark.parametrize("m", [2, 3])
def test_equal_points_and_points_on_a_line_are_ordered_by_trial(m: int) -> None:
    points = np.ones((5, m))
    assert spread(points, [9, 7, 5, 3, 1]) == [4, 3, 2, 1, 0]
    assert spread(points, [9, 7, 5, 3, 1], chosen=0)[-1] in range(5)
    assert spread(points[:1], [4]) == [0]
