"""Successive halving in brackets (Jamieson & Talwalkar 2016), with no worker idle while a rung fills.

A bracket is a run of consecutive trials. Which trial belongs to which follows from its number alone, so nothing has to be
kept beside the log. Hyperband and BOHB (hyperband.py) are other cycles of the same brackets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, History, Resume, State, Trial
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, end, ranked, start_new

# (index of the rung at which a bracket starts, how many trials it holds), one after the other and then again
Cycle = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class HalvingScheduler:
    """The best 1/eta of a complete rung go on to the next; `size` trials a bracket, by default as many as leave one.

    A bracket waits for its rung to be complete, workers do not: those that are free start the next bracket.
    """

    size: int | None = None

    name: ClassVar[str] = "halving"
    cites: ClassVar[str] = (
        "Jamieson & Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter "
        "Optimization, AISTATS"
    )

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        size = self.size or eta_of(problem) ** (len(problem.rungs) - 1)
        return propose_in_brackets(problem, history, sampler, rng, ((0, size),))


def eta_of(problem: Problem) -> int:
    """One in how many goes on."""
    return problem.fidelity.eta if problem.fidelity else 3


def propose_in_brackets(
    problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator, cycle: Cycle
) -> Decision:
    """Promote in the oldest bracket that has somebody to promote, else start the next trial.

    When none can be started the last bracket is taken to be complete as it is.
    """
    promotion = _promotion(problem, history, cycle, closed=False)
    if promotion is not None:
        return promotion
    budget = problem.rungs[_bracket(cycle, history.next_trial)[2]]
    start = start_new(problem, history, sampler, rng, budget)
    return start or _promotion(problem, history, cycle, closed=True) or end(problem, history)


def _bracket(cycle: Cycle, trial: int) -> tuple[int, int, int]:
    """(first trial, size, index of the first rung) of the bracket that `trial` belongs to."""
    left = trial % sum(size for _, size in cycle)
    for rung, size in cycle:
        if left < size:
            return trial - left, size, rung
        left -= size
    raise AssertionError("a cycle holds at least one trial")


def _promotion(problem: Problem, history: History, cycle: Cycle, closed: bool) -> Resume | None:
    # Brackets that are over hold no running trial and have filled their places: nothing can begin there any more. With
    # measured limits places may have stayed empty, until the only trial that kept the limits fails.
    key = f"brackets:{tuple(cycle)}:{history.dropped if problem.measured_limits else 0}"
    first = history.memo.get(key, 0)
    all_over = True
    while first < len(history.trials):
        start, size, rung = _bracket(cycle, first)
        members = [history.trials[i] for i in range(start, min(start + size, len(history.trials)))]
        whole = len(members) == size
        found, over = _in_bracket(problem, history, members, rung, whole or closed)
        if found is not None:
            return found
        all_over = all_over and over and whole
        first = start + size
        if all_over:
            history.memo[key] = first
    return None


def _in_bracket(
    problem: Problem, history: History, members: list[Trial], rung: int, whole: bool
) -> tuple[Resume | None, bool]:
    """(who goes on, is the bracket over), climbing from its first rung to the first that is not complete.

    A place above is taken for good unless its trial fails: then the next best moves up.
    """
    rungs, eta, n = problem.rungs, eta_of(problem), len(members)
    cohort = members
    for k in range(rung, len(rungs)):
        for trial in cohort:
            if trial.state is State.PAUSED and trial.step < rungs[k]:
                return Resume(trial.id, rungs[k]), False
        if not whole or any(t.state in (State.RUNNING, State.QUEUED) and t.step < rungs[k] for t in cohort):
            return None, False
        if k + 1 < len(rungs):
            cohort = _risen(problem, history, cohort, rungs[k], max(n // eta ** (k + 1 - rung), 1))
    return None, True


def _risen(problem: Problem, history: History, cohort: list[Trial], step: int, room: int) -> list[Trial]:
    """Those of `cohort` that have gone on from `step`, and the best of the others for the places that are left."""
    rows = history.at(step)
    standing = [t for t in cohort if t.id in rows and t.state is not State.STOPPED]
    above = [t for t in standing if t.budget > step]
    rest = {t.id: t for t in standing if t.budget <= step}
    if len(above) >= room or not rest:
        return above
    order = ranked(problem, history, step)
    able = (rest[trial] for loss, trial in order if trial in rest and loss < math.inf)
    return above + list(islice(able, room - len(above)))
