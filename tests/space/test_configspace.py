"""ConfigSpace -> Space -> ConfigSpace: the same names, the same configs, activity as ConfigSpace has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import graphs
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.space import (
    Bool,
    Choice,
    Const,
    Equals,
    Float,
    Greater,
    In,
    Int,
    Less,
    Not,
    Or,
    Same,
    Space,
)
from seedleaf.space.convert.configspace import config_of, names_of
from seedleaf.space.encode import encode

CS = pytest.importorskip("ConfigSpace", reason="the extra configspace is not installed")

FEW = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def every_kind() -> Any:
    cs = CS.ConfigurationSpace(seed=0)
    cs.add(
        CS.UniformFloatHyperparameter("svm.cost..C", 1e-3, 1e3, log=True),
        CS.UniformFloatHyperparameter("plain", 0, 2, default_value=0.25),
        CS.NormalFloatHyperparameter("normal", mu=1, sigma=2, lower=-5, upper=5),
        CS.NormalIntegerHyperparameter("normal int", mu=3, sigma=2, lower=1, upper=9),
        CS.BetaFloatHyperparameter("beta", alpha=3, beta=2, lower=1, upper=4),
        CS.BetaIntegerHyperparameter("beta int", alpha=1, beta=1, lower=1, upper=4),
        CS.UniformIntegerHyperparameter("n", 1, 100, log=True),
        CS.CategoricalHyperparameter("cat", ["a", "b", "c"], weights=[0.2, 0.5, 0.3], default_value="c"),
        CS.CategoricalHyperparameter("even", [1, 2, "3", None], weights=[1, 1, 1, 1]),
        CS.CategoricalHyperparameter("flag", [True, False]),
        CS.OrdinalHyperparameter("size", ["s", "m", "l"], default_value="m"),
        CS.Constant("fixed", "value"),
    )
    return cs


def test_every_kind_of_parameter() -> None:
    space = Space.from_configspace(every_kind())
    p = space.params
    assert p["svm.cost..C"] == Float(1e-3, 1e3, log=True)
    assert p["plain"] == Float(0, 2, default=0.25)
    assert p["normal"] == Float(-5, 5, prior=1)
    assert p["normal int"] == Int(1, 9, prior=3)
    assert p["beta"] == Float(1, 4, prior=3)
    assert p["beta int"].prior is None
    assert p["n"] == Int(1, 100, log=True, default=10)
    assert p["cat"] == Choice("a", "b", "c", prior="b", default="c")
    assert p["even"] == Choice(1, 2, "3", None)
    assert p["flag"] == Choice(True, False)
    assert p["size"] == Choice("s", "m", "l", ordered=True, default="m")
    assert p["fixed"] == Const("value")
    assert space.default() == pytest.approx(dict(every_kind().get_default_configuration()))


def added(cs: Any, *hps: Any) -> list[Any]:
    cs.add(*hps)
    return list(hps)


def test_every_condition() -> None:
    cs = CS.ConfigurationSpace(seed=1)
    a, b, s, n = added(
        cs,
        CS.CategoricalHyperparameter("a", ["x", "y", "z"]),
        CS.UniformFloatHyperparameter("b", 0, 1),
        CS.OrdinalHyperparameter("s", [10, 2, 5]),
        CS.UniformIntegerHyperparameter("n", 1, 9),
    )
    kids = added(cs, *(CS.UniformFloatHyperparameter(f"k{i}", 0, 1) for i in range(8)))
    cs.add(
        CS.EqualsCondition(kids[0], a, "x"),
        CS.NotEqualsCondition(kids[1], a, "x"),
        CS.InCondition(kids[2], a, ["x", "z"]),
        CS.GreaterThanCondition(kids[3], s, 10),  # by place: 2 and 5 come after 10
        CS.LessThanCondition(kids[4], n, 5),
        CS.AndConjunction(CS.EqualsCondition(kids[5], a, "x"), CS.GreaterThanCondition(kids[5], b, 0.5)),
        CS.OrConjunction(CS.NotEqualsCondition(kids[6], kids[0], 0.5), CS.LessThanCondition(kids[6], n, 2)),
        CS.AndConjunction(
            CS.OrConjunction(CS.EqualsCondition(kids[7], a, "y"), CS.EqualsCondition(kids[7], a, "z")),
            CS.LessThanCondition(kids[7], s, 5),
        ),
    )
    space = Space.from_configspace(cs)
    agree(cs, space, 200)
    agree(space.to_configspace(seed=2), space, 100)


def agree(cs: Any, space: Space, n: int) -> None:
    """Configs of the one are configs of the other: drawn from both sides."""
    drawn = cs.sample_configuration(n)
    for theirs in drawn if n > 1 else [drawn]:
        config = config_of(space, dict(theirs))
        assert np.isfinite(encode(space, config)).sum() == len(dict(theirs))
    names, rng = names_of(space), np.random.default_rng(0)
    for _ in range(n):
        config = space.sample(rng)
        values = {names[node.id]: config[node.key] for node in space.active(config)}
        legal = CS.Configuration(cs, values=values)
        legal.check_valid_configuration()
        assert config_key(config_of(space, dict(legal))) == config_key(config) or any(
            isinstance(node.param, Float) for node in space.active(config)
        )


CLAUSES = {
    "equals": lambda h: CS.ForbiddenEqualsClause(h["a"], "x"),
    "in": lambda h: CS.ForbiddenInClause(h["a"], ["x", "y"]),
    "greater": lambda h: CS.ForbiddenGreaterThanClause(h["n"], 6),
    "greater or equal": lambda h: CS.ForbiddenGreaterThanEqualsClause(h["n"], 6),
    "less": lambda h: CS.ForbiddenLessThanClause(h["n"], 3),
    "less or equal": lambda h: CS.ForbiddenLessThanEqualsClause(h["n"], 3),
    "and": lambda h: CS.ForbiddenAndConjunction(
        CS.ForbiddenEqualsClause(h["a"], "x"), CS.ForbiddenInClause(h["m"], [4, 5])
    ),
    "or": lambda h: CS.ForbiddenOrConjunction(
        CS.ForbiddenEqualsClause(h["a"], "x"), CS.ForbiddenEqualsClause(h["m"], 4)
    ),
    "same": lambda h: CS.ForbiddenEqualsRelation(h["n"], h["m"]),
    "above": lambda h: CS.ForbiddenGreaterThanRelation(h["n"], h["m"]),
    "below": lambda h: CS.ForbiddenLessThanRelation(h["n"], h["o"]),
    "above or same": lambda h: CS.ForbiddenGreaterThanEqualsRelation(h["n"], h["m"]),
    "below or same": lambda h: CS.ForbiddenLessThanEqualsRelation(h["n"], h["m"]),
}


@pytest.mark.parametrize("name", CLAUSES)
def test_every_forbidden_clause(name: str) -> None:
    """All of a small grid, against ConfigSpace's own word."""
    cs = CS.ConfigurationSpace(seed=0)
    cs.add(
        CS.CategoricalHyperparameter("a", ["z", "x", "y"]),
        CS.UniformIntegerHyperparameter("n", 1, 7, default_value=5 if "below" in name else 4),
        CS.UniformIntegerHyperparameter("m", 1, 7, default_value=2 if "below" in name else 6),
        CS.OrdinalHyperparameter("o", [4, 2, 9]),
    )
    clause = CLAUSES[name](cs)
    cs.add(clause)
    space = Space.from_configspace(cs)
    back = space.to_configspace()
    again = Space.from_configspace(back)
    grid = [
        {"a": a, "n": n, "m": m, "o": o}
        for a in "xyz"
        for n in range(1, 8)
        for m in range(1, 8)
        for o in (4, 2, 9)
    ]
    told = [not clause.is_forbidden_value(c) for c in grid]
    assert [space.contains(c) for c in grid] == told
    assert [again.contains(c) for c in grid] == told
    assert 0 < sum(told) < len(told)
    assert space.size == sum(told)


@pytest.mark.parametrize(
    ("hp", "message"),
    [
        (lambda: CS.CategoricalHyperparameter("layers", [(1, 2), (3,)]), "layers: .*tuple"),
        (lambda: CS.Constant("fixed", [1, 2]), "fixed: .*"),
        (lambda: CS.UniformFloatHyperparameter("x[0]", 0, 1), r"x\[0\]"),
    ],
)
def test_what_cannot_come_over_is_named(hp: Any, message: str) -> None:
    cs = CS.ConfigurationSpace()
    cs.add(hp())
    with pytest.raises(SpaceError, match=message):
        Space.from_configspace(cs)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Space(x=Choice(2.5, True)), "x: .*True"),
        (Space(x=Choice(1, True)), "x: ConfigSpace cannot hold it"),
        (Space(n=Int(0, 100_000, step=10)), "n: .*step"),
        (Space(dict(a=Bool(), n=Int(1, 3), m=Int(1, 3)), when={"a": Same("n", "m")}), "a: .*relation"),
        (Space(dict(a=Bool(), n=Int(1, 3)), when={"a": Greater("n", -4)}), "a: "),
        (Space(dict(a=Bool(), n=Int(1, 3)), when={"a": Not(Greater("n", 2))}), "a: .*negation"),
        (Space(dict(a=Bool(), n=Int(1, 3)), forbid=[Not(Equals("n", 2))]), "forbidden not .*negation"),
    ],
)
def test_what_cannot_go_over_is_named(space: Space, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        space.to_configspace()


def test_a_key_under_several_options_is_called_by_its_id() -> None:
    space = Space(o=Choice(sgd=dict(rate=Float(0, 1)), adam=dict(rate=Int(5, 9))), n=Int(8, 64, step=8))
    cs = space.to_configspace(seed=0)
    assert set(cs) == {"o", "o[sgd].rate", "o[adam].rate", "n"}
    agree(cs, space, 50)
    with pytest.raises(SpaceError, match=r"o\[adam\]\.rate"):
        Space.from_configspace(cs)


def test_priors_go_over_as_normals_and_weights_of_like_width() -> None:
    space = Space(
        x=Float(1e-4, 1, log=True, prior=1e-2), y=Float(0, 10, prior=3), c=Choice("a", "b", prior="b")
    )
    cs = space.to_configspace(seed=0)
    rng = np.random.default_rng(0)
    ours = [space.sample_prior(rng) for _ in range(2000)]
    theirs = [dict(c) for c in cs.sample_configuration(2000)]
    for name, scale in (("x", np.log10), ("y", float)):
        a, b = (np.array([scale(c[name]) for c in side]) for side in (ours, theirs))
        assert np.mean(a) == pytest.approx(np.mean(b), abs=0.15 * np.std(a))
        assert np.std(a) == pytest.approx(np.std(b), rel=0.15)
    assert np.mean([c["c"] == "b" for c in theirs]) == pytest.approx(0.75, abs=0.05)
    assert Space.from_configspace(cs) == space


@FEW
@given(space=graphs())
def test_random_graphs_go_over_and_come_back(space: Space) -> None:
    try:
        cs = space.to_configspace(seed=0)
        back = Space.from_configspace(cs)
    except SpaceError:
        reject()
    rng = np.random.default_rng(0)
    for _ in range(10):
        ours, theirs = space.sample(rng), back.sample(rng)
        assert back.contains(ours), (ours, back)
        assert space.contains(theirs), (theirs, space)


@settings(FEW, max_examples=60)
@given(space=graphs(), seed=st.integers(0, 1000))
def test_what_configspace_draws_lies_in_the_graph(space: Space, seed: int) -> None:
    try:
        cs = space.to_configspace(seed=seed)
    except SpaceError:
        reject()
    for _ in range(5):
        try:
            theirs = cs.sample_configuration()
        except CS.exceptions.ForbiddenValueError:  # its sampler gives up on tight spaces
            reject()
        config_of(space, dict(theirs))


def test_without_conditions_nothing_is_lost() -> None:
    space = Space(
        dict(a=Float(0.5, 2), b=Int(1, 9, log=True, default=4), c=Choice("x", "y"), d=Bool(), e=Const(3)),
        when={"a": Or(Equals("c", "x"), Less("b", 3)), "d": In("c", ["x"]) & Less("b", 4)},
        forbid=[Equals("b", 9) & Greater("a", 1)],
    )
    again = Space.from_configspace(space.to_configspace())
    assert dict(again.params) == space.params
    assert again.when == space.when
    assert again.forbid == space.forbid
