"""The front and its area, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf.tuner.pareto import hypervolume_2d, pareto_front


def brute(points: np.ndarray) -> np.ndarray:
    return np.array([not any((q <= p).all() and (q < p).any() for q in points) for p in points], dtype=bool)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [3, 1000])
def test_front_equals_brute_force(m: int, levels: int) -> None:
    rng = np.random.default_rng(m * levels)
    for _ in range(20):
        points = rng.integers(levels, size=(40, m)).astype(float)
        assert (pareto_front(points) == brute(points)).all()


def test_equal_points_are_all_on_the_front_and_nan_never() -> None:
    nan = np.nan
    assert pareto_front([[1, 2], [1, 2], [2, 2], [nan, 0], [0, nan]]).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_no_points() -> None:
    assert pareto_front([]).tolist() == []
    assert pareto_front(np.empty((0, 3))).tolist() == []
    assert hypervolume_2d([], [1, 1]) == 0.0


def test_infinity_loses_to_every_number() -> None:
    assert pareto_front([[np.inf, 1], [5, 1], [1, np.inf]]).tolist() == [False, True, True]


def test_hypervolume_of_a_staircase() -> None:
    assert hypervolume_2d([[1, 3], [2, 2], [3, 1], [3, 3]], [4, 4]) == pytest.approx(3 + 2 + 1)
    assert hypervolume_2d([[5, 1], [np.nan, 1]], [4, 4]) == 0.0


def test_hypervolume_against_counting_cells() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 30, size=(25, 2))
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    covered = ((points[:, 0, None, None] <= x) & (points[:, 1, None, None] <= y)).any(axis=0).sum()
    assert hypervolume_2d(points, [32, 32]) == covered


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        hypervolume_2d(np.zeros((3, 3)), [1, 1])
    with pytest.raises(ValueError, match=r"\(n, m\)"):
        pareto_front(np.zeros(3))
