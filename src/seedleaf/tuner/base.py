"""What samplers and schedulers are, and `decide`: the one place where a decision is made.

Both are frozen dataclasses that hold hyper-parameters only. Everything they know of the study comes in as (problem,
history), every random number from `rng`, so a decision is a pure function and a log can be replayed.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Protocol, cast

import numpy as np

from seedleaf.core import (
    Config,
    Decision,
    Finish,
    History,
    Resume,
    Start,
    Stop,
    Trial,
    Wait,
    config_key,
    incumbent,
)
from seedleaf.errors import LimitError, SpaceExhausted
from seedleaf.seeds import rng_for
from seedleaf.space.encode import decode, encode
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.tuner import by_time
from seedleaf.tuner.constraints import keeps_limits, violation_of
from seedleaf.tuner.multi import ranked_by_fronts

TRIES = 400  # rejected draws before falling back on the anchor; a draw costs about 0.1 ms with its limits
ENUMERABLE = 50_000  # finite spaces up to this size are listed rather than sampled when draws keep repeating


class Sampler(Protocol):
    """Proposes a config that has not been proposed and keeps the known limits; SpaceExhausted when there is none."""

    name: ClassVar[str]
    cites: ClassVar[str]

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config: ...


class Scheduler(Protocol):
    """Decides what a free worker does next. It must return Wait only while a trial is running."""

    name: ClassVar[str]
    cites: ClassVar[str]

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision: ...


def decide(problem: Problem, history: History, scheduler: Scheduler, sampler: Sampler) -> Decision:
    """The next decision for a free worker.

    Trials whose worker was lost come first, then configs that somebody queued, then the scheduler.
    """
    for trial in history.interrupted():
        return Resume(trial.id, trial.budget)
    for trial in history.queued():
        return Start(trial.id, trial.config, trial.budget or problem.rungs[0], trial.parent)
    rng = rng_for(problem.seed, "propose", history.n_decisions)
    return scheduler.propose(problem, history, sampler, rng)


def by_count(problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator) -> Config:
    """The sampler's proposal as it is: the counterpart of `by_time.proposal`."""
    return sampler.propose(problem, history, rng)


def start_new(
    problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator, budget: int
) -> Start | None:
    """A new trial with `budget` steps, or None when no more may be started or none is left to start."""
    if problem.max_trials is not None and len(history.trials) >= problem.max_trials:
        return None
    try:
        propose = by_time.proposal if problem.by_time else by_count
        return Start(history.next_trial, propose(problem, history, sampler, rng), budget)
    except SpaceExhausted:
        return None


def end(problem: Problem, history: History) -> Decision:
    """What remains when nothing can be started: wait for the running, then bring the best one to the full budget."""
    if history.running():
        return Wait()
    done = history.completed()
    paused = [t for t in history.paused() if not done or keeps_limits(problem, t)]
    if paused and not any(keeps_limits(problem, t) for t in done):
        best = min(paused, key=lambda t: (-t.step, violation_of(problem, t), loss_of(problem, t), t.id))
        return Resume(best.id, next(r for r in problem.rungs if r > best.step))
    if problem.max_trials is not None and len(history.trials) >= problem.max_trials:
        return Finish(f"{problem.max_trials} trials done")
    return Finish("every config of the space has been tried")


def loss_of(problem: Problem, trial: Trial) -> float:
    """The first objective at the trial's last step, to be minimised; +inf before its first step and beyond a limit."""
    return problem.objectives[0].loss(trial.metrics) if keeps_limits(problem, trial) else math.inf


def best_trial(problem: Problem, history: History, trials: Iterable[Trial] | None = None) -> Trial | None:
    """The incumbent: the lowest first objective at its last step, the deeper trial on ties.

    None before any measurement, and while every trial breaks a measured limit.
    """
    return incumbent(history, problem.objectives[0], lambda trial: keeps_limits(problem, trial), trials)


def ranked(problem: Problem, history: History, step: int) -> Sequence[tuple[float, int]]:
    """(loss, trial) of all that stand measured at `step`, best first; kept in the memo and extended.

    With several objectives the first number is the trial's front and its place in it. Trials that break a measured limit
    come last, with +inf, unless nobody keeps the limits (multi.py).
    """
    if len(problem.objectives) > 1 or problem.measured_limits:
        return ranked_by_fronts(problem, history, step)
    rows = history.at(step)
    objective = problem.objectives[0]
    key = f"ranked:{step}:{objective}"
    dropped, ranking = history.memo.get(key, (-1, []))
    if dropped != history.dropped:
        ranking = sorted((objective.loss(metrics), trial) for trial, metrics in rows.items())
    else:
        for trial, metrics in history.newest_at(step, len(rows) - len(ranking)):
            insort(ranking, (objective.loss(metrics), trial))
    history.memo[key] = history.dropped, ranking
    return cast(Sequence[tuple[float, int]], ranking)


# --- drawing configs that may be proposed ---


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


__all__ = [
    "Decision",
    "Sampler",
    "Scheduler",
    "Stop",
    "best_trial",
    "decide",
    "draw_valid",
    "end",
    "start_new",
]
