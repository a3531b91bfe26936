"""When a parameter exists, and which configs are forbidden: a small algebra over the values of other parameters.

    Space(
        dict(depth=Int(1, 9), skip=Bool(), width=Int(8, 64)),
        when={"skip": Greater("depth", 3), "width": Equals("skip", True) | Less("depth", 3)},
        forbid=[Equals("depth", 9) & Greater("width", 32), Same("depth", "width")],
    )

A statement about a parameter that is not active is false, `NotEquals` too; only `Not` turns it round. Names are keys of
the space in which the condition stands ("depth", "optimizer.momentum"); where a key stands under several options,
its node's id ("optimizer[sgd].momentum").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.values import plain_value


class _Joined:
    """`a & b` and `a | b` for every kind of condition."""

    def __and__(self, other: Condition) -> And:
        return And(self, other)  # type: ignore[arg-type]

    def __or__(self, other: Condition) -> Or:
        return Or(self, other)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Atom(_Joined):
    """A parameter compared with a value."""

    param: str
    value: Value

    def __post_init__(self) -> None:
        _check_name(self.param)
        object.__setattr__(self, "value", plain_value(self.value))


class Equals(_Atom):
    """`param` holds `value`."""


class NotEquals(_Atom):
    """`param` is active and holds another value."""


class Greater(_Atom):
    """`param`, a number or an ordered choice, lies above `value`."""


class Less(_Atom):
    """`param`, a number or an ordered choice, lies below `value`."""


@dataclass(frozen=True)
class In(_Joined):
    """`param` holds one of `values`."""

    param: str
    values: tuple[Value, ...]

    def __init__(self, param: str, values: Iterable[Value]) -> None:
        _check_name(param)
        if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
            raise SpaceError(f"In({param!r}, {values!r}): give a list of values")
        object.__setattr__(self, "param", param)
        object.__setattr__(self, "values", tuple(plain_value(v) for v in values))
        if not self.values:
            raise SpaceError(f"In({param!r}, []) has no values")


@dataclass(frozen=True)
class _Relation(_Joined):
    """Two parameters compared: numbers and choices among numbers by value, other choices for equality only."""

    left: str
    right: str

    def __post_init__(self) -> None:
        _check_name(self.left)
        _check_name(self.right)
        if self.left == self.right:
            raise SpaceError(f"{self!r} compares a parameter with itself")


class Same(_Relation):
    """Both are active and hold equal values."""


class Above(_Relation):
    """Both are active and `left` > `right`."""


class Below(_Relation):
    """Both are active and `left` < `right`."""


@dataclass(frozen=True)
class _Group(_Joined):
    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        for part in parts:
            if not isinstance(part, _Joined):
                raise SpaceError(f"{type(self).__name__}: {part!r} is no condition")
        if not parts:
            raise SpaceError(f"{type(self).__name__}() has no parts")
        object.__setattr__(self, "parts", parts)


class And(_Group):
    """All of them hold."""


class Or(_Group):
    """At least one of them holds."""


@dataclass(frozen=True)
class Not(_Joined):
    """`part` does not hold; of a statement about what is not active that is true."""

    part: Condition

    def __post_init__(self) -> None:
        if not isinstance(self.part, _Joined):
            raise SpaceError(f"Not: {self.part!r} is no condition")


Atom = Equals | NotEquals | Greater | Less | In
Relation = Same | Above | Below
Condition = Atom | Relation | And | Or | Not

_ATOMS: Mapping[str, type[Equals | NotEquals | Greater | Less]] = {
    "==": Equals,
    "!=": NotEquals,
    ">": Greater,
    "<": Less,
}
_RELATIONS: Mapping[str, type[Relation]] = {"same": Same, "above": Above, "below": Below}
_GROUPS: Mapping[str, type[And | Or]] = {"and": And, "or": Or}
_SIGNS = {kind: sign for table in (_ATOMS, _RELATIONS, _GROUPS) for sign, kind in table.items()}


def is_condition(thing: object) -> bool:
    return isinstance(thing, _Joined)


def names_in(condition: Condition) -> Iterator[str]:
    """The parameters that the condition speaks of, in order, with repetitions."""
    if isinstance(condition, (And, Or)):
        for part in condition.parts:
            yield from names_in(part)
    elif isinstance(condition, Not):
        yield from names_in(condition.part)
    elif isinstance(condition, (Same, Above, Below)):
        yield from (condition.left, condition.right)
    else:
        yield condition.param


def condition_to_json(condition: Condition) -> list[Any]:
    """`["==", "depth", 3]`, `["in", "depth", [3, 4]]`, `["same", "a", "b"]`, `["and", [...], [...]]`."""
    if isinstance(condition, (And, Or)):
        return [_SIGNS[type(condition)], *(condition_to_json(p) for p in condition.parts)]
    if isinstance(condition, Not):
        return ["not", condition_to_json(condition.part)]
    if isinstance(condition, In):
        return ["in", condition.param, list(condition.values)]
    if isinstance(condition, (Same, Above, Below)):
        return [_SIGNS[type(condition)], condition.left, condition.right]
    return [_SIGNS[type(condition)], condition.param, condition.value]


def condition_from_json(body: object) -> Condition:
    """The condition that `condition_to_json` wrote; SpaceError for anything else."""
    if not isinstance(body, Sequence) or isinstance(body, str) or not body or not isinstance(body[0], str):
        raise SpaceError(f"{body!r} is no condition: write ['==', name, value]")
    sign, *rest = body
    if sign in _GROUPS:
        return _GROUPS[sign](*(condition_from_json(part) for part in rest))
    if sign == "not" and len(rest) == 1:
        return Not(condition_from_json(rest[0]))
    if len(rest) == 2:
        if sign == "in":
            return In(*rest)
        for table in (_ATOMS, _RELATIONS):
            if sign in table:
                return table[sign](*rest)
    raise SpaceError(f"{body!r} is no condition: the signs are {', '.join(('in', 'not', *_SIGNS.values()))}")


def describe(condition: Condition) -> str:
    """The condition as a person would write it: `depth > 3 and (skip == True or width < 9)`."""
    if isinstance(condition, (And, Or)):
        word = f" {_SIGNS[type(condition)]} "
        parts = (f"({describe(p)})" if isinstance(p, (And, Or)) else describe(p) for p in condition.parts)
        return word.join(parts)
    if isinstance(condition, Not):
        return f"not ({describe(condition.part)})"
    if isinstance(condition, In):
        return f"{condition.param} in {list(condition.values)}"
    if isinstance(condition, (Same, Above, Below)):
        sign = {Same: "==", Above: ">", Below: "<"}[type(condition)]
        return f"{condition.left} {sign} {condition.right}"
    return f"{condition.param} {_SIGNS[type(condition)]} {condition.value!r}"


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise SpaceError(f"a condition names a parameter, got {name!r}")
