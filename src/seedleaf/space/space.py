"""`Space`: a tree of parameters, flattened once into nodes; a config holds the active parameters only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space.params import Choice, Const, Int, Param, option_key, param_from_json, plain_value
from seedleaf.space.prior import NumberPrior, OptionPrior, log_prior, prior_of, sample_prior


@dataclass(frozen=True)
class Node:
    """One parameter in its place in the tree.

    `key` is its name in a config ("optimizer.momentum"); `id` also says under which options it stands
    ("optimizer[sgd].momentum"), so that equal keys under different options stay different dimensions.
    It is active exactly when `parent` is active and holds `option`.
    """

    id: str
    key: str
    param: Param
    parent: str | None = None  # the id of the Choice node it hangs on
    option: Value = None


class Space:
    """What may vary. `Space(lr=Float(1e-4, 1, log=True), optimizer=Choice(sgd=dict(momentum=Float(0, 1)), adam={}))`.

    Names may not hold "." or "[": they join the names of nested parameters in a config.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        self.params: dict[str, Param] = {}
        for name, param in {**(params or {}), **named}.items():
            if not isinstance(name, str) or not name or any(c in name for c in ".[]"):
                raise SpaceError(f"parameter name {name!r}: use a name without '.', '[' or ']'")
            self.params[name] = _as_param(name, param)
        self.nodes: tuple[Node, ...] = tuple(_flatten(self.params, "", "", None, None))
        self.by_id: dict[str, Node] = {n.id: n for n in self.nodes}
        self.index: dict[str, int] = {n.id: i for i, n in enumerate(self.nodes)}
        if len(self.by_id) != len(self.nodes):
            raise SpaceError("two parameters have one id: leave '[' and ']' out of the options' names")
        self._children: dict[tuple[str | None, object], list[Node]] = {}
        for node in self.nodes:
            self._children.setdefault((node.parent, option_key(node.option)), []).append(node)
        self._parents = {n.parent for n in self.nodes}

    def __repr__(self) -> str:
        return f"Space({', '.join(f'{k}={v!r}' for k, v in self.params.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __len__(self) -> int:
        return len(self.nodes)

    # --- walking the tree ---

    def children(self, parent: str | None, option: Value = None) -> list[Node]:
        """The nodes that hang directly on `option` of the Choice node `parent`; the roots for None."""
        if parent not in self._parents:
            return []
        return self._children.get((parent, option_key(option)), [])

    def walk(self, pick: Callable[[Node], Value]) -> Config:
        """Build a config from the roots down: `pick(node)` gives the value of each node that turns out active."""
        config: Config = {}
        stack = list(reversed(self.children(None)))
        while stack:
            node = stack.pop()
            config[node.key] = value = pick(node)
            if node.id in self._parents:
                stack.extend(reversed(self.children(node.id, value)))
        return config

    def active(self, config: Mapping[str, Value]) -> Iterator[Node]:
        """The nodes that exist in `config`, parents first. Raises SpaceError where a value is missing."""
        stack = list(reversed(self.children(None)))
        while stack:
            node = stack.pop()
            if node.key not in config:
                raise SpaceError(f"the config lacks {node.key!r}")
            yield node
            if node.id in self._parents:
                stack.extend(reversed(self.children(node.id, config[node.key])))

    # --- configs ---

    def sample(self, rng: np.random.Generator) -> Config:
        """A config drawn uniformly (on each parameter's own scale) from the root down."""
        return self.walk(lambda node: node.param.from_unit(float(rng.random())))

    def default(self) -> Config:
        """Each parameter's default; where none is given the middle of its range, or the first option."""
        return self.walk(lambda node: _default(node.param))

    def complete(self, partial: Mapping[str, Value]) -> Config:
        """`partial` with the missing active parameters at their defaults; unknown names raise SpaceError."""
        config = self.walk(lambda node: partial[node.key] if node.key in partial else _default(node.param))
        checked = self.check(config)
        _refuse_extra(partial, config)
        return checked

    def check(self, config: Mapping[str, Value]) -> Config:
        """`config` with plain Python values if it lies in the space; SpaceError says which parameter does not."""
        checked: Config = {}
        for node in self.active(config):
            if not node.param.contains(config[node.key]):
                raise SpaceError(f"{node.key} = {config[node.key]!r} is not in {node.param!r}")
            checked[node.key] = plain_value(config[node.key])
        _refuse_extra(config, checked)
        return checked

    def contains(self, config: Mapping[str, Value]) -> bool:
        try:
            self.check(config)
        except SpaceError:
            return False
        return True

    def neighbour(self, config: Mapping[str, Value], rng: np.random.Generator, scale: float = 0.2) -> Config:
        """`config` with one active parameter moved; a changed choice draws the parameters under it anew."""
        movable = [n for n in self.active(config) if n.param.n_values != 1]
        if not movable:
            return dict(config)
        moved = movable[int(rng.integers(len(movable)))]
        value = moved.param.neighbour(config[moved.key], rng, scale)
        fresh = set(self._below(moved))

        def pick(node: Node) -> Value:
            if node.id == moved.id:
                return value
            if node.id in fresh or node.key not in config:
                return node.param.from_unit(float(rng.random()))
            return config[node.key]

        return self.walk(pick)

    def _below(self, node: Node) -> Iterator[str]:
        if isinstance(node.param, Choice):
            for option in node.param.options:
                for child in self.children(node.id, option):
                    yield child.id
                    yield from self._below(child)

    # --- what the user believes (prior.py) ---

    @cached_property
    def priors(self) -> dict[str, NumberPrior | OptionPrior]:
        """The densities of the nodes with a prior, by the node's id."""
        found = ((n.id, prior_of(n.param)) for n in self.nodes)
        return {name: density for name, density in found if density is not None}

    @property
    def has_prior(self) -> bool:
        """Did the user say of any parameter which value is believed to be good?"""
        return bool(self.priors)

    def sample_prior(self, rng: np.random.Generator) -> Config:
        """A config drawn from the priors; parameters without one are uniform on their scale."""
        return sample_prior(self, rng)

    def log_prior(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log prior density relative to the uniform one, shape (n,), of unit vectors, shape (n, nodes)."""
        return log_prior(self, vectors)

    # --- as a set ---

    @property
    def size(self) -> int | None:
        """How many configs there are; None where there are infinitely many."""
        total = 1
        for node in self.children(None):
            n = self._size_of(node)
            if n is None:
                return None
            total *= n
        return total

    def _size_of(self, node: Node) -> int | None:
        if not isinstance(node.param, Choice):
            return node.param.n_values
        total = 0
        for option in node.param.options:
            sizes = [self._size_of(child) for child in self.children(node.id, option)]
            if None in sizes:
                return None
            total += math.prod(s for s in sizes if s is not None)
        return total

    def enumerate(self) -> Iterator[Config]:
        """Every config of a finite space; SpaceError where there are infinitely many."""
        if self.size is None:
            raise SpaceError("an infinite space cannot be listed")
        yield from self._expand({}, self.children(None))

    def _expand(self, config: Config, todo: list[Node]) -> Iterator[Config]:
        if not todo:
            yield dict(config)
            return
        node, *rest = todo
        for value in _values(node.param):
            yield from self._expand({**config, node.key: value}, self.children(node.id, value) + rest)

    # --- as text ---

    def to_json(self) -> dict[str, Any]:
        return {name: param.to_json() for name, param in self.params.items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Space:
        return cls({name: param_from_json(p) for name, p in body.items()})

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when the space does."""
        return fingerprint(self.to_json())


def fingerprint(body: Any) -> str:
    """Sixteen hex digits of the canonical JSON of `body`: equal for equal content on every machine."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _as_param(name: str, param: object) -> Param:
    if isinstance(param, Param):
        return param
    if param is None or isinstance(param, (str, int, float, bool, np.generic)):
        return Const(plain_value(param))
    raise SpaceError(f"{name}={param!r}: use Float, Int, Choice, Bool, Const or a plain value")


def _flatten(
    params: Mapping[str, Param], key: str, ident: str, parent: str | None, option: Value
) -> Iterator[Node]:
    for name, param in params.items():
        node = Node(f"{ident}{name}", f"{key}{name}", param, parent, option)
        yield node
        if isinstance(param, Choice):
            for value, space in param.branches.items():
                yield from _flatten(space.params, f"{node.key}.", f"{node.id}[{value}].", node.id, value)


def _refuse_extra(config: Mapping[str, Value], active: Mapping[str, Value]) -> None:
    extra = sorted(str(name) for name in set(config) - set(active))
    if extra:
        raise SpaceError(f"not parameters of this space under these choices: {', '.join(extra)}")


def _values(param: Param) -> Iterator[Value]:
    if isinstance(param, Choice):
        yield from param.options
    else:
        n = param.n_values or 1
        yield from (
            param.from_unit((i + 0.5) / n) if not isinstance(param, Int) else param.low + i * param.step
            for i in range(n)
        )


def _default(param: Param) -> Value:
    if param.default is not None or isinstance(param, Const):
        return param.default
    return param.options[0] if isinstance(param, Choice) else param.from_unit(0.5)
