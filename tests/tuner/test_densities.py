"""TPE's densities: they integrate to one over the tree, equal brute force, and draw what they say."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from scipy.stats import truncnorm
from trees import random_tree

from seedleaf.space import Bool, Choice, Float, Int, Space
from seedleaf.space.encode import decode, encode
from seedleaf.tuner.joint import Together
from seedleaf.tuner.parzen import BINS, NodeWise, Shape

SPACE = Space(
    x=Float(0, 1),
    kind=Choice(a=dict(m=Float(0, 1), flag=Bool()), b={}, c=dict(n=Int(1, 5))),
    level=Choice(1, 2, 3, ordered=True),
)


def rows(n: int, seed: int, space: Space = SPACE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([encode(space, space.sample(rng)) for _ in range(n)]).reshape(n, len(space))


def fitted(kind: str, data: np.ndarray, space: Space = SPACE, belief: float = 0.0) -> Any:
    shape = Shape.of(space, belief)
    if kind == "together":
        return Together.fit(shape, data, 2.0)
    if kind == "tally":
        return NodeWise.fit_tally(shape, shape.tally(data), 2.0)
    return NodeWise.fit(shape, data, 2.0)


KINDS = pytest.mark.parametrize("kind", ["points", "tally", "together"])


@KINDS
@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_densities_are_relative_to_the_uniform_one_and_integrate_to_one(kind: str, n: int) -> None:
    rng = np.random.default_rng(1)
    uniform = rng.random((20_000, len(SPACE)))  # within cells too: decoded configs sit in their middles
    for i in range(len(SPACE)):
        uniform[~SPACE.alive(i, uniform), i] = np.nan
    density = fitted(kind, rows(n, 0))
    parts = np.concatenate([density.log_pdf(part) for part in np.split(uniform, 20)])
    assert np.exp(parts).mean() == pytest.approx(1.0, abs=0.06)


@KINDS
def test_draws_are_likelier_than_chance_and_lie_in_the_tree(kind: str) -> None:
    data = rows(12, 0)
    data[:, 0] = 0.3 + 0.01 * np.arange(12)
    density = fitted(kind, data)
    drawn = density.sample(400, np.random.default_rng(2))
    assert drawn.shape == (400, len(SPACE))
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert all(SPACE.contains(decode(SPACE, row)) for row in drawn)
    assert np.mean(np.abs(drawn[:, 0] - 0.36) < 0.3) > 0.75
    for i in range(len(SPACE)):
        drawn[~SPACE.alive(i, drawn), i] = np.nan
    assert density.log_pdf(drawn).mean() > density.log_pdf(rows(400, 3)).mean() + 0.2


def test_node_by_node_equals_brute_force() -> None:
    data, where = np.array([[0.2], [0.5], [0.6]]), np.array([[0.1], [0.55], [0.99]])
    density = NodeWise.fit(Shape.of(Space(x=Float(0, 1))), data, 2.0)
    # To the farther neighbour, ends included, and at least 1 / (1 + n).
    spread = [0.3, 0.3, 0.4]
    each = [
        truncnorm((0 - c) / s, (1 - c) / s, c, s).pdf(where[:, 0])
        for c, s in zip(data[:, 0], spread, strict=True)
    ]
    assert np.exp(density.log_pdf(where)) == pytest.approx((sum(each) + 2.0) / 5)


def test_frequencies_of_options_are_smoothed() -> None:
    space = Space(c=Choice("p", "q", "r", "s"))
    data = np.array([[0.125], [0.125], [0.375]])
    shares = np.exp(fitted("points", data, space).log_pdf(np.array([[0.125], [0.375], [0.625], [0.875]]))) / 4
    assert shares == pytest.approx([2.5 / 5, 1.5 / 5, 0.5 / 5, 0.5 / 5])


def test_whole_configs_equal_brute_force() -> None:
    data, where = rows(9, 4), rows(30, 5)
    density = fitted("together", data)
    for row, found in zip(where, density.log_pdf(where), strict=True):
        total = density.prior_weight
        for k in range(len(data)):
            total += math.exp(sum(_log_kernel(density, k, i, row[i]) for i in range(len(row))))
        assert found == pytest.approx(math.log(total / (len(data) + density.prior_weight)))


def _log_kernel(density: Together, k: int, i: int, value: float) -> float:
    centre, width, jump = density.rows[k, i], density.widths[k, i], density.jumps[k, i]
    if np.isnan(value) or np.isnan(centre):
        return 0.0
    n = density.shape.options[i]
    if n:
        return math.log((1 - jump) * n + jump if int(value * n) == int(centre * n) else jump)
    return float(truncnorm((0 - centre) / width, (1 - centre) / width, centre, width).logpdf(value))


def test_whole_configs_know_what_goes_with_what() -> None:
    """Good is x = y, at both ends: node by node the corners (0, 1) and (1, 0) look as good."""
    space = Space(x=Float(0, 1), y=Float(0, 1))
    data = np.array([[0.1, 0.1], [0.15, 0.1], [0.9, 0.85], [0.85, 0.9]])
    on, off = np.array([[0.12, 0.12]]), np.array([[0.12, 0.88]])
    together, nodes = fitted("together", data, space), fitted("points", data, space)
    assert together.log_pdf(on)[0] > together.log_pdf(off)[0] + 1
    assert nodes.log_pdf(on)[0] == pytest.approx(nodes.log_pdf(off)[0], abs=0.1)


@KINDS
def test_without_trials_a_density_is_the_belief(kind: str) -> None:
    space = Space(x=Float(0, 1, prior=0.8), c=Choice("p", "q", prior="q"))
    where = np.array([[0.8, 0.75], [0.8, 0.25], [0.1, 0.75]])
    none = np.empty((0, 2))
    assert fitted(kind, none, space).log_pdf(where) == pytest.approx([0, 0, 0])
    likely = fitted(kind, none, space, belief=0.6).log_pdf(where)
    assert likely[0] > likely[1] > likely[2]
    drawn = fitted(kind, none, space, belief=0.9).sample(300, np.random.default_rng(0))
    assert np.mean(np.abs(drawn[:, 0] - 0.8) < 0.3) > 0.7
    assert np.mean(drawn[:, 1] > 0.5) > 0.6


def test_a_tally_is_what_was_put_in() -> None:
    shape = Shape.of(SPACE)
    one, two = rows(30, 1), rows(50, 2)
    both = shape.tally(np.vstack([one, two]))
    assert (both == shape.tally(one) + shape.tally(two)).all()
    assert both.sum() == (~np.isnan(one)).sum() + (~np.isnan(two)).sum()
    assert both.shape == (len(SPACE), BINS)


@KINDS
def test_random_trees(kind: str) -> None:
    for seed in range(25):
        space = random_tree(random.Random(seed), 3)
        density = fitted(kind, rows(15, seed, space), space)
        assert np.isfinite(density.log_pdf(rows(20, seed + 1, space))).all()
        assert space.contains(decode(space, density.sample(1, np.random.default_rng(seed))[0]))
