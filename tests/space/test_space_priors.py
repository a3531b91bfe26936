"""User priors: hints that shift draws, never bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import trees

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.space import Bool, Choice, Const, Float, Int, Space
from seedleaf.space.encode import encode
from seedleaf.space.prior import MASS, SD

BELIEFS = Space(
    lr=Float(1e-5, 1, log=True, prior=1e-3),
    depth=Int(1, 9, prior=2),
    optimizer=Choice(
        sgd=dict(momentum=Float(0, 1, prior=0.9)), adam=dict(beta=Float(0.8, 0.99)), lamb={}, prior="adam"
    ),
    width=Choice(16, 32, 64, 128, ordered=True, prior=32),
    flag=Bool(prior=True),
    free=Float(0, 1),
    fixed=Const(3),
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Float(0, 1, prior=2),
        lambda: Float(0, 1, prior=float("nan")),
        lambda: Float(0, 1, prior=True),
        lambda: Float(0, 1, prior="0.5"),  # type: ignore[arg-type]
        lambda: Int(1, 9, prior=2.5),  # type: ignore[arg-type]
        lambda: Int(1, 9, step=2, prior=4),
        lambda: Int(1, 9, prior=10),
        lambda: Choice("a", "b", prior="c"),
        lambda: Choice(0, 1, prior=True),
        lambda: Bool(prior=1),  # type: ignore[arg-type]
        lambda: Choice(other={}, prior=dict(rate=Float(0, 1))),
    ],
)
def test_a_prior_is_checked_like_a_default(make: Any) -> None:
    with pytest.raises(SpaceError, match=r"prior|number"):
        make()


def test_without_a_default_the_prior_is_the_default() -> None:
    assert BELIEFS.default() == {
        "lr": 1e-3,
        "depth": 2,
        "optimizer": "adam",
        "optimizer.beta": pytest.approx(0.895),
        "width": 32,
        "flag": True,
        "free": 0.5,
        "fixed": 3,
    }
    both = Space(x=Float(0, 1, default=0.1, prior=0.8), c=Choice("a", "b", default="a", prior="b"))
    assert both.default() == {"x": 0.1, "c": "a"}
    assert both.has_prior
    assert [n.param.prior for n in both.nodes] == [0.8, "b"]


def test_json_carries_priors_and_old_spaces_keep_their_fingerprints() -> None:
    again = Space.from_json(json.loads(json.dumps(BELIEFS.to_json())))
    assert again == BELIEFS
    assert [n.param.prior for n in again.nodes] == [n.param.prior for n in BELIEFS.nodes]
    assert "prior" not in json.dumps(Space(x=Float(0, 1, default=0.5), b=Bool(True)).to_json())
    assert Space(x=Float(0, 1, prior=0.5)) != Space(x=Float(0, 1, default=0.5))
    assert not Space(x=Float(0, 1, default=0.5), b=Bool()).has_prior


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(space=trees(), seed=st.integers(0, 2**32))
def test_without_a_prior_nothing_changes(space: Space, seed: int) -> None:
    assert not space.has_prior
    plain, told = (draw(np.random.default_rng(seed)) for draw in (space.sample, space.sample_prior))
    assert config_key(plain) == config_key(told)
    assert space.log_prior(encode(space, plain)[None]).tolist() == [0.0]


def draws(n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [dict(BELIEFS.sample_prior(rng)) for _ in range(n)]


def test_draws_from_the_prior_lie_in_the_space_and_near_what_was_believed() -> None:
    n = 4000
    seen = draws(n)
    for config in seen[:300]:
        assert BELIEFS.check(config) == config
    lr = np.array([math.log10(c["lr"]) for c in seen])
    assert abs(lr.mean() + 3) < 0.1
    assert abs(lr.std() / (5 * SD) - 1) < 0.1  # five decades, hardly cut on either side
    assert lr.min() < -4.5
    assert lr.max() > -1, "a hint, not a bound"
    share = {o: np.mean([c["optimizer"] == o for c in seen]) for o in ("sgd", "adam", "lamb")}
    assert share["adam"] == pytest.approx(MASS + (1 - MASS) / 3, abs=0.03)
    assert share["sgd"] == pytest.approx((1 - MASS) / 3, abs=0.03)
    widths = [c["width"] for c in seen]
    counts = [widths.count(w) for w in (16, 32, 64, 128)]
    assert counts[1] == max(counts)
    assert counts[1] > counts[2] > counts[3] > 0
    assert np.mean([c["flag"] for c in seen]) == pytest.approx(0.75, abs=0.03)
    assert np.mean([c["free"] for c in seen]) == pytest.approx(0.5, abs=0.03)
    under_sgd = [c["optimizer.momentum"] for c in seen if c["optimizer"] == "sgd"]
    assert np.median(under_sgd) > 0.75


@pytest.mark.parametrize("name", [n.id for n in BELIEFS.nodes if n.param.prior is not None])
def test_the_density_is_that_of_the_draws(name: str) -> None:
    """A density relative to the uniform one has mean 1 over uniform points, and gives the draws' frequencies."""
    i, param = BELIEFS.index[name], BELIEFS.by_id[name].param
    units = (np.arange(5000) + 0.5) / 5000
    vectors = np.full((5000, len(BELIEFS)), np.nan)
    vectors[:, i] = units
    density = np.exp(BELIEFS.log_prior(vectors))
    assert density.mean() == pytest.approx(1, abs=2e-3)
    rng = np.random.default_rng(1)
    drawn = [BELIEFS.priors[name].draw(float(rng.random())) for _ in range(8000)]
    low = np.mean([param.from_unit(u) == param.from_unit(0.1) for u in drawn]) if param.n_values else None
    if low is None:
        got, meant = np.mean(np.array(drawn) < 0.4), density[units < 0.4].sum() / 5000
    else:
        got = low
        meant = density[[param.from_unit(u) == param.from_unit(0.1) for u in units]].sum() / 5000
    assert got == pytest.approx(meant, abs=0.02)


def test_the_density_counts_active_parameters_only() -> None:
    here = BELIEFS.default()
    sgd = {**BELIEFS.complete({"optimizer": "sgd"})}
    adam, far = encode(BELIEFS, here), encode(BELIEFS, {**here, "lr": 1.0})
    total = BELIEFS.log_prior(np.array([adam, far, encode(BELIEFS, sgd)]))
    assert total.shape == (3,)
    assert total[0] > total[1]
    # lr lies 3 of 5 decades, 0.6 of the interval, from its prior: 4.5 in log density at sd 0.2.
    assert total[0] - total[1] == pytest.approx(0.5 * (0.6 / SD) ** 2)
    momentum = BELIEFS.priors["optimizer[sgd].momentum"].log_density(np.array([0.9]))[0]
    weights = math.log((1 - MASS) / (1 - MASS + 3 * MASS))
    assert total[2] - total[0] == pytest.approx(momentum + weights)


def test_wide_ranges_of_whole_numbers_and_single_values() -> None:
    space = Space(n=Int(1, 10**9, log=True, prior=1000), one=Int(4, 4, prior=4), c=Choice("x", prior="x"))
    rng = np.random.default_rng(0)
    drawn = [float(np.log10(space.sample_prior(rng)["n"])) for _ in range(1000)]  # type: ignore[arg-type]
    assert np.median(drawn) == pytest.approx(3, abs=0.5)
    assert list(space.priors) == ["n"]
    at = np.array([encode(space, {"n": n, "one": 4, "c": "x"}) for n in (1000, 10**9)])
    assert space.log_prior(at)[0] > space.log_prior(at)[1] + 3


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_a_prior_at_the_edge_stays_inside(edge: float) -> None:
    space = Space(x=Float(0, 1, prior=edge), n=Int(1, 5, prior=1 + 4 * int(edge)))
    rng = np.random.default_rng(0)
    for _ in range(500):
        assert space.contains(space.sample_prior(rng))
    prior = space.priors["x"]
    assert 0 <= prior.draw(0.0) <= prior.draw(1 - 1e-16) <= 1
