"""Configs of a space: drawn, completed, moved a little; always clear of what is forbidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space.params import Choice, Const, Param

if TYPE_CHECKING:
    from seedleaf.space.nodes import Node
    from seedleaf.space.space import Space

TRIES = 300  # draws before a config that the forbidden clauses allow is looked for from the default
MOVES = 3000  # small moves in that search
LISTED = 5000  # finite spaces up to this size are listed instead


def keep_clear(space: Space, draw: Callable[[], Config], rng: np.random.Generator) -> Config:
    """The first allowed config out of `draw`; after `TRIES` of them one found by small moves from the default."""
    if not space.clauses:
        return draw()
    for _ in range(TRIES):
        config = draw()
        if space.allowed(config):
            return config
    config = space.default()
    for _ in range(10):
        config = neighbour(space, config, rng, 0.2)
    return config


def uniform(space: Space, rng: np.random.Generator) -> Config:
    """A config drawn from the roots down; clauses are not looked at."""
    return space.walk(lambda node: node.param.from_unit(float(rng.random())))


def neighbour(space: Space, config: Mapping[str, Value], rng: np.random.Generator, scale: float) -> Config:
    """One active parameter moved; `config` itself where a hundred such moves are all forbidden."""
    for _ in range(100 if space.clauses else 1):
        moved = _move(space, config, rng, scale)
        if space.allowed(moved):
            return moved
    return dict(config)


def _move(space: Space, config: Mapping[str, Value], rng: np.random.Generator, scale: float) -> Config:
    active = list(space.active(config))
    movable = [n for n in active if n.param.n_values != 1]
    if not movable:
        return dict(config)
    moved = movable[int(rng.integers(len(movable)))]
    kept = {n.id: config[n.key] for n in active}
    value = moved.param.neighbour(config[moved.key], rng, scale)
    for name in _below(space, moved):
        kept.pop(name, None)
    kept[moved.id] = value

    def pick(node: Node) -> Value:
        return kept[node.id] if node.id in kept else node.param.from_unit(float(rng.random()))

    return space.walk(pick)


def _below(space: Space, node: Node) -> Iterator[str]:
    if isinstance(node.param, Choice):
        for option in node.param.options:
            for child in space.children(node.id, option):
                yield child.id
                yield from _below(space, child)


def default(space: Space) -> Config:
    """The default, or an allowed config near it; SpaceError where none is found.

    A small finite space is listed; elsewhere moves that break no more clauses than before lead out (min-conflicts).
    """
    config = start = space.walk(lambda node: default_value(node.param))
    broken = _broken(space, start)
    if broken and space.size is not None and space.size <= LISTED:
        listed = list(space.enumerate())
        if listed:
            return min(listed, key=lambda c: sum(c.get(k) != v for k, v in start.items()))
    rng = np.random.default_rng(0)
    for _ in range(MOVES):
        if not broken:
            return config
        moved = _move(space, config, rng, 0.2)
        left = _broken(space, moved)
        if left <= broken:
            config, broken = moved, left
    raise SpaceError("no config was found that the forbidden clauses allow")


def _broken(space: Space, config: Config) -> int:
    """How many forbidden clauses the config fulfils."""
    if not space.clauses:
        return 0
    values = {n.id: config[n.key] for n in space.active(config)}
    return sum(bound.holds(values) for bound, _ in space.clauses)


def complete(space: Space, partial: Mapping[str, Value]) -> Config:
    """`partial` with what is missing at its default, or as in the allowed default where that differs; not checked."""
    fill = space.default() if space.clauses else {}

    def pick(node: Node) -> Value:
        if node.key in partial:
            return partial[node.key]
        near = node.key in fill and node.param.contains(fill[node.key])
        return fill[node.key] if near else default_value(node.param)

    return space.walk(pick)


def default_value(param: Param) -> Value:
    """The parameter's default; where none is given the middle of its range, or the first option."""
    if param.default is not None or isinstance(param, Const):
        return param.default
    return param.options[0] if isinstance(param, Choice) else param.from_unit(0.5)
