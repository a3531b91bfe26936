"""ConfigSpace (>= 1.2) -> Space. docs/spaces.md has the table; what cannot be carried over is a SpaceError by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space.conditions import (
    Above,
    And,
    Below,
    Condition,
    Equals,
    Greater,
    In,
    Less,
    Not,
    NotEquals,
    Or,
    Same,
)
from seedleaf.space.draw import default_value
from seedleaf.space.params import Choice, Const, Float, Int, Param, option_key, plain_value
from seedleaf.space.space import Space


def library() -> Any:
    """The module ConfigSpace; SpaceError where it is not installed."""
    try:
        import ConfigSpace
    except ImportError:
        raise SpaceError("ConfigSpace is not installed: pip install 'seedleaf[configspace]'") from None
    return ConfigSpace


def from_configspace(cs: Any) -> Space:
    """The Space of a ConfigurationSpace: its names, conditions and forbidden clauses, and its defaults."""
    lib = library()
    params = {hp.name: _param(lib, hp) for hp in cs.values()}
    when: dict[str, Condition] = {}
    for given in cs.conditions:
        child, condition = given.child.name, _condition(lib, given)
        when[child] = And(when[child], condition) if child in when else condition
    for child, condition in when.items():
        when[child] = _mind_inactive(condition, when)
    return Space(params, when=when, forbid=[_clause(lib, clause) for clause in cs.forbidden_clauses])


def config_of(space: Space, values: Mapping[str, Any]) -> Config:
    """A Configuration of `to_configspace(space)` as a config of `space`."""
    names = names_of(space)
    config: Config = {}
    for node in space.nodes:
        name = names[node.id]
        if name in values:
            value = plain_value(values[name])
            if isinstance(node.param, Choice):  # numpy strings and booleans come back as options
                value = node.param.options[node.param.index(value)]
            config[node.key] = value
    return space.check(config)


def names_of(space: Space) -> dict[str, str]:
    """By node id the name elsewhere: the key, or the id where a key stands under several options."""
    keys = [node.key for node in space.nodes]
    return {n.id: n.key if keys.count(n.key) == 1 else n.id for n in space.nodes}


def _param(lib: Any, hp: Any) -> Param:
    try:
        param = _of_kind(lib, hp)
        plain = hp.value if isinstance(hp, lib.Constant) else hp.default_value
        return _with_default(param, plain_value(plain))
    except SpaceError as error:
        raise SpaceError(f"{hp.name}: {error}") from None


def _of_kind(lib: Any, hp: Any) -> Param:
    floats = (lib.UniformFloatHyperparameter, lib.NormalFloatHyperparameter, lib.BetaFloatHyperparameter)
    ints = (lib.UniformIntegerHyperparameter, lib.NormalIntegerHyperparameter, lib.BetaIntegerHyperparameter)
    if isinstance(hp, floats):
        return Float(hp.lower, hp.upper, log=hp.log, prior=_centre(lib, hp))
    if isinstance(hp, ints):
        centre = _centre(lib, hp)
        return Int(hp.lower, hp.upper, log=hp.log, prior=None if centre is None else round(centre))
    if isinstance(hp, lib.CategoricalHyperparameter):
        return Choice(*(plain_value(o) for o in hp.choices), prior=_heaviest(hp))
    if isinstance(hp, lib.OrdinalHyperparameter):
        return Choice(*(plain_value(o) for o in hp.sequence), ordered=True)
    if isinstance(hp, lib.Constant):
        return Const(hp.value)
    raise SpaceError(f"a {type(hp).__name__} has no counterpart")


def _centre(lib: Any, hp: Any) -> float | None:
    """Where a normal or beta distribution has its peak, within the bounds; None for a uniform, or without an inner peak."""
    if isinstance(hp, (lib.NormalFloatHyperparameter, lib.NormalIntegerHyperparameter)):
        return float(np.clip(hp.mu, hp.lower, hp.upper))
    if not isinstance(hp, (lib.BetaFloatHyperparameter, lib.BetaIntegerHyperparameter)):
        return None
    if hp.alpha <= 1 or hp.beta <= 1:
        return None
    at = (hp.alpha - 1) / (hp.alpha + hp.beta - 2)
    if hp.log:
        return float(math.exp(math.log(hp.lower) + at * (math.log(hp.upper) - math.log(hp.lower))))
    return float(np.clip(hp.lower + at * (hp.upper - hp.lower), hp.lower, hp.upper))


def _heaviest(hp: Any) -> Value | None:
    """The option with the largest weight, where one has it alone."""
    weights = list(hp.weights or ())
    if not weights or weights.count(max(weights)) > 1:
        return None
    return plain_value(hp.choices[weights.index(max(weights))])


def _with_default(param: Param, value: Value) -> Param:
    """`param` with the default `value`, left out where it is what the parameter would take anyway."""
    own = default_value(param)
    if isinstance(param, Const) or option_key(own) == option_key(value):
        return param
    if isinstance(own, float) and isinstance(value, (int, float)) and math.isclose(own, value, rel_tol=1e-8):
        return param
    if isinstance(param, Choice):
        return Choice(*param.options, ordered=param.ordered, prior=param.prior, default=value)
    if isinstance(param, Int):
        return Int(param.low, param.high, param.log, int(value), prior=param.prior)  # type: ignore[arg-type]
    assert isinstance(param, Float)
    return Float(param.low, param.high, param.log, float(value), param.prior)  # type: ignore[arg-type]


def _condition(lib: Any, given: Any) -> Condition:
    if isinstance(given, (lib.AndConjunction, lib.OrConjunction)):
        kind = And if isinstance(given, lib.AndConjunction) else Or
        return kind(*(_condition(lib, part) for part in given.components))
    name = given.parent.name
    if isinstance(given, lib.InCondition):
        return In(name, _plain(name, given.values))
    for theirs, ours in (
        (lib.EqualsCondition, Equals),
        (lib.NotEqualsCondition, NotEquals),
        (lib.GreaterThanCondition, Greater),
        (lib.LessThanCondition, Less),
    ):
        if isinstance(given, theirs):
            found: Condition = ours(name, *_plain(name, [given.value]))
            return found
    raise SpaceError(f"the condition {given!r} has no counterpart")


def _mind_inactive(condition: Condition, conditional: Mapping[str, object]) -> Condition:
    """In ConfigSpace `!=` holds of a parent that is not active."""
    if isinstance(condition, (And, Or)):
        return type(condition)(*(_mind_inactive(part, conditional) for part in condition.parts))
    if isinstance(condition, NotEquals) and condition.param in conditional:
        return Not(Equals(condition.param, condition.value))
    return condition


def _clause(lib: Any, given: Any) -> Condition:
    if isinstance(given, (lib.ForbiddenAndConjunction, lib.ForbiddenOrConjunction)):
        kind = And if isinstance(given, lib.ForbiddenAndConjunction) else Or
        return kind(*(_clause(lib, part) for part in given.components))
    if hasattr(given, "left"):
        return _relation(lib, given)
    name = given.hyperparameter.name
    if isinstance(given, lib.ForbiddenInClause):
        return In(name, _plain(name, sorted(given.values, key=repr)))
    (value,) = _plain(name, [given.value])
    equals = Equals(name, value)
    table: dict[str, Condition] = {
        "ForbiddenEqualsClause": equals,
        "ForbiddenGreaterThanClause": Greater(name, value),
        "ForbiddenLessThanClause": Less(name, value),
        "ForbiddenGreaterThanEqualsClause": Greater(name, value) | equals,
        "ForbiddenLessThanEqualsClause": Less(name, value) | equals,
    }
    return _looked_up(table, given)


def _relation(lib: Any, given: Any) -> Condition:
    names = given.left.name, given.right.name
    table: dict[str, Condition] = {
        "ForbiddenEqualsRelation": Same(*names),
        "ForbiddenGreaterThanRelation": Above(*names),
        "ForbiddenLessThanRelation": Below(*names),
        "ForbiddenGreaterThanEqualsRelation": Above(*names) | Same(*names),
        "ForbiddenLessThanEqualsRelation": Below(*names) | Same(*names),
    }
    return _looked_up(table, given)


def _looked_up(table: Mapping[str, Condition], given: Any) -> Condition:
    found = table.get(type(given).__name__)
    if found is None:
        raise SpaceError(f"the clause {given!r} has no counterpart")
    return found


def _plain(name: str, values: Iterable[Any]) -> list[Value]:
    try:
        return [plain_value(v) for v in values]
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None
