"""The GP with a linear part: right gradient, sound doubt, and what adds up is learned from few rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from seedleaf.space import Choice, Float, Int, Space
from seedleaf.tuner import additive_gp
from seedleaf.tuner.additive_gp import AdditiveGp
from seedleaf.tuner.moves import Moves

MIXED = Space(
    a=Float(0, 1),
    b=Choice("x", "y", "z"),
    c=Choice(u=dict(k=Float(0, 1), m=Choice("p", "q")), v={}),
    d=Int(1, 4),
)


def test_gradient() -> None:
    rng = np.random.default_rng(0)
    units = Moves.of(MIXED).random(30, rng)
    sizes = tuple(0 if n.param.is_ordered else int(n.param.n_values or 1) for n in MIXED.nodes)
    rows = additive_gp._points(units, sizes)
    gaps, gram = additive_gp._gaps(rows, rows, sizes), additive_gp._gram(rows, rows, sizes)
    n = len(sizes) + 3
    rest = (gaps, gram, rng.standard_normal(30), np.zeros(n), np.ones(n))
    theta = rng.standard_normal(n) * 0.4 - 1
    numeric = approx_fprime(theta, lambda t: additive_gp._badness(t, *rest)[0], 1e-6)
    assert additive_gp._badness(theta, *rest)[1] == pytest.approx(numeric, abs=1e-4)
    far = additive_gp._far(rows, rows[:7], sizes, np.exp(theta[:-3]))
    assert far == pytest.approx(gaps[:, :7] @ np.exp(theta[:-3]), abs=1e-9)


def test_many_parameters_that_add_up_are_learned_from_few_rows() -> None:
    space = Space(
        {f"x{i}": Choice(1, 2, 3, ordered=True) if i % 2 else Choice("a", "b", "c") for i in range(24)}
    )
    rng = np.random.default_rng(1)
    units, weights = Moves.of(space).random(300, rng), rng.standard_normal(24)
    values = units @ weights + 0.2 * rng.standard_normal(300)
    mean, _ = AdditiveGp.fit(space, units[:60], values[:60]).predict(units[60:])
    assert np.corrcoef(mean, values[60:])[0, 1] > 0.8


def test_doubt_is_about_right_and_small_at_what_was_seen() -> None:
    rng = np.random.default_rng(2)
    units = Moves.of(MIXED).random(260, rng)
    values = np.sin(5 * units[:, 0]) + (units[:, 1] > 0.5) + np.nan_to_num(units[:, 3])
    model = AdditiveGp.fit(MIXED, units[:60], values[:60])
    mean, sd = model.predict(units[60:])
    assert 1 - np.var(values[60:] - mean) / np.var(values[60:]) > 0.9
    assert 0.1 < np.std((values[60:] - mean) / sd) < 3
    assert model.predict(units[:60])[1].mean() < 0.8 * sd.mean()


def test_equal_values_and_two_rows_are_survived() -> None:
    units = Moves.of(MIXED).random(2, np.random.default_rng(3))
    mean, sd = AdditiveGp.fit(MIXED, units, np.array([3.0, 3.0])).predict(units)
    assert mean == pytest.approx([3.0, 3.0])
    assert np.isfinite(sd).all()
