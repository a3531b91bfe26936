"""The Gaussian process over config and step: its gradient, what it says where it has looked, and where it has not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import spearmanr

from seedleaf.space import Choice, Space
from seedleaf.tuner.acquisition import log_expected_improvement
from seedleaf.tuner.curve_fit import _Likelihood, fit
from seedleaf.tuner.curve_gp import Hyper, Posterior, Rows
from seedleaf.tuner.curves import log_steps, thinned
from seedleaf.tuner.kernels import Array, Embedding
from seedleaf.tuner.scaled import _scores_by_step, standardised

NODE = np.array([0, 1, 2, 2])  # two numbers and a choice of two


def some_rows(curves: int = 12, steps: tuple[int, ...] = (1, 3, 9, 27), seed: int = 0) -> tuple[Rows, Array]:
    """Curves that fall from 1 to a floor that depends on the config, as rows and losses."""
    rng = np.random.default_rng(seed)
    x = rng.random((curves, 4))
    at = np.repeat(np.arange(curves), len(steps))
    s = np.tile(np.array(steps), curves)
    floor = (x[at, 0] - 0.4) ** 2 + 0.3 * x[at, 1]
    return Rows(x, at, log_steps(s, 27)), floor + (1 - floor) / s**0.7


def test_the_gradient_is_that_of_the_likelihood() -> None:
    rows, y = some_rows(8)
    likelihood = _Likelihood.of(NODE, rows, y)
    rng = np.random.default_rng(1)
    theta = Hyper.centre(3, 3.0).pack() + 0.3 * rng.standard_normal(3 + 2 + 6 + 1)
    numeric = approx_fprime(theta, lambda t: likelihood(Hyper.unpack(t))[0], 1e-6)
    assert np.allclose(likelihood(Hyper.unpack(theta))[1], numeric, rtol=1e-3, atol=1e-3)


def test_where_it_has_looked_it_says_what_it_saw() -> None:
    rows, losses = some_rows()
    y = (losses - losses.mean()) / losses.std()
    post = Posterior.given(fit(NODE, rows, y), NODE, rows, y)
    curves = post.curves(rows.x[rows.at], rows.at)
    mean, sd = curves.predict(rows.s)
    assert np.abs(mean - y).max() < 0.2
    assert sd.max() < 0.3
    assert np.allclose(curves.mean(rows.s), mean)


def test_the_longer_a_curve_is_seen_the_surer_its_end() -> None:
    sds = []
    for steps in ((2,), (2, 4), (2, 4, 9), (2, 4, 9, 20)):
        rows, losses = some_rows(steps=steps)
        y = (losses - losses.mean()) / losses.std()
        post = Posterior.given(Hyper.centre(3, 3.0), NODE, rows, y)
        sds.append(float(np.median(post.curves(rows.x, np.arange(12)).predict(np.ones(1))[1])))
    assert sds == sorted(sds, reverse=True)
    assert sds[-1] < sds[0] / 2


def test_it_ranks_configs_by_their_end_having_seen_mostly_beginnings() -> None:
    rows, losses = some_rows(40)
    early = (rows.at % 4 == 0) | (
        rows.s < log_steps(np.array([9]), 27)[0]
    )  # one curve in four whole, others to step 3
    rows = rows.take(np.flatnonzero(early))
    y = standardised(losses[early], rows)
    post = Posterior.given(fit(NODE, rows, y), NODE, rows, y)
    new = np.random.default_rng(7).random((60, 4))
    truth = (new[:, 0] - 0.4) ** 2 + 0.3 * new[:, 1]
    assert spearmanr(post.curves(new, np.full(60, -1)).mean(np.ones(1)), truth)[0] > 0.8


def test_taking_some_curves_changes_nothing_about_them() -> None:
    rows, y = some_rows()
    post = Posterior.given(Hyper.centre(3, 3.0), NODE, rows, y)
    both = post.curves(np.vstack([rows.x, rows.x + 0.1]), np.append(np.arange(12), np.full(12, -1)))
    some = np.array([13, 2, 20, 0])
    for whole, part in zip(both.predict(np.ones(1)), both.take(some).predict(np.ones(1)), strict=True):
        assert np.allclose(whole[some], part)


def test_what_is_left_out_is_told_as_if_it_had_not_been_seen() -> None:
    rows, y = some_rows()
    block = np.where(rows.at == 3, 0, np.where(rows.at == 5, 1, -1))
    told = Posterior.given(Hyper.centre(3, 3.0), NODE, rows, y).left_out(y, block)
    for number, curve in enumerate((3, 5)):
        others, own = np.flatnonzero(rows.at != curve), np.flatnonzero(rows.at == curve)
        post = Posterior.given(Hyper.centre(3, 3.0), NODE, rows.take(others), y[others])
        new = post.curves(np.repeat(rows.x[[curve]], len(own), 0), np.full(len(own), -1))
        assert np.allclose(told[block == number], new.mean(rows.s[own]), atol=1e-6)
    assert np.isnan(told[block < 0]).all()


def test_who_goes_on_shares_the_scores_that_they_had_anew() -> None:
    at, s = np.array([0, 0, 1, 2, 2, 3]), np.array([0, 1, 0, 0, 1, 0])
    losses = np.array([0.1, 0.09, 0.3, 0.2, 0.01, 0.4])  # trials 0 and 2 go on, and change places
    scores = _scores_by_step(losses, Rows(np.zeros((4, 1)), at, s.astype(float)))
    assert np.allclose(scores[[1, 4]], scores[[3, 0]])
    assert scores[0] < scores[3] < scores[2] < scores[5]


def test_one_curve_one_point_and_equal_losses_are_survived() -> None:
    x = np.full((1, 4), 0.5)
    for rows, y in (
        (Rows(x, np.zeros(1, np.intp), np.ones(1)), np.zeros(1)),
        (Rows(x, np.zeros(9, np.intp), np.linspace(0, 1, 9)), np.zeros(9)),
        (Rows(np.repeat(x, 9, 0), np.arange(9), np.ones(9)), np.zeros(9)),
    ):
        mean, sd = (
            Posterior.given(fit(NODE, rows, y), NODE, rows, y).curves(x, np.array([-1])).predict(np.ones(1))
        )
        assert np.isfinite(mean).all()
        assert (sd > 0).all()


def test_two_options_are_one_apart_and_what_is_off_is_equally_far_from_all() -> None:
    space = Space(a=Choice("x", "y", "z"), b=Choice(on=dict(c=Choice(1, 2)), off={}))
    embedding = Embedding.of(space)
    units = np.array([[0.5 / 3, 0.25, 0.25], [1.5 / 3, 0.25, 0.25], [2.5 / 3, 0.75, np.nan]])
    x = embedding(units)
    assert np.isclose(((x[0] - x[1]) ** 2).sum(), 1.0)
    c = embedding.node == 2
    off = x[2, c]
    other = embedding(np.array([[0.5 / 3, 0.25, 0.75]]))[0, c]
    assert np.isclose(((off - x[0, c]) ** 2).sum(), ((off - other) ** 2).sum())
    assert 2 <= embedding.active <= 3


@pytest.mark.parametrize(
    "losses", [[1, 1, 1, 1], [0.1, 0.2, 0.3, 1e12], [5.0], [-3, -2, -2, 7], [0.1, 0.2, 1.7e308, 1.7e308]]
)
def test_standardised_losses_keep_their_order(losses: list[float]) -> None:
    n = len(losses)
    z = standardised(np.array(losses, dtype=float), Rows(np.zeros((n, 1)), np.arange(n), np.ones(n)))
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 4
    for i, a in enumerate(losses):
        for j, b in enumerate(losses):
            assert not (a < b and z[i] >= z[j])


def test_thinning_keeps_every_end_while_there_is_room_and_the_best_when_there_is_not() -> None:
    rows, losses = some_rows(100)
    keep = thinned(rows, losses, most=150)
    assert len(keep) == 150
    assert set(np.flatnonzero(rows.s == 1.0)) <= set(keep)
    few = thinned(rows, losses, most=40)
    assert len(few) == 40
    ends = np.flatnonzero(rows.s == 1.0)
    assert set(ends[np.argsort(losses[ends])[:20]]) <= set(few)


def test_improvement_is_told_far_into_the_tail() -> None:
    value = log_expected_improvement(np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.1, 0.001]), -1.0)
    assert np.isfinite(value).all()
    assert value[0] > value[1] > value[2]
    assert np.isclose(value[0], np.log(0.0833), atol=1e-3)  # φ(1) - Φ(-1)
