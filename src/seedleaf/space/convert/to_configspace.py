"""Space -> ConfigSpace (>= 1.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.bound import Bound, Check, Junction, Negation, Pair
from seedleaf.space.conditions import Above, Equals, Greater, In, Less, NotEquals, Same, describe
from seedleaf.space.convert.configspace import library, names_of
from seedleaf.space.draw import default_value
from seedleaf.space.listing import values_of
from seedleaf.space.params import Choice, Const, Float, Int, Param, option_key
from seedleaf.space.prior import MASS, SD
from seedleaf.space.space import Space

LISTED = 1000  # values of a stepped or excluded number that are written out one by one


def to_configspace(space: Space, seed: int | None = None) -> Any:
    """The ConfigurationSpace of `space`; configs of the one are those of the other, name by name.

    A key that stands under several options is called by its node's id. `config_of` translates back.
    """
    lib = library()
    names, start = names_of(space), space.default()
    active = {n.id for n in space.active(start)}
    cs = lib.ConfigurationSpace(seed=seed)
    made: dict[str, Any] = {}
    for node in space.nodes:
        value = start[node.key] if node.id in active else default_value(node.param)
        name = names[node.id]
        made[node.id] = _guarded(name, partial(_made, lib, name, node.param, value))
    cs.add(list(made.values()))
    for node in space.nodes:
        parts = []
        if node.parent is not None:
            parts.append(lib.EqualsCondition(made[node.id], made[node.parent], node.option))
        if node.when is not None:
            parts.append(_guarded(names[node.id], partial(_condition, lib, made[node.id], node.when, made)))
        if parts:
            joined = parts[0] if len(parts) == 1 else lib.AndConjunction(*parts)
            _guarded(names[node.id], partial(cs.add, joined))
    for bound, text in space.clauses:
        clause = _guarded(f"forbidden {text}", partial(_clause, lib, bound, made))
        _guarded(f"forbidden {text}", partial(cs.add, clause))
    return cs


def _guarded(name: str, make: Callable[[], Any]) -> Any:
    """What ConfigSpace refuses, as a SpaceError by name."""
    try:
        return make()
    except (ValueError, TypeError, SpaceError) as error:
        raise SpaceError(f"{name}: ConfigSpace cannot hold it: {error}") from error


def _made(lib: Any, name: str, param: Param, value: Any) -> Any:
    if isinstance(param, Const) or (param.n_values == 1 and not isinstance(param, Choice)):
        return lib.Constant(name, value)
    if isinstance(param, Choice):
        return _choice(lib, name, param, value)
    if isinstance(param, Int) and param.step != 1:
        if param.n_values is None or param.n_values > LISTED:
            raise SpaceError(f"more than {LISTED} values with a step")
        return lib.OrdinalHyperparameter(name, list(values_of(param)), default_value=value)
    assert isinstance(param, (Float, Int))
    return _number(lib, name, param, value)


def _choice(lib: Any, name: str, param: Choice, value: Any) -> Any:
    options = list(param.options)
    if param.ordered:
        hp = lib.OrdinalHyperparameter(name, options, default_value=value)
    else:
        weights = None
        if param.prior is not None:
            n, at = len(options), param.index(param.prior)
            weights = [MASS * (i == at) + (1 - MASS) / n for i in range(n)]
        hp = lib.CategoricalHyperparameter(name, options, default_value=value, weights=weights)
    for i, option in enumerate(options):
        if option_key(hp.to_value(np.float64(i))) != option_key(option):  # it keeps them in one numpy array
            raise SpaceError(f"it would make {hp.to_value(np.float64(i))!r} of the option {option!r}")
    return hp


def _number(lib: Any, name: str, param: Float | Int, value: Any) -> Any:
    kind = "Float" if isinstance(param, Float) else "Integer"
    bounds: dict[str, Any] = dict(lower=param.low, upper=param.high, default_value=value, log=param.log)
    sigma = None if param.prior is None else _sigma(param)
    if sigma is None:
        hp = getattr(lib, f"Uniform{kind}Hyperparameter")(name, **bounds)
    else:
        hp = getattr(lib, f"Normal{kind}Hyperparameter")(name, mu=param.prior, sigma=sigma, **bounds)
    if (hp.lower, hp.upper) != (param.low, param.high):
        raise SpaceError(f"its bounds would be rounded to {hp.lower} and {hp.upper}")
    return hp


def _sigma(param: Float | Int) -> float | None:
    """The sigma that ConfigSpace scales to `SD` of the interval; None where a log scale leaves none."""
    if not param.log:
        return SD * (param.high - param.low)
    # It divides |log(low + sigma)| by the width in logs.
    width = math.log(param.high) - math.log(param.low)
    found = [math.exp(s * SD * width) - param.low for s in (1, -1)]
    return next((s for s in found if s > 1e-6), None)


def _condition(lib: Any, child: Any, bound: Bound, made: dict[str, Any]) -> Any:
    if isinstance(bound, Junction):
        parts = [_condition(lib, child, part, made) for part in bound.parts]
        if len(parts) == 1:
            return parts[0]
        return (lib.AndConjunction if bound.every else lib.OrConjunction)(*parts)
    if isinstance(bound, Negation):
        return _negated(lib, child, bound.part, made)
    if not isinstance(bound, Check):
        raise SpaceError("a relation between two parameters as a condition")
    parent, atom = made[bound.node], bound.atom
    if isinstance(atom, In):
        return lib.InCondition(child, parent, list(atom.values))
    if isinstance(atom, NotEquals):  # its own `!=` holds of a parent that is not active, ours does not
        if isinstance(bound.param, (Float, Int)):
            sides = [k(child, parent, atom.value) for k in (lib.LessThanCondition, lib.GreaterThanCondition)]
            return lib.OrConjunction(*sides)
        return lib.InCondition(child, parent, _others(bound))
    kinds = {Equals: lib.EqualsCondition, Greater: lib.GreaterThanCondition, Less: lib.LessThanCondition}
    return kinds[type(atom)](child, parent, atom.value)


def _negated(lib: Any, child: Any, bound: Bound, made: dict[str, Any]) -> Any:
    """The condition that `bound` does not hold, which ConfigSpace can say of equality only."""
    if isinstance(bound, Negation):
        return _condition(lib, child, bound.part, made)
    if isinstance(bound, Junction):
        turned = Junction(tuple(Negation(part) for part in bound.parts), not bound.every)
        return _condition(lib, child, turned, made)
    if isinstance(bound, Check) and isinstance(bound.atom, (Equals, In)):
        values = bound.atom.values if isinstance(bound.atom, In) else (bound.atom.value,)
        parts = [lib.NotEqualsCondition(child, made[bound.node], value) for value in values]
        return parts[0] if len(parts) == 1 else lib.AndConjunction(*parts)
    raise SpaceError("the negation of a comparison as a condition")


def _clause(lib: Any, bound: Bound, made: dict[str, Any]) -> Any:
    if isinstance(bound, Junction):
        parts = [_clause(lib, part, made) for part in bound.parts]
        if len(parts) == 1:
            return parts[0]
        return (lib.ForbiddenAndConjunction if bound.every else lib.ForbiddenOrConjunction)(*parts)
    if isinstance(bound, Pair):
        sides = made[bound.left.id], made[bound.right.id]
        if isinstance(bound.relation, Same):
            return lib.ForbiddenEqualsRelation(*sides)
        above = isinstance(bound.relation, Above)
        return (lib.ForbiddenGreaterThanRelation if above else lib.ForbiddenLessThanRelation)(*sides)
    if isinstance(bound, Negation):
        raise SpaceError("a negation as a clause")
    hp, atom = made[bound.node], bound.atom
    if isinstance(atom, In):
        return lib.ForbiddenInClause(hp, list(atom.values))
    if isinstance(atom, NotEquals):
        return _all_but(lib, hp, bound, atom.value)
    kinds = {
        Equals: lib.ForbiddenEqualsClause,
        Greater: lib.ForbiddenGreaterThanClause,
        Less: lib.ForbiddenLessThanClause,
    }
    return kinds[type(atom)](hp, atom.value)


def _all_but(lib: Any, hp: Any, bound: Check, value: Value) -> Any:
    if isinstance(bound.param, (Float, Int)):
        sides = lib.ForbiddenLessThanClause(hp, value), lib.ForbiddenGreaterThanClause(hp, value)
        return lib.ForbiddenOrConjunction(*sides)
    return lib.ForbiddenInClause(hp, _others(bound))


def _others(bound: Check) -> list[Value]:
    """The options that pass, in a list that may not be empty."""
    found = [o for o in values_of(bound.param) if bound.passes(o)]
    if not found:
        raise SpaceError(f"{describe(bound.atom)} can never hold")
    return found
