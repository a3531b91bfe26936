"""A space as a set: how many configs it holds, and each of them in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from seedleaf.core import Config, Value
from seedleaf.space.bound import Bound, Check, Junction, Negation, Pair
from seedleaf.space.conditions import In
from seedleaf.space.params import Choice, Float, Int, Param

if TYPE_CHECKING:
    from seedleaf.space.nodes import Node
    from seedleaf.space.space import Space

BRANCHES = 10_000  # a count that branches more often than this gives an upper bound instead
PAIRED = 1_000  # values of a parameter in a relation that are gone through one by one
Class = tuple[Value, float]  # a value, and how many behave like it


def count(space: Space) -> int | None:
    """How many configs there are; None where infinitely many.

    Exact for trees; with conditions and forbidden clauses exact as long as 10⁴ cases tell it, else an upper bound.
    """
    if space.is_tree:
        return _product(space, space.children(None))
    try:
        found = _Count(space).below(0, {})
    except _TooMany:
        return _at_most(space)
    return None if math.isinf(found) else int(found)


def configs(space: Space) -> Iterator[Config]:
    """Every allowed config of a finite space, the first parameter varying slowest."""
    yield from _expand(space, 0, {}, {})


def _expand(space: Space, i: int, config: Config, values: dict[str, Value]) -> Iterator[Config]:
    while i < len(space.nodes) and not space.is_active(space.nodes[i], values):
        i += 1
    if i == len(space.nodes):
        if space.forbidden_by(values) is None:
            yield dict(config)
        return
    node = space.nodes[i]
    for value in values_of(node.param):
        yield from _expand(space, i + 1, {**config, node.key: value}, {**values, node.id: value})


def values_of(param: Param) -> Iterator[Value]:
    """The values of a finite parameter, in order."""
    if isinstance(param, Choice):
        yield from param.options
    else:
        n = param.n_values or 1
        yield from (
            param.from_unit((i + 0.5) / n) if not isinstance(param, Int) else param.low + i * param.step
            for i in range(n)
        )


def _product(space: Space, nodes: list[Node]) -> int | None:
    total = 1
    for node in nodes:
        n = _size_of(space, node)
        if n is None:
            return None
        total *= n
    return total


def _size_of(space: Space, node: Node) -> int | None:
    if not isinstance(node.param, Choice):
        return node.param.n_values
    total = 0
    for option in node.param.options:
        n = _product(space, space.children(node.id, option))
        if n is None:
            return None
        total += n
    return total


class _TooMany(Exception):
    pass


class _Count:
    """Counts by cases: values that no condition tells apart are one case, a parameter that none mentions a factor."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.left = BRANCHES
        bounds = [n.when for n in space.nodes if n.when is not None] + [b for b, _ in space.clauses]
        checks: dict[str, list[Check]] = {n.parent: [] for n in space.nodes if n.parent is not None}
        paired: set[str] = set()
        for part in _leaves(bounds):
            if isinstance(part, Pair):
                paired |= set(part.nodes())
            else:
                checks.setdefault(part.node, []).append(part)
        self.cases = {
            name: _cases(space.by_id[name].param, checks.get(name, []), name in paired)
            for name in checks.keys() | paired
        }

    def below(self, i: int, values: Mapping[str, Value]) -> float:
        """How many configs go on from `values` of the nodes before the i-th."""
        space = self.space
        while i < len(space.nodes) and not space.is_active(space.nodes[i], values):
            i += 1
        if i == len(space.nodes):
            self.left -= 1
            if self.left < 0:
                raise _TooMany
            return int(space.forbidden_by(values) is None)
        node = space.nodes[i]
        if node.id not in self.cases:
            n = node.param.n_values
            return _times(math.inf if n is None else n, self.below(i + 1, values))
        cases = self.cases[node.id]
        if cases is None:
            raise _TooMany
        total: float = 0
        for value, times in cases:
            total = total + _times(times, self.below(i + 1, {**values, node.id: value}))
        return total


def _leaves(bounds: list[Bound]) -> Iterator[Check | Pair]:
    for bound in bounds:
        if isinstance(bound, Junction):
            yield from _leaves(list(bound.parts))
        elif isinstance(bound, Negation):
            yield from _leaves([bound.part])
        else:
            yield bound


def _times(n: float, rest: float) -> float:
    """n · rest in whole numbers of any size; nothing times infinitely many is nothing."""
    if not rest or not n:
        return 0
    return math.inf if math.inf in (n, rest) else n * rest


def _cases(param: Param, checks: list[Check], paired: bool) -> list[Class] | None:
    """Values that no condition tells apart, one of each kind; None where a relation leaves too many."""
    if not isinstance(param, (Float, Int)):
        return [(value, 1) for value in values_of(param)]
    if paired:
        if param.n_values is None or param.n_values > PAIRED:
            return None
        return [(value, 1) for value in values_of(param)]
    named = [v for c in checks for v in (c.atom.values if isinstance(c.atom, In) else (c.atom.value,))]
    numbers = (v for v in named if isinstance(v, (int, float)))
    marks = sorted({v for v in numbers if param.low <= v <= param.high})
    return list(_whole(param, marks) if isinstance(param, Int) else _real(param, marks))


def _real(param: Float, marks: list[float]) -> Iterator[Class]:
    """The marks, and between them one value for infinitely many others."""
    yield from ((mark, 1) for mark in marks)
    ends = [param.low, *marks, param.high]
    for low, high in pairwise(ends):
        if low < high:
            yield (low + high) / 2, math.inf


def _whole(param: Int, marks: list[float]) -> Iterator[Class]:
    """As `_real`, in steps: places 0, 1, … of the range."""
    last = (param.high - param.low) // param.step
    start = 0
    for mark in marks:
        below = -((param.low - mark) // param.step)  # the first place at the mark or above it
        place = int(below)
        if place > start:
            yield param.low + start * param.step, place - start
        at = param.low + place * param.step
        if at == mark:
            yield at, 1
        start = place + (at == mark)
    if start <= last:
        yield param.low + start * param.step, last - start + 1


def _at_most(space: Space) -> int | None:
    total = 1
    for node in space.nodes:
        if node.param.n_values is None:
            return None
        total *= node.param.n_values
    return total
