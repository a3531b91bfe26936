"""Drawing configs that may be proposed: new ones, within the limits that are known before training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedleaf.core import Config, History, config_key
from seedleaf.errors import LimitError, SpaceExhausted
from seedleaf.space.encode import decode, encode
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space

TRIES = 400  # rejected draws before falling back on the anchor; a draw costs about 0.1 ms with its limits
ENUMERABLE = 50_000  # finite spaces up to this size are listed rather than sampled when draws keep repeating


def mutate(space: Space, config: Config, rng: np.random.Generator) -> Config:
    """`config` with a few of its parameters moved: one at least, two and a half on average."""
    for _ in range(int(rng.geometric(0.4))):
        config = space.neighbour(config, rng)
    return config


def acceptable(problem: Problem, history: History, config: Config) -> bool:
    """Not proposed before, and within the limits that are known before training."""
    return config_key(config) not in history.seen and problem.feasible(config)


def draw_valid(
    problem: Problem, history: History, draw: Callable[[], Config], rng: np.random.Generator
) -> Config:
    """The first acceptable config out of `draw`, with fall-backs that end in well under a second.

    After TRIES rejections: small finite spaces are listed; else draws are pulled towards the anchor, a config that is
    known to keep the limits, until they keep them too. Raises SpaceExhausted or LimitError.
    """
    kept_limits = False
    rejected: list[Config] = []
    for _ in range(TRIES):
        config = draw()
        if not problem.feasible(config):
            rejected.append(config)
            continue
        kept_limits = True
        if config_key(config) not in history.seen:
            return config
    size = problem.space.size
    if size is not None and size <= ENUMERABLE:
        return _pick_listed(problem, history, rng)
    for config in rejected:
        pulled = _towards_anchor(problem, history, config)
        if pulled is not None:
            return pulled
    near = _near_the_valid(problem, history, rng)
    if near is not None:
        return near
    if kept_limits or history.trials:
        raise SpaceExhausted("no config is left that has not been tried")
    raise LimitError(_impossible(problem, rejected))


def _pick_listed(problem: Problem, history: History, rng: np.random.Generator) -> Config:
    left = [c for c in problem.space.enumerate() if config_key(c) not in history.seen]
    kept = [c for c in left if problem.feasible(c)]
    if kept:
        return kept[int(rng.integers(len(kept)))]
    if left and not history.trials:
        raise LimitError(_impossible(problem, left))
    raise SpaceExhausted("every config of the space has been tried")


def _towards_anchor(problem: Problem, history: History, config: Config) -> Config | None:
    """Blend the numbers of `config` with the anchor's, more and more, until the limits are kept."""
    if problem.anchor is None:
        return None
    space = problem.space
    low, high = encode(space, problem.anchor), encode(space, config)
    low = np.where(np.isnan(low), 0.0, low)
    for share in (0.75, 0.5, 0.25, 0.1):
        blend = np.where(np.isnan(high), low, share * high + (1 - share) * low)
        candidate = decode(space, blend)
        if acceptable(problem, history, candidate):
            return candidate
    return None


def _near_the_valid(problem: Problem, history: History, rng: np.random.Generator) -> Config | None:
    """A walk by small moves from the anchor (else from a config tried before) that never leaves the limits."""
    known = problem.anchor
    if known is None:
        known = next((t.config for t in history.trials.values() if problem.feasible(t.config)), None)
    if known is None or not problem.feasible(known):
        return None
    config = known
    for i in range(TRIES):
        if config_key(config) not in history.seen:
            return config
        moved = problem.space.neighbour(config, rng, scale=0.2 * 0.5 ** (i % 8))
        if problem.feasible(moved):
            config = moved
    return None


def _impossible(problem: Problem, rejected: list[Config]) -> str:
    parts = []
    for limit in (x for x in problem.limits if x not in problem.measured_limits):
        least = min((problem.costs(c).get(limit.metric, 0.0) for c in rejected[:TRIES]), default=0.0)
        parts.append(f"{limit.metric} <= {limit.at_most:g} (the smallest seen: {least:g})")
    return f"no config keeps the limits: {'; '.join(parts)}"
