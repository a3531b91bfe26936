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
    incumbent,
)
from seedleaf.errors import SpaceExhausted
from seedleaf.seeds import rng_for
from seedleaf.space.problem import Problem
from seedleaf.tuner import by_time
from seedleaf.tuner.constraints import keeps_limits, violation_of
from seedleaf.tuner.heritage import parent_of
from seedleaf.tuner.multi import ranked_by_fronts
from seedleaf.tuner.standing import Standing


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
        config = propose(problem, history, sampler, rng)
        return Start(history.next_trial, config, budget, parent_of(problem, history, config, ranked))
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


def best_trial(
    problem: Problem,
    history: History,
    trials: Iterable[Trial] | None = None,
    over: Callable[[Trial], bool] = lambda trial: False,
) -> Trial | None:
    """The incumbent: the lowest first objective at its last step, the deeper trial on ties; those that it passes `over`
    are none.

    None before any measurement, and while every trial breaks a measured limit.
    """
    objective = problem.objectives[0]

    def able(trial: Trial) -> bool:
        return keeps_limits(problem, trial) and not over(trial)

    if trials is None:
        firsts = (next(filter(able, rows), None) for rows in Standing.of(history, objective).firsts(history))
        return incumbent(history, objective, trials=[trial for trial in firsts if trial is not None])
    return incumbent(history, objective, able, trials)


def ranked(problem: Problem, history: History, step: int) -> Sequence[tuple[float, int]]:
    """(loss, trial) of all that stand measured at `step`, best first; kept in the memo and extended.

    With several objectives the first number is the trial's front and its place in it. Trials that break a measured limit
    come last, with +inf, unless nobody keeps the limits (multi.py).
    """
    if len(problem.objectives) > 1 or problem.measured_limits:
        return ranked_by_fronts(problem, history, step)
    return by_loss(problem, history, step)


def by_loss(problem: Problem, history: History, step: int) -> Sequence[tuple[float, int]]:
    """(first loss, trial) of all that stand measured at `step`, ascending; kept in the memo and extended."""
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


__all__ = [
    "Decision",
    "Sampler",
    "Scheduler",
    "Stop",
    "best_trial",
    "decide",
    "end",
    "start_new",
]
