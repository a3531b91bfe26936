"""Random spaces with conditions beyond the tree and with forbidden clauses, and a slow oracle for what they mean."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space import (
    Above,
    And,
    Below,
    Bool,
    Choice,
    Condition,
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
    Same,
    Space,
)
from seedleaf.space.listing import values_of

NAMES = ["a", "b", "c", "d", "größe", "x.y", "when", "f"]


def graphs(finite: bool = False) -> st.SearchStrategy[Space]:
    """Spaces of two to six parameters, some nested, with conditions on those written before or after them."""
    return st.integers(0, 2**32).map(lambda seed: random_graph(random.Random(seed), finite))


def random_graph(rng: random.Random, finite: bool = False) -> Space:
    while True:
        try:
            return _attempt(rng, finite)
        except SpaceError as error:  # conditions drawn blindly may form a circle: draw others
            if "circle" not in str(error):
                raise


def _attempt(rng: random.Random, finite: bool) -> Space:
    names = rng.sample(NAMES, rng.randint(2, 6))
    params = {name: random_param(rng, finite) for name in names}
    if rng.random() < 0.4:
        inner = {name: random_param(rng, finite) for name in ("a", "b")}
        rules = {"b": random_atom(rng, {"a": inner["a"]})} if rng.random() < 0.5 else {}
        forbid = [random_clause(rng, inner)] if rng.random() < 0.2 else []
        params["deep"] = Choice("flat", nested=Space(inner, when=rules, forbid=forbid), bare={})
    speak = dict(params)
    if "deep" in params:
        speak |= {f"deep.{name}": param for name, param in inner.items()}
    when = {}
    for name in names:
        others = {k: p for k, p in speak.items() if k != name}
        if others and rng.random() < 0.5:
            when[name] = random_condition(rng, others)
    forbid = [random_clause(rng, speak) for _ in range(rng.choice([0, 0, 1, 2]))]
    return Space(params, when=when, forbid=forbid)


def random_param(rng: random.Random, finite: bool) -> Any:
    kind = rng.choice(["int", "choice", "choice", "ordered", "bool", "const", "float"])
    if kind == "float" and not finite:
        return Float(0.5, 8, log=rng.random() < 0.5)
    if kind in ("int", "float"):
        return Int(1, rng.choice([3, 4, 9]), step=rng.choice([1, 2]))
    if kind == "const":
        return Const(rng.choice([1, "x", None]))
    if kind == "bool":
        return Bool()
    return Choice(*rng.sample(["x", "y", 1, 2.5, None, True], rng.randint(1, 4)), ordered=kind == "ordered")


def random_atom(rng: random.Random, params: Mapping[str, Any]) -> Condition:
    name = rng.choice(list(params))
    param = params[name]
    if isinstance(param, Const):
        return rng.choice([Equals, NotEquals])(name, param.value)
    some = [param.from_unit(rng.random()) for _ in range(2)]
    if isinstance(param, (Float, Int)) or param.is_ordered:
        kind = rng.choice(["eq", "ne", "in", "gt", "lt", "gt", "lt"])
    else:
        kind = rng.choice(["eq", "eq", "ne", "in"])
    if kind == "in":
        return In(name, some)
    return {"eq": Equals, "ne": NotEquals, "gt": Greater, "lt": Less}[kind](name, some[0])


def random_condition(rng: random.Random, params: Mapping[str, Any], depth: int = 2) -> Condition:
    if depth == 0 or rng.random() < 0.6:
        return random_atom(rng, params)
    parts = [random_condition(rng, params, depth - 1) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.3:
        return Not(parts[0])
    return rng.choice([And, Or])(*parts)


def random_clause(rng: random.Random, params: Mapping[str, Any]) -> Condition:
    numbers = [name for name, p in params.items() if isinstance(p, (Float, Int))]
    if len(numbers) >= 2 and rng.random() < 0.4:
        return rng.choice([Same, Above, Below])(*rng.sample(numbers, 2))
    return And(random_atom(rng, params), random_atom(rng, params))


# --- the oracle: definitions read off the space as written, by keys and plain comparison ---


def same(a: Value, b: Value) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    return a == b


def holds(condition: Condition, config: Mapping[str, Value], params: Mapping[str, Any]) -> bool:
    """Is the condition true in `config`, which holds the active parameters only?"""
    if isinstance(condition, And):
        return all(holds(p, config, params) for p in condition.parts)
    if isinstance(condition, Or):
        return any(holds(p, config, params) for p in condition.parts)
    if isinstance(condition, Not):
        return not holds(condition.part, config, params)
    if isinstance(condition, (Same, Above, Below)):
        if condition.left not in config or condition.right not in config:
            return False
        x: Any = config[condition.left]
        y: Any = config[condition.right]
        return x == y if isinstance(condition, Same) else x > y if isinstance(condition, Above) else x < y
    if condition.param not in config:
        return False
    value: Any = config[condition.param]
    if isinstance(condition, In):
        return any(same(value, v) for v in condition.values)
    if isinstance(condition, (Equals, NotEquals)):
        return same(value, condition.value) is isinstance(condition, Equals)
    other: Any = condition.value
    param = params[condition.param]
    if isinstance(param, Choice):
        keys = [(type(o), o) for o in param.options]
        value, other = keys.index((type(value), value)), keys.index((type(other), other))
    return value > other if isinstance(condition, Greater) else value < other


def scopes(space: Space, config: Mapping[str, Value], prefix: str = "") -> Iterator[tuple[str, Space]]:
    """The space and its branches that are taken in `config`, with the prefix of their keys."""
    yield prefix, space
    for name, param in space.params.items():
        if isinstance(param, Choice) and prefix + name in config:
            value = config[prefix + name]
            if isinstance(value, str) and value in param.branches:
                yield from scopes(param.branches[value], config, f"{prefix}{name}.")


def local(config: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    return {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}


def visible(space: Space) -> dict[str, Any]:
    """The parameters that conditions of `space` may speak of, one level of branches included."""
    found = dict(space.params)
    for name, param in space.params.items():
        if isinstance(param, Choice):
            for branch in param.branches.values():
                found |= {f"{name}.{inner}": p for inner, p in branch.params.items()}
    return found


def consistent(space: Space, config: Mapping[str, Value]) -> bool:
    """Does `config` hold exactly the parameters that its own values make active?"""
    wanted = set()
    for prefix, scope in scopes(space, config):
        here, params = local(config, prefix), visible(scope)
        for name in scope.params:
            if name not in scope.when or holds(scope.when[name], here, params):
                wanted.add(prefix + name)
    return wanted == set(config)


def forbidden(space: Space, config: Mapping[str, Value]) -> bool:
    return any(
        holds(clause, local(config, prefix), visible(scope))
        for prefix, scope in scopes(space, config)
        for clause in scope.forbid
    )


def all_configs(space: Space) -> Iterator[dict[str, Value]]:
    """Every config of a small finite space: each subset of the keys with each of their values, and the oracle asked."""
    keys = {node.key: node.param for node in space.nodes}
    choices = [[(), *((key, v) for v in values_of(param))] for key, param in keys.items()]
    for picked in itertools.product(*choices):
        config = dict(p for p in picked if p)
        if consistent(space, config) and not forbidden(space, config):
            yield config
