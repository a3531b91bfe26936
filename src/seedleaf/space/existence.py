"""Which parameters of a space exist, given the values of those before them: in one config, or in many unit vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Value
from seedleaf.space.nodes import Node
from seedleaf.space.params import Choice, option_key


class Existence:
    """Over nodes in an order in which each depends only on those before it. `Space` says what its methods mean.

    `nested`: every node hangs on one option of one choice, or on nothing.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.by_id: dict[str, Node] = {n.id: n for n in nodes}
        self.index: dict[str, int] = {n.id: i for i, n in enumerate(nodes)}
        self.nested = all(n.when is None for n in nodes)
        self._children: dict[tuple[str | None, object], list[Node]] = {}
        for node in nodes:
            self._children.setdefault((node.parent, option_key(node.option)), []).append(node)
        self._parents = {n.parent for n in nodes}

    def children(self, parent: str | None, option: Value = None) -> list[Node]:
        if parent not in self._parents:
            return []
        return self._children.get((parent, option_key(option)), [])

    def is_active(self, node: Node, values: Mapping[str, Value]) -> bool:
        if node.parent is not None and (
            node.parent not in values or option_key(values[node.parent]) != option_key(node.option)
        ):
            return False
        return node.when is None or node.when.holds(values)

    def alive(self, i: int, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        node = self.nodes[i]
        found = np.ones(len(vectors), bool)
        if node.parent is not None:
            choice = self.by_id[node.parent].param
            assert isinstance(choice, Choice)
            n = len(choice.options)
            at = np.minimum(np.floor(vectors[:, self.index[node.parent]] * n), n - 1)
            found = at == choice.index(node.option)
        return found if node.when is None else found & node.when.mask(vectors)

    def follow(self, config: Mapping[str, Value]) -> Iterator[Node]:
        """The active nodes, parents first; the value of each must stand in `config` before the next is asked for."""
        if self.nested:
            stack = list(reversed(self.children(None)))
            while stack:
                node = stack.pop()
                yield node
                if node.id in self._parents:
                    stack.extend(reversed(self.children(node.id, config[node.key])))
            return
        values: dict[str, Value] = {}
        for node in self.nodes:
            if self.is_active(node, values):
                yield node
                values[node.id] = config[node.key]
