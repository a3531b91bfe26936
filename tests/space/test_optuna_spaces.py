"""Optuna distributions -> Space -> distributions."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from trees import random_param

from seedleaf.errors import SpaceError
from seedleaf.space import Bool, Choice, Const, Equals, Float, Int, Space

dist = pytest.importorskip("optuna.distributions", reason="the extra optuna is not installed")

GIVEN = {
    "lr": dist.FloatDistribution(1e-5, 1e-1, log=True),
    "drop": dist.FloatDistribution(0, 0.6),
    "grid": dist.FloatDistribution(0.0, 1.0, step=0.25),
    "layers": dist.IntDistribution(1, 8),
    "width": dist.IntDistribution(8, 60, step=8),
    "batch": dist.IntDistribution(1, 256, log=True),
    "opt": dist.CategoricalDistribution(["sgd", "adam", None, 3, 2.5, False]),
}


def test_every_distribution_there_and_back() -> None:
    space = Space.from_optuna(GIVEN)
    assert space.params["lr"] == Float(1e-5, 1e-1, log=True)
    assert space.params["grid"] == Choice(0.0, 0.25, 0.5, 0.75, 1.0, ordered=True)
    assert space.params["width"] == Int(8, 56, step=8)
    assert space.params["opt"] == Choice("sgd", "adam", None, 3, 2.5, False)
    back = space.to_optuna()
    assert back == GIVEN
    assert Space.from_optuna(back) == space


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(seed=st.integers(0, 2**32))
def test_random_parameters_keep_their_values(seed: int) -> None:
    rng = random.Random(seed)
    space = Space(p=random_param(rng, 0))
    try:
        (made,) = space.to_optuna().values()
    except SpaceError:
        reject()
    again = Space.from_optuna({"p": made})
    for unit in (0.0, 0.3, 0.7, 1.0):
        for here, there in ((space, again), (again, space)):
            assert there.contains({"p": here.nodes[0].param.from_unit(unit)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Space.from_optuna({"p": dist.FloatDistribution(0, 1, step=1e-6)}), "p: 1000001 steps"),
        (lambda: Space.from_optuna({"p": "uniform"}), "p: a str has no counterpart"),
        (lambda: Space(p=Choice(1, True)).to_optuna(), "p: Optuna cannot hold it: .*for one"),
        (lambda: Space(p=Int(10, 10**6, log=True, step=3)).to_optuna(), "p: .*log scale"),
        (lambda: Space(o=Choice(sgd=dict(m=Bool()))).to_optuna(), r"o\.m exists only under a condition"),
        (lambda: Space(dict(a=Bool()), forbid=[Equals("a", True)]).to_optuna(), "forbidden .*a == True"),
    ],
)
def test_what_cannot_be_carried_over_is_named(make: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


def test_single_values_and_constants() -> None:
    made = Space(a=Const(3), b=Float(2, 2), c=Int(5, 5)).to_optuna()
    assert made["a"] == dist.CategoricalDistribution([3])
    assert all(d.single() for d in made.values())
