"""Conditions tied to the nodes of a space: tested on one config, or on many unit vectors at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.conditions import (
    Above,
    And,
    Atom,
    Below,
    Condition,
    Equals,
    Greater,
    In,
    Less,
    Not,
    NotEquals,
    Or,
    Relation,
    Same,
    describe,
)
from seedleaf.space.params import Choice, Float, Int, Param, option_key

if TYPE_CHECKING:
    from seedleaf.space.nodes import Node

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Check:
    """One atom on one node. `accepted` are the option keys that pass, for choices; None for numbers."""

    node: str
    column: int
    param: Param
    atom: Atom
    accepted: frozenset[tuple[str, object]] | None

    def passes(self, value: Value) -> bool:
        """Does `value` of the node pass?"""
        if self.accepted is not None:
            return option_key(value) in self.accepted
        return _compare_number(self.atom, value)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """`values` holds the active nodes' values by their id."""
        return self.node in values and self.passes(values[self.node])

    def mask(self, vectors: Array) -> Mask:
        """For which rows of `vectors`, shape (n, nodes), NaN where not active, does it hold? Shape (n,)."""
        column = vectors[:, self.column]
        param = self.param
        if isinstance(param, Choice):
            table = np.array([self.passes(o) for o in param.options])
            at = np.clip(np.nan_to_num(column * len(table)), 0, len(table) - 1).astype(np.intp)
            return np.asarray(table[at] & ~np.isnan(column))
        # Value by value, so that rounding at an edge falls the same way as in a config.
        return np.array([u == u and self.passes(param.from_unit(u)) for u in column.tolist()], bool)

    def nodes(self) -> Iterator[str]:
        yield self.node


@dataclass(frozen=True)
class Pair:
    """A relation between two nodes."""

    left: Node
    right: Node
    columns: tuple[int, int]
    relation: Relation

    def _passes(self, left: Value, right: Value) -> bool:
        x, y = _as_number(left), _as_number(right)
        if x is None or y is None:
            return isinstance(self.relation, Same) and option_key(left) == option_key(right)
        if isinstance(self.relation, Same):
            return x == y
        return x > y if isinstance(self.relation, Above) else x < y

    def holds(self, values: Mapping[str, Value]) -> bool:
        if self.left.id not in values or self.right.id not in values:
            return False
        return self._passes(values[self.left.id], values[self.right.id])

    def mask(self, vectors: Array) -> Mask:
        a, b = self.left.param.from_unit, self.right.param.from_unit
        rows = vectors[:, list(self.columns)].tolist()
        return np.array([x == x and y == y and self._passes(a(x), b(y)) for x, y in rows], bool)

    def nodes(self) -> Iterator[str]:
        yield from (self.left.id, self.right.id)


@dataclass(frozen=True)
class Junction:
    """All of `parts` (`every`), or at least one."""

    parts: tuple[Bound, ...]
    every: bool

    def holds(self, values: Mapping[str, Value]) -> bool:
        found = (part.holds(values) for part in self.parts)
        return all(found) if self.every else any(found)

    def mask(self, vectors: Array) -> Mask:
        join = np.logical_and if self.every else np.logical_or
        return np.asarray(join.reduce([part.mask(vectors) for part in self.parts]))

    def nodes(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.nodes()


@dataclass(frozen=True)
class Negation:
    """`part` does not hold."""

    part: Bound

    def holds(self, values: Mapping[str, Value]) -> bool:
        return not self.part.holds(values)

    def mask(self, vectors: Array) -> Mask:
        return np.asarray(~self.part.mask(vectors))

    def nodes(self) -> Iterator[str]:
        yield from self.part.nodes()


Bound = Check | Pair | Junction | Negation


def bind(condition: Condition, find: Callable[[str], Node], index: Mapping[str, int]) -> Bound:
    """`condition` tied to nodes: `find` gives the node that a name means, `index` a node's place.

    SpaceError where a value is not the parameter's, or where what has no order is asked for more or less.
    """
    if isinstance(condition, (And, Or)):
        parts = tuple(bind(part, find, index) for part in condition.parts)
        return Junction(parts, isinstance(condition, And))
    if isinstance(condition, Not):
        return Negation(bind(condition.part, find, index))
    if isinstance(condition, (Same, Above, Below)):
        left, right = find(condition.left), find(condition.right)
        _check_comparable(condition, left.param, right.param)
        return Pair(left, right, (index[left.id], index[right.id]), condition)
    node = find(condition.param)
    values = condition.values if isinstance(condition, In) else (condition.value,)
    bounds = isinstance(condition, (Greater, Less)) and _is_number(node.param)
    for value in values:
        known = isinstance(value, (int, float)) and not isinstance(value, bool) if bounds else None
        if not (node.param.contains(value) if known is None else known):
            raise SpaceError(f"the condition {describe(condition)}: {value!r} is not in {node.param!r}")
    return Check(node.id, index[node.id], node.param, condition, _accepted(condition, node.param))


def _accepted(atom: Atom, param: Param) -> frozenset[tuple[str, object]] | None:
    """The keys of the options that pass; None where the parameter is a number."""
    if _is_number(param):
        return None
    options = _options(param)
    if isinstance(atom, (Greater, Less)):
        if not isinstance(param, Choice) or not param.ordered:
            raise SpaceError(f"the condition {describe(atom)}: {param!r} has no order")
        at = param.index(atom.value)
        return frozenset(map(option_key, options[at + 1 :] if isinstance(atom, Greater) else options[:at]))
    named = {option_key(v) for v in (atom.values if isinstance(atom, In) else (atom.value,))}
    every = frozenset(map(option_key, options))
    return every - named if isinstance(atom, NotEquals) else every & named


def _compare_number(atom: Atom, value: Any) -> bool:
    if isinstance(atom, In):
        return value in atom.values
    other: Any = atom.value
    if isinstance(atom, Equals):
        return bool(value == other)
    if isinstance(atom, NotEquals):
        return bool(value != other)
    return bool(value > other if isinstance(atom, Greater) else value < other)


def _is_number(param: Param) -> bool:
    return isinstance(param, (Float, Int))


def _as_number(value: Value) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _check_comparable(relation: Relation, left: Param, right: Param) -> None:
    """Numbers, and choices among numbers, compare by value; other choices for equality only."""
    numeric = [
        _is_number(side) or all(_as_number(v) is not None for v in _options(side)) for side in (left, right)
    ]
    if all(numeric) or (isinstance(relation, Same) and not (_is_number(left) or _is_number(right))):
        return
    raise SpaceError(f"{describe(relation)}: {left!r} and {right!r} cannot be compared so")


def _options(param: Param) -> tuple[Value, ...]:
    return param.options if isinstance(param, Choice) else (param.default,)
