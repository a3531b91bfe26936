"""Conditions beyond the tree and forbidden clauses: by hand, and on a thousand random graphs against a slow oracle."""

from __future__ import annotations

import json
import math
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from graphs import all_configs, consistent, forbidden, graphs
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.space import (
    Above,
    And,
    Below,
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
    NotEquals,
    Or,
    Problem,
    Same,
    Space,
)
from seedleaf.space.conditions import condition_from_json, condition_to_json, describe
from seedleaf.space.encode import decode, encode

THOUSAND = settings(
    max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def some_default(space: Space) -> dict[str, Any]:
    """The default, or no test where nothing is allowed."""
    try:
        return dict(space.default())
    except SpaceError:
        reject()


@THOUSAND
@given(space=graphs(), seed=st.integers(0, 2**32))
def test_a_random_graph_keeps_its_word(space: Space, seed: int) -> None:
    default = some_default(space)
    assert space.check(default) == default
    assert space.complete({}) == default
    rng = np.random.default_rng(seed)
    config = space.sample(rng)
    for found in (config, space.neighbour(config, rng), space.sample_prior(rng), default):
        assert consistent(space, found), "exactly the active parameters"
        assert not forbidden(space, found)
        assert space.allowed(found)
        assert space.check(found) == found
        assert Problem(space).feasible(found)
        assert space.complete(found) == found

    vector = encode(space, config)
    active = {node.id for node in space.active(config)}
    assert np.isnan(vector).tolist() == [node.id not in active for node in space.nodes]
    again = decode(space, vector)
    assert set(again) == set(config)


@THOUSAND
@given(space=graphs(), seed=st.integers(0, 2**32))
def test_alive_says_for_many_vectors_what_walking_says_for_one(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.random((12, len(space)))
    vectors = np.full_like(drawn, np.nan)
    for i in range(len(space)):
        alive = space.alive(i, vectors)
        assert alive.shape == (12,)
        vectors[alive, i] = drawn[alive, i]
    for row, full in zip(vectors, drawn, strict=True):
        config = decode(space, full)
        active = {node.id for node in space.active(config)}
        assert np.isnan(row).tolist() == [node.id not in active for node in space.nodes]


@settings(THOUSAND, max_examples=400)
@given(space=graphs(finite=True))
def test_a_finite_graph_lists_what_the_oracle_lists(space: Space) -> None:
    assume(math.prod(1 + (n.param.n_values or 1) for n in space.nodes) <= 3000)
    listed = [config_key(c) for c in space.enumerate()]
    meant = {config_key(c) for c in all_configs(space)}
    assert len(listed) == len(set(listed))
    assert set(listed) == meant
    assert space.size == len(meant)


@settings(THOUSAND, max_examples=300)
@given(space=graphs())
def test_json_gives_the_same_graph_back(space: Space) -> None:
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.fingerprint() == space.fingerprint()
    assert [(n.id, n.key, n.parent, n.option) for n in again.nodes] == [
        (n.id, n.key, n.parent, n.option) for n in space.nodes
    ]
    some_default(space)
    a, b = (s.sample(np.random.default_rng(0)) for s in (space, again))
    assert config_key(a) == config_key(b)


@settings(THOUSAND, max_examples=200)
@given(space=graphs(), seed=st.integers(0, 2**32))
def test_a_config_with_a_fault_is_refused(space: Space, seed: int) -> None:
    some_default(space)
    config = space.sample(np.random.default_rng(seed))
    key = sorted(config)[seed % len(config)]
    assert not space.contains({k: v for k, v in config.items() if k != key})
    with pytest.raises(SpaceError, match="stranger"):
        space.check({**config, "stranger": 1})
    dead = {n.key for n in space.nodes} - set(config)
    for name in dead:
        assert not space.contains({**config, name: 1})


# --- by hand ---

HAND = Space(
    dict(
        width=Int(8, 64),  # written before the parameters that it hangs on
        depth=Int(1, 9),
        skip=Bool(),
        size=Choice("s", "m", "l", ordered=True),
        lr=Float(1e-4, 1, log=True),
    ),
    when={
        "skip": Greater("depth", 3),
        "width": Or(Equals("skip", True), And(Less("depth", 3), In("size", ["m", "l"]))),
        "lr": NotEquals("skip", True) & Greater("size", "s"),
    },
    forbid=[Equals("depth", 9) & Greater("lr", 0.1)],
)


@pytest.mark.parametrize(
    ("given", "active"),
    [
        ({"depth": 3, "size": "l"}, {"depth", "size"}),  # a statement about what is not active is false
        ({"depth": 2, "size": "l"}, {"depth", "size", "width"}),
        ({"depth": 2, "size": "s"}, {"depth", "size"}),
        ({"depth": 5, "skip": True, "size": "l"}, {"depth", "skip", "size", "width"}),
        ({"depth": 5, "skip": False, "size": "m"}, {"depth", "skip", "size", "lr"}),
        ({"depth": 5, "skip": False, "size": "s"}, {"depth", "skip", "size"}),
    ],
)
def test_conditions_by_hand(given: dict[str, Any], active: set[str]) -> None:
    assert set(HAND.complete(given)) == active


def test_a_node_comes_after_all_that_it_hangs_on_else_as_written() -> None:
    assert [n.id for n in HAND.nodes] == ["depth", "skip", "size", "width", "lr"]
    assert list(HAND.params) == ["width", "depth", "skip", "size", "lr"]


def test_a_forbidden_config_is_refused_by_its_clause() -> None:
    bad = {"depth": 9, "skip": False, "size": "m", "lr": 0.5}
    with pytest.raises(SpaceError, match=r"forbidden: depth == 9 and lr > 0\.1"):
        HAND.check(bad)
    assert not HAND.contains(bad)
    assert not HAND.allowed(bad)
    assert HAND.allowed({**bad, "lr": 0.05})
    assert not Problem(HAND).feasible(bad)
    with pytest.raises(SpaceError, match="forbidden"):
        HAND.complete({"depth": 9, "skip": False, "size": "m", "lr": 0.2})


def test_one_option_of_one_choice_is_the_tree() -> None:
    flat = Space(
        dict(momentum=Float(0, 1), optimizer=Choice("sgd", "adam"), nesterov=Bool()),
        when={"momentum": Equals("optimizer", "sgd"), "nesterov": In("optimizer", ["sgd"])},
    )
    assert flat.is_tree
    assert [(n.id, n.parent, n.option) for n in flat.nodes] == [
        ("optimizer", None, None),
        ("momentum", "optimizer", "sgd"),
        ("nesterov", "optimizer", "sgd"),
    ]
    assert flat.complete({"optimizer": "adam"}) == {"optimizer": "adam"}
    assert not HAND.is_tree


def test_conditions_inside_a_branch_speak_of_their_own_space() -> None:
    inner = Space(dict(n=Int(1, 9), extra=Bool()), when={"extra": Greater("n", 4)}, forbid=[Equals("n", 7)])
    space = Space(
        model=Choice(big=inner, small=dict(n=Int(1, 3), extra=Bool()), none={}),
        n=Int(1, 2),
    )
    assert set(space.complete({"model": "big", "model.n": 5})) == {"model", "model.n", "model.extra", "n"}
    assert set(space.complete({"model": "big", "model.n": 2})) == {"model", "model.n", "n"}
    assert set(space.complete({"model": "small"})) == {"model", "model.n", "model.extra", "n"}
    assert not space.contains({"model": "big", "model.n": 7, "model.extra": True, "n": 1})
    assert space.size == 2 * ((4 + 4 * 2) + 6 + 1)
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_not_equals_and_not_differ_where_the_parent_is_not_active() -> None:
    params = dict(p=Bool(), q=Int(1, 3), c=Bool())
    rules = {"q": Equals("p", True)}
    some = Space(params, when={**rules, "c": NotEquals("q", 1)})
    turned = Space(params, when={**rules, "c": Not(Equals("q", 1))})
    assert some.contains({"p": False})
    assert turned.contains({"p": False, "c": True})
    for space in (some, turned):
        assert space.contains({"p": True, "q": 1})
        assert space.contains({"p": True, "q": 2, "c": True})


def test_names_that_stand_under_several_options() -> None:
    params = dict(o=Choice(sgd=dict(rate=Float(0, 1)), adam=dict(rate=Int(5, 9))), x=Bool(), y=Bool())
    with pytest.raises(SpaceError, match=r"say which: o\[sgd\]\.rate, o\[adam\]\.rate"):
        Space(params, when={"x": Greater("o.rate", 0.5)})
    space = Space(params, when={"x": Greater("o[sgd].rate", 0.5), "o.rate": Equals("y", True)})
    assert space.contains({"o": "sgd", "o.rate": 0.7, "x": True, "y": True})
    assert not space.contains({"o": "adam", "o.rate": 7, "x": True, "y": True})
    assert space.contains({"o": "adam", "y": False}), "a condition on a key holds for it under every option"


@pytest.mark.parametrize(
    ("params", "rules", "message"),
    [
        (dict(a=Bool(), b=Bool()), dict(when={"a": Equals("b", True), "b": Equals("a", True)}), "circle"),
        (dict(a=Bool()), dict(when={"a": Equals("a", True)}), "circle: a needs a"),
        (dict(a=Bool()), dict(when={"c": Equals("a", True)}), "'c'"),
        (dict(a=Bool()), dict(when={"a": Equals("c", True)}), "'c'"),
        (dict(a=Bool(), b=Bool()), dict(when={"a": Equals("b", "yes")}), "'yes' is not in"),
        (dict(a=Bool(), b=Int(1, 5)), dict(when={"a": Equals("b", 9)}), "9 is not in"),
        (dict(a=Bool(), b=Int(1, 5)), dict(when={"a": Equals("b", True)}), "True is not in"),
        (dict(a=Bool(), b=Int(1, 5)), dict(when={"a": Greater("b", "2")}), "'2' is not in"),
        (dict(a=Bool(), b=Choice("x", "y")), dict(when={"a": Greater("b", "x")}), "no order"),
        (dict(a=Bool(), b=Choice("x", "y")), dict(forbid=[Above("a", "b")]), "cannot be compared"),
        (dict(a=Bool(), b=Int(0, 1)), dict(forbid=[Same("a", "b")]), "cannot be compared"),
        (dict(a=Bool()), dict(when={"a": True}), "no condition"),
        (dict(a=Bool()), dict(when=[Equals("a", 1)]), "mapping of conditions"),
        (dict(a=Bool()), dict(forbid=Equals("a", True)), "list of conditions"),
        (dict(a=Bool()), dict(forbid=[{"a": True}]), "no condition"),
        (dict(a=Bool()), dict(when=Float(0, 1)), 'Space\\({"when"'),
        (dict(a=Bool()), dict(forbid=Bool()), 'Space\\({"forbid"'),
        (
            {"o.m": Bool(), "o": Choice(sgd=dict(m=Bool()))},
            dict(),
            "two parameters are called 'o.m'",
        ),
    ],
)
def test_bad_rules_are_space_errors(params: Any, rules: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space(params, **rules)


@pytest.mark.parametrize(
    "make",
    [
        lambda: In("a", []),
        lambda: In("a", "abc"),
        lambda: In("a", 3),  # type: ignore[arg-type]
        lambda: Equals("a", [1]),  # type: ignore[arg-type]
        lambda: Equals(3, 1),  # type: ignore[arg-type]
        lambda: Greater("a", math.nan),
        lambda: And(),
        lambda: Or(Equals("a", 1), "b == 2"),  # type: ignore[arg-type]
        lambda: Same("a", "a"),
        lambda: condition_from_json(["=~", "a", 1]),
        lambda: condition_from_json(["==", "a"]),
        lambda: condition_from_json("a == 1"),
        lambda: condition_from_json([["=="], "a", 1]),
        lambda: condition_from_json([]),
        lambda: condition_from_json(["not"]),
        lambda: Not("a == 1"),  # type: ignore[arg-type]
    ],
)
def test_bad_conditions_are_space_errors(make: Any) -> None:
    with pytest.raises(SpaceError):
        make()


def test_a_circle_is_told_by_name() -> None:
    names = [f"p{i}" for i in range(5)]
    rules = {a: Equals(b, True) for a, b in zip(names[1:], [*names[2:], names[1]], strict=True)}
    with pytest.raises(SpaceError, match=r"circle: p1 needs p2 needs p3 needs p4 needs p1"):
        Space({n: Bool() for n in names}, when=rules)


def test_conditions_read_as_a_person_would_write_them() -> None:
    condition = And(Greater("depth", 3), Or(Equals("skip", True), In("w", [1, 2])), Not(Below("a", "b")))
    assert describe(condition) == "depth > 3 and (skip == True or w in [1, 2]) and not (a < b)"
    assert condition_from_json(json.loads(json.dumps(condition_to_json(condition)))) == condition


def test_spaces_with_other_rules_are_other_spaces() -> None:
    params = dict(a=Bool(), b=Int(1, 9))
    made = [
        Space(params),
        Space(params, when={"b": Equals("a", True)}),
        Space(params, when={"b": NotEquals("a", True)}),
        Space(params, forbid=[Equals("b", 3)]),
        Space(params, forbid=[Equals("b", 4)]),
    ]
    assert len({s.fingerprint() for s in made}) == len(made)
    assert pickle.loads(pickle.dumps(HAND)) == HAND
    assert "when=" in repr(HAND)


def test_names_with_dots_are_the_keys_of_nested_ones() -> None:
    flat = Space({"o": Choice("sgd", "adam"), "o.m": Float(0, 1)}, when={"o.m": Equals("o", "sgd")})
    nested = Space(o=Choice(sgd=dict(m=Float(0, 1)), adam={}))
    for space, other in ((flat, nested), (nested, flat)):
        for seed in range(20):
            assert other.contains(space.sample(np.random.default_rng(seed)))


@pytest.mark.parametrize("name", ["ConfigSpace", "optuna"])
def test_a_missing_extra_is_told_with_the_way_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (name, f"{name}.distributions"):
        monkeypatch.setitem(sys.modules, module, None)
    convert = Space(x=Bool()).to_configspace if name == "ConfigSpace" else Space(x=Bool()).to_optuna
    with pytest.raises(SpaceError, match=rf"pip install 'seedleaf\[{name.lower()}\]'"):
        convert()


# --- counting ---


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Space(dict(n=Int(1, 10**6), x=Bool()), when={"x": Greater("n", 10**6 - 2)}), 10**6 + 2),
        (Space(dict(n=Int(1, 10**6, step=3), x=Bool()), when={"x": Less("n", 8)}), 333334 + 3),
        (Space(dict(n=Int(0, 5000, step=5), x=Bool()), when={"x": Greater("n", 7.5)}), 2 + 2 * 999),
        (Space(dict(n=Int(1, 4000), x=Bool()), when={"x": In("n", [1, 7, 4000])}), 4003),
        (Space(dict(n=Int(1, 4000)), forbid=[Greater("n", 10)]), 10),
        (Space(dict(n=Float(0, 1), x=Bool()), when={"x": Greater("n", 0.5)}), None),
        (Space(dict(n=Float(0, 1), x=Bool()), when={"n": Equals("x", True)}), None),
        (
            Space(dict(n=Float(0, 1), x=Bool()), when={"n": Equals("x", True)}, forbid=[Equals("x", True)]),
            1,
        ),
        (Space(dict(a=Int(1, 50), b=Int(1, 50)), forbid=[Same("a", "b")]), 50 * 49),
        (Space(dict(a=Int(1, 50), b=Int(1, 50)), forbid=[Above("a", "b"), Same("a", "b")]), 25 * 49),
        (Space(dict(a=Bool()), forbid=[Equals("a", True), Equals("a", False)]), 0),
        (Space(c=Const(1)), 1),
    ],
)
def test_sizes(space: Space, size: int | None) -> None:
    assert space.size == size


def test_a_count_that_would_take_for_ever_is_an_upper_bound() -> None:
    wide = Space(
        {f"p{i}": Choice(*range(5)) for i in range(34)},
        forbid=[And(*(Equals(f"p{i}", 0) for i in range(34)))],
    )
    assert wide.size == 5**34
    rng = np.random.default_rng(0)
    assert not wide.allowed({f"p{i}": 0 for i in range(34)})
    assert wide.allowed(wide.sample(rng))
    assert wide.allowed(wide.default())


def test_where_nothing_is_allowed_that_is_said() -> None:
    space = Space(dict(a=Bool()), forbid=[Equals("a", True), Equals("a", False)])
    assert list(space.enumerate()) == []
    with pytest.raises(SpaceError, match="allow"):
        space.default()
    with pytest.raises(SpaceError, match="allow"):
        space.sample(np.random.default_rng(0))


def test_a_narrow_passage_is_found() -> None:
    """One config in 20,000 is allowed: draws miss it, moves from the default and the list do not."""
    tight = Space(dict(a=Int(1, 200), b=Int(1, 100)), forbid=[Greater("a", 1), Greater("b", 1)])
    assert tight.default() == {"a": 1, "b": 1}
    assert tight.sample(np.random.default_rng(0)) == {"a": 1, "b": 1}
    assert tight.neighbour({"a": 1, "b": 1}, np.random.default_rng(0)) == {"a": 1, "b": 1}
    assert tight.size == 1
