"""The expected gain in hypervolume, and the volume itself, against sampling and against boxes that can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf.tuner.ehvi import expected_gain
from seedleaf.tuner.hypervolume import hypervolume
from seedleaf.tuner.pareto import hypervolume_2d, pareto_front


def test_exact_in_two_objectives() -> None:
    rng = np.random.default_rng(0)
    known, mean, sd = rng.random((8, 2)), rng.random((4, 2)), 0.05 + 0.2 * rng.random((4, 2))
    corner = np.array([1.1, 1.1])
    base = hypervolume_2d(known, corner)
    gain = expected_gain(mean, sd, known, corner)
    for i in range(4):
        draws = mean[i] + sd[i] * rng.standard_normal((4000, 2))
        sampled = [hypervolume_2d(np.vstack([known, d]), corner) - base for d in draws]
        assert gain[i] == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(4000) + 1e-6)


def test_a_sure_point_gains_what_it_adds() -> None:
    known, corner = np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1.0, 1.0])
    mean = np.array([[0.4, 0.5], [0.7, 0.9], [0.2, 0.8]])
    gain = expected_gain(mean, np.zeros((3, 2)), known, corner)
    assert gain[0] == pytest.approx(0.2 * 0.3, abs=1e-6)
    assert gain[1:] == pytest.approx(0, abs=1e-6)


def test_without_any_point_the_whole_box_is_to_be_gained() -> None:
    corner = np.array([1.0, 1.0])
    gain = expected_gain(np.array([[0.5, 0.5]]), np.zeros((1, 2)), np.empty((0, 2)), corner)
    assert gain[0] == pytest.approx(0.25, abs=1e-6)


def test_with_one_objective_it_is_expected_improvement() -> None:
    draws = 0.3 + 0.1 * np.random.default_rng(0).standard_normal(100_000)
    gain = expected_gain(np.array([[0.3]]), np.array([[0.1]]), np.array([[0.25], [0.6]]), np.array([1.0]))
    assert gain[0] == pytest.approx(np.maximum(0.25 - draws, 0).mean(), rel=0.03)


def test_in_three_objectives_the_order_is_that_of_the_true_gains() -> None:
    rng = np.random.default_rng(1)
    known, mean, corner = 0.5 + 0.5 * rng.random((15, 3)), rng.random((60, 3)), np.full(3, 1.1)
    base = hypervolume(known, corner)
    true = np.array([hypervolume(np.vstack([known, m]), corner) - base for m in mean])
    gain = expected_gain(mean, np.full((60, 3), 1e-6), known, corner)
    assert np.corrcoef(gain, true)[0, 1] > 0.95


@pytest.mark.parametrize("m", [3, 4, 5])
def test_volume_equals_counted_cells(m: int) -> None:
    rng = np.random.default_rng(m)
    points = rng.integers(0, 6, size=(9, m))
    cells = np.stack(np.meshgrid(*[np.arange(6)] * m, indexing="ij"), axis=-1).reshape(-1, m)
    covered = (points[:, None] <= cells[None]).all(axis=2).any(axis=0).sum()
    assert hypervolume(points, [6] * m) == pytest.approx(covered)


def test_above_the_exact_sizes_the_volume_is_estimated_and_repeats() -> None:
    rng = np.random.default_rng(3)
    points = np.abs(rng.standard_normal((400, 4)))
    points = 1 - points / np.linalg.norm(points, axis=1, keepdims=True)
    assert pareto_front(points).sum() > 32
    value = hypervolume(points, [1.0] * 4)
    assert value == hypervolume(points[::-1], [1.0] * 4)
    sampled = (points[:, None] <= rng.random((20_000, 4))[None]).all(axis=2).any(axis=0).mean()
    assert value == pytest.approx(sampled, abs=0.02)


def test_bad_and_odd_input() -> None:
    assert hypervolume([], [1, 1, 1]) == 0
    assert hypervolume([[2, 0, 0], [np.nan, 0, 0]], [1, 1, 1]) == 0
    assert hypervolume([[0.25], [0.5]], [1]) == 0.75
    with pytest.raises(ValueError, match=r"\(n, m\)"):
        hypervolume([[1, 2, 3]], [1, 1])


@pytest.mark.parametrize("m", [1, 2])
def test_exact_on_a_logarithmic_scale(m: int) -> None:
    rng = np.random.default_rng(4)
    known, mean, sd = rng.random((6, m)), np.log(rng.random((3, m))), 0.1 + 0.4 * rng.random((3, m))
    corner, shift = np.full(m, 1.1), np.array([0.1, 0.3][:m])
    gain = expected_gain(mean, sd, known, corner, shift)
    base = hypervolume(known, corner)
    for i in range(3):
        draws = np.exp(mean[i] + sd[i] * rng.standard_normal((4000, m))) - shift
        sampled = [hypervolume(np.vstack([known, d]), corner) - base for d in draws]
        assert gain[i] == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(4000) + 1e-6)
