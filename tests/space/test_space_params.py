"""Single parameters, bad definitions and the odd values that people pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.space import Bool, Choice, Const, Float, Int, Space


@pytest.mark.parametrize(
    "make",
    [
        lambda: Float(1, 0),
        lambda: Float(0, 1, log=True),
        lambda: Float(0, float("inf")),
        lambda: Float(float("nan"), 1),
        lambda: Float(-1e308, 1e308),
        lambda: Float("0", 1),  # type: ignore[arg-type]
        lambda: Float(0, 1, default=2),
        lambda: Float(0, 1, default=float("nan")),
        lambda: Float(True, 2),
        lambda: Int(0.5, 3),  # type: ignore[arg-type]
        lambda: Int(3, 1),
        lambda: Int(0, 4, log=True),
        lambda: Int(1, 4, default=2.5),  # type: ignore[arg-type]
        lambda: Int(0, 10**400),
        lambda: Int(1, 9, step=0),
        lambda: Int(1, 9, log=True, step=4),
        lambda: Int(8, 64, step=4, default=9),
        lambda: Choice(),
        lambda: Choice("a", "a"),
        lambda: Choice("a", a={}),
        lambda: Choice("a", default="b"),
        lambda: Choice([1, 2]),  # type: ignore[arg-type]
        lambda: Choice(float("nan"), 1.0),
        lambda: Choice(sgd=Float(0, 1)),
        lambda: Choice({1: {}}),
        lambda: Choice(sgd={"momentum": [0, 1]}),
        lambda: Const([1]),  # type: ignore[arg-type]
        lambda: Const(float("inf")),
        lambda: Space({"a[b]": Bool()}),
        lambda: Space({"": Bool()}),
        lambda: Space({1: Bool()}),  # type: ignore[dict-item]
        lambda: Space(lr=[0.1, 0.2]),
        lambda: Space(x=Choice({"a": {"y": Choice(b={"z": 1})}, "a].y[b": {"z": 2}})),
        lambda: Space.from_json({"x": {"kind": "spline"}}),
    ],
)
def test_bad_definitions_are_space_errors(make: Any) -> None:
    with pytest.raises(SpaceError):
        make()


def test_a_bad_value_is_named_before_what_hangs_on_it() -> None:
    space = Space(optimizer=Choice(sgd=dict(momentum=Float(0, 1)), adam={}))
    with pytest.raises(SpaceError, match="optimizer = 'sdg'"):
        space.complete({"optimizer": "sdg", "optimizer.momentum": 0.5})
    with pytest.raises(SpaceError, match=r"optimizer\.momentum"):
        space.complete({"optimizer": "adam", "optimizer.momentum": 0.5})
    with pytest.raises(SpaceError, match=r"lacks 'optimizer\.momentum'"):
        space.check({"optimizer": "sgd"})
    with pytest.raises(SpaceError, match="optimizer"):
        space.check({"optimizer": ["sgd"]})  # type: ignore[dict-item]


def test_numpy_scalars_pass_and_come_out_plain() -> None:
    space = Space(
        lr=Float(np.float32(0.5), np.float64(1)),
        n=Int(np.int64(1), np.int64(3)),  # type: ignore[arg-type]
        k=Choice(np.int64(3), np.int64(5), np.str_("x")),  # type: ignore[arg-type]
        c=np.int64(7),
        b=Bool(),
    )
    given = {"lr": np.float32(0.75), "n": np.int8(2), "k": np.int16(5), "c": np.int64(7), "b": np.bool_(True)}
    config = space.check(given)  # type: ignore[arg-type]
    assert config == {"lr": 0.75, "n": 2, "k": 5, "c": 7, "b": True}
    assert {k: type(v) for k, v in config.items()} == {"lr": float, "n": int, "k": int, "c": int, "b": bool}
    assert json.loads(json.dumps(space.to_json())) == space.to_json()
    finite = Space(n=Int(np.int64(1), np.int64(3)))  # type: ignore[arg-type]
    assert [config_key(c) for c in finite.enumerate()] == ['{"n":1}', '{"n":2}', '{"n":3}']


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Float(0, 1), Float(0.0, 1.0), True),
        (Int(1.0, 3), Int(1, 3), True),  # type: ignore[arg-type]
        (Bool(), Choice(0, 1), False),
        (Choice(1, 2), Choice(1.0, 2.0), False),
        (Choice("1"), Choice(1), False),
        (Const(1), Const(True), False),
        (Const(np.float64(0.5)), Const(0.5), True),
        (Choice("a", "b"), Choice(a={}, b={}), True),
        (Choice(a=dict(x=Int(0, 1))), Choice(a=dict(x=Bool())), False),
    ],
)
def test_spaces_are_equal_when_they_hold_the_same_values(a: Any, b: Any, same: bool) -> None:
    assert (Space(x=a) == Space(x=b)) is same
    assert (a == b) is same
    assert (Space(x=a).fingerprint() == Space(x=b).fingerprint()) is same


def test_options_that_python_holds_equal_are_kept_apart() -> None:
    space = Space(x=Choice(True, 1, 1.0, "1", None, "None"))
    seen = {config_key(space.sample(np.random.default_rng(i))) for i in range(200)}
    assert len(seen) == space.size == 6
    assert not Int(0, 1).contains(True)
    assert not Float(0, 1).contains(True)
    assert not Bool().contains(1)
    assert not Choice(1, 2).contains(1.0)


def test_only_options_of_that_very_name_carry_a_branch() -> None:
    space = Space(x=Choice(1, {"1": dict(y=Bool())}))
    for copy in (space, Space.from_json(space.to_json())):
        assert copy.contains({"x": 1})
        assert not copy.contains({"x": 1, "x.y": True})
        assert copy.contains({"x": "1", "x.y": True})
        assert copy.size == 3


def test_a_key_may_repeat_under_different_options() -> None:
    space = Space(o=Choice(sgd=dict(rate=Float(0, 1)), adam=dict(rate=Int(5, 9))))
    assert [n.key for n in space.nodes] == ["o", "o.rate", "o.rate"]
    assert len({n.id for n in space.nodes}) == 3
    assert space.contains({"o": "adam", "o.rate": 7})
    assert not space.contains({"o": "sgd", "o.rate": 7})
    rng = np.random.default_rng(0)
    config = space.sample(rng)
    for _ in range(50):
        config = space.neighbour(config, rng)
        assert space.contains(config)


def test_options_may_be_called_as_choice_calls_its_arguments() -> None:
    space = Space(mode=Choice({"default": dict(rate=Float(0, 1)), "ordered": {}}, default="ordered"))
    assert space.default() == {"mode": "ordered"}
    assert space.contains({"mode": "default", "mode.rate": 0.5})
    assert Space.from_json(space.to_json()) == space
    for name in ("default", "ordered"):
        with pytest.raises(SpaceError, match=rf'Choice\(\{{"{name}"'):
            Choice(other={}, **{name: dict(rate=Float(0, 1))})


@pytest.mark.parametrize(
    "param",
    [
        Int(1, 5),
        Int(1, 4, log=True),
        Int(8, 64, log=True, step=4),
        Int(0, 10, step=3),
        Choice(1, 2, 3),
        Choice("a", "b", ordered=True),
    ],
)
def test_every_value_has_its_share_of_the_unit_interval(param: Any) -> None:
    values = [param.from_unit(u) for u in np.linspace(0, 1, 20_001)]
    counts = {v: values.count(v) / len(values) for v in dict.fromkeys(values)}
    assert len(counts) == param.n_values
    if not getattr(param, "log", False):
        assert all(abs(c - 1 / len(counts)) < 0.01 for c in counts.values())
    assert [param.from_unit(param.to_unit(v)) for v in counts] == list(counts)


def test_defaults_stand_in_the_middle_of_the_scale_or_where_they_were_put() -> None:
    space = Space(a=Float(1e-4, 1, log=True), b=Float(0, 1, default=0.1), c=Choice("x", "y"), d=Const(None))
    assert space.default() == pytest.approx({"a": 1e-2, "b": 0.1, "c": "x", "d": None})
    assert Choice(16, 32, default=np.int64(32)).default == 32  # type: ignore[arg-type]


def test_the_fingerprint_is_the_same_on_every_machine() -> None:
    space = Space(
        lr=Float(1e-4, 1, log=True), o=Choice(sgd=dict(m=Float(0, 0.99)), adam={}), n=Int(1, 9), b=True
    )
    assert space.fingerprint() == "1083a45df1db5909"


def test_a_step_leaves_every_other_number_out() -> None:
    space = Space(width=Int(8, 31, log=True, step=4))
    assert [c["width"] for c in space.enumerate()] == [8, 12, 16, 20, 24, 28]
    assert space.size == 6
    assert not space.contains({"width": 9})
    assert not space.contains({"width": 31})
    assert Space.from_json(space.to_json()) == space
    drawn = {space.sample(np.random.default_rng(i))["width"] for i in range(200)}
    assert drawn == {8, 12, 16, 20, 24, 28}
