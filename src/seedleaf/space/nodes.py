"""A space flattened: its parameters in their places, parents first, with their conditions resolved."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.bound import Bound, Junction, bind
from seedleaf.space.conditions import Condition, Equals, In, describe, names_in
from seedleaf.space.params import Choice, Param, option_key

if TYPE_CHECKING:
    from seedleaf.space.space import Space


@dataclass(frozen=True)
class Node:
    """One parameter in its place in the space.

    `key` is its name in a config ("optimizer.momentum"); `id` also says under which options it stands
    ("optimizer[sgd].momentum"), so that equal keys under different options stay different dimensions.
    It is active exactly when `parent` is active and holds `option`, and `when` holds, where there are such.
    """

    id: str
    key: str
    param: Param
    parent: str | None = None  # the id of the Choice node it hangs on
    option: Value = None
    when: Bound | None = None  # only where the conditions go beyond one option of one choice


@dataclass(frozen=True)
class _Scope:
    """The part of the space that a (nested) Space covers: where the names in its conditions are looked up."""

    key: str
    id: str


@dataclass
class _Layout:
    nodes: list[Node] = field(default_factory=list)
    when: list[tuple[_Scope, str, Condition]] = field(default_factory=list)
    forbid: list[tuple[_Scope, Condition]] = field(default_factory=list)
    by_id: dict[str, Node] = field(default_factory=dict)
    by_key: dict[str, list[Node]] = field(default_factory=dict)

    def add(self, space: Space, scope: _Scope, parent: str | None, option: Value) -> None:
        self.when += [(scope, name, condition) for name, condition in space.when.items()]
        self.forbid += [(scope, clause) for clause in space.forbid]
        for name, param in space.params.items():
            node = Node(f"{scope.id}{name}", f"{scope.key}{name}", param, parent, option)
            self.nodes.append(node)
            if isinstance(param, Choice):
                for value, branch in param.branches.items():
                    self.add(branch, _Scope(f"{node.key}.", f"{node.id}[{value}]."), node.id, value)

    def look_up(self, scope: _Scope, name: str) -> list[Node]:
        """The nodes that `name` means in `scope`; SpaceError where there is none."""
        exact = self.by_id.get(scope.id + name)
        if exact is not None:
            return [exact]
        found = [n for n in self.by_key.get(scope.key + name, ()) if n.id.startswith(scope.id)]
        if not found:
            raise SpaceError(f"a condition speaks of {name!r}, which is no parameter here")
        return found

    def find(self, scope: _Scope, name: str) -> Node:
        found = self.look_up(scope, name)
        if len(found) > 1:
            raise SpaceError(
                f"{name!r} stands under several options; say which: {', '.join(n.id for n in found)}"
            )
        return found[0]


def flatten(space: Space) -> tuple[tuple[Node, ...], tuple[tuple[Bound, str], ...]]:
    """The nodes, parents first and else as they were written, and the forbidden clauses with their texts."""
    layout = _Layout()
    layout.add(space, _Scope("", ""), None, None)
    for node in layout.nodes:
        layout.by_id[node.id] = node
        layout.by_key.setdefault(node.key, []).append(node)
    _check_names(layout)
    conditions: dict[str, list[tuple[_Scope, Condition]]] = {}
    for scope, name, condition in layout.when:
        for node in layout.look_up(scope, name):
            conditions.setdefault(node.id, []).append((scope, condition))
    needs = {
        child: [layout.find(s, name).id for s, condition in given for name in names_in(condition)]
        for child, given in conditions.items()
    }
    order = _parents_first(layout.nodes, needs)
    index = {node.id: i for i, node in enumerate(order)}
    nodes = tuple(_finished(layout, node, conditions.get(node.id, []), index) for node in order)
    clauses = tuple((_bound(layout, s, clause, index), describe(clause)) for s, clause in layout.forbid)
    return nodes, clauses


def _bound(layout: _Layout, scope: _Scope, condition: Condition, index: Mapping[str, int]) -> Bound:
    return bind(condition, lambda name: layout.find(scope, name), index)


def _finished(
    layout: _Layout, node: Node, given: list[tuple[_Scope, Condition]], index: Mapping[str, int]
) -> Node:
    """The node with its conditions. One option of one choice beside it becomes its parent: the cheap way to say so."""
    if not given:
        return node
    bound = [_bound(layout, scope, condition, index) for scope, condition in given]
    if len(given) == 1:
        scope, condition = given[0]
        single = isinstance(condition, In) and len(condition.values) == 1
        if isinstance(condition, Equals) or single:
            owner = layout.find(scope, next(names_in(condition)))
            beside = (owner.parent, option_key(owner.option)) == (node.parent, option_key(node.option))
            if isinstance(owner.param, Choice) and beside:
                value = condition.values[0] if isinstance(condition, In) else condition.value  # type: ignore[union-attr]
                return replace(node, parent=owner.id, option=owner.param.options[owner.param.index(value)])
    return replace(node, when=bound[0] if len(bound) == 1 else Junction(tuple(bound), every=True))


def _parents_first(nodes: list[Node], needs: Mapping[str, Iterable[str]]) -> list[Node]:
    """A topological order that keeps the written one where it can; SpaceError where conditions form a circle."""
    place = {node.id: i for i, node in enumerate(nodes)}
    waits = {n.id: {*needs.get(n.id, ()), *([n.parent] if n.parent is not None else [])} for n in nodes}
    frees: dict[str, list[str]] = {}
    for child, parents in waits.items():
        for parent in parents:
            frees.setdefault(parent, []).append(child)
    ready = [place[name] for name, parents in waits.items() if not parents]
    heapq.heapify(ready)
    order: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for child in frees.get(node.id, ()):
            waits[child].discard(node.id)
            if not waits[child]:
                heapq.heappush(ready, place[child])
    if len(order) < len(nodes):
        raise SpaceError(f"the conditions form a circle: {' needs '.join(_circle(waits))}")
    return order


def _circle(waits: Mapping[str, set[str]]) -> Iterator[str]:
    name = next(child for child, parents in waits.items() if parents)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = min(parent for parent in waits[name] if waits[parent])
    yield from (*path[path.index(name) :], name)


def _check_names(layout: _Layout) -> None:
    if len(layout.by_id) != len(layout.nodes):
        raise SpaceError("two parameters have one id: leave '[' and ']' out of the options' names")
    for key, nodes in layout.by_key.items():
        for i, node in enumerate(nodes):
            if not all(_exclude(_path(layout, node), _path(layout, other)) for other in nodes[:i]):
                raise SpaceError(f"two parameters are called {key!r} in one config")


def _path(layout: _Layout, node: Node) -> dict[str, tuple[str, object]]:
    """choice -> option, for all that the node hangs on."""
    path = {}
    while node.parent is not None:
        path[node.parent] = option_key(node.option)
        node = layout.by_id[node.parent]
    return path


def _exclude(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    return any(a[choice] != b[choice] for choice in a.keys() & b.keys())
