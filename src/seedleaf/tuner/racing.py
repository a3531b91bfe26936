"""Racing (Maron & Moore 1994; Birattari et al. 2002): steps are folds, and who is clearly behind after a few is stopped."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from seedleaf.core import Decision, History, Resume, State, Stop, Trial, Value
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import Sampler, best_trial, end, loss_of, start_new
from seedleaf.tuner.constraints import keeps_limits

Kind = tuple[Value | None, ...]
NOBODY = (math.inf, math.inf)  # a loss and whose it is
# Quantiles of Student's t at 0.95 for 1, 2, … degrees of freedom; beyond, the normal's.
T95 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)


@dataclass(frozen=True)
class RacingScheduler:
    """Trials run rung by rung, unless a paired t-test over the steps done says that the best full trial is better.

    The objective at a step is taken for the mean over the steps up to it, as that of cross-validation is, so each step's own
    value can be told. The variance of the differences is corrected for training rows that folds share (Nadeau & Bengio
    2003), and pulled towards what full trials have shown, as after one step there is none of its own. Until a trial is
    complete a loser only pauses. Judged is the first objective alone.

    Where configs are blended in the end, one of another kind that is clearly behind may be worth more than the tenth of the
    best kind: `kin` names the parameters that tell kinds apart. The best of each kind is not stopped, and goes on once what
    it still takes is a share `spare` of the time spent so far, less with each trial of its kind that is complete.
    """

    prior: float = 3.0  # steps that what full trials have shown is worth
    kin: tuple[str, ...] = ()
    spare: float = 0.08

    name: ClassVar[str] = "racing"
    cites: ClassVar[str] = (
        "Birattari, Stützle, Paquete & Varrentrapp 2002, A Racing Algorithm for Configuring Metaheuristics, GECCO; "
        "Nadeau & Bengio 2003, Inference for the Generalization Error, Machine Learning 52"
    )

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        best = best_trial(problem, history, history.completed())
        kin, spared = _Kin(problem, history, self.kin), []
        # The best goes on first: the sooner it is complete, the sooner others can be told to be behind.
        for trial in sorted(history.in_state(State.PAUSED), key=lambda t: (loss_of(problem, t), t.id)):
            if not keeps_limits(problem, trial) and best_trial(problem, history) is not None:
                if best is not None:
                    return Stop(trial.id, "beyond a limit that others keep")
                continue
            if best is None or not clearly_behind(problem, history, trial, best, self.prior):
                return _resumed(problem, trial)
            if not self.kin or not kin.first(trial):
                return Stop(trial.id, f"clearly behind trial {best.id} after {trial.step} of {problem.full}")
            if kin.affordable(trial, self.spare):
                return _resumed(problem, trial)
            spared.append(trial)
        begun = start_new(problem, history, sampler, rng, problem.rungs[0])
        if begun is None and spared:
            return _resumed(problem, spared[0])
        return begun or end(problem, history)


@dataclass(eq=False)
class _Kin:
    """How trials stand among those that have the same values of `keys`; what is asked is looked up once a decision."""

    problem: Problem
    history: History
    keys: tuple[str, ...]
    leaders: dict[int, dict[Kind, tuple[float, float]]] = field(default_factory=dict)

    def kind(self, trial: Trial) -> Kind:
        return tuple(trial.config.get(key) for key in self.keys)

    def first(self, trial: Trial) -> bool:
        """Is none of its kind better over the steps that it has done?"""
        if trial.step not in self.leaders:
            self.leaders[trial.step] = self._leaders(trial.step)
        leader = self.leaders[trial.step].get(self.kind(trial), NOBODY)
        return (self.problem.objectives[0].loss(trial.metrics), trial.id) <= leader

    def _leaders(self, step: int) -> dict[Kind, tuple[float, float]]:
        """Of each kind the least loss after so many steps, and whose it is."""
        found: dict[Kind, tuple[float, float]] = {}
        for i, metrics in self.history.at(step).items():
            trial = self.history.trials[i]
            one, kind = (self.problem.objectives[0].loss(metrics), i), self.kind(trial)
            if one < found.get(kind, NOBODY) and keeps_limits(self.problem, trial):
                found[kind] = one
        return found

    def affordable(self, trial: Trial, spare: float) -> bool:
        """Is what its other steps should take a small share of what all trials have taken?"""
        left = (self.problem.full - trial.step) * trial.seconds / trial.step
        return left * (1 + self.complete[self.kind(trial)]) <= spare * self.spent

    @cached_property
    def complete(self) -> Counter[Kind]:
        done = self.history.completed()
        return Counter(self.kind(t) for t in done if keeps_limits(self.problem, t))

    @cached_property
    def spent(self) -> float:
        return sum(t.seconds for t in self.history.trials.values())


def _resumed(problem: Problem, trial: Trial) -> Resume:
    return Resume(trial.id, next(r for r in problem.rungs if r > trial.step))


def clearly_behind(problem: Problem, history: History, trial: Trial, best: Trial, prior: float = 3.0) -> bool:
    """Does the paired test, over the steps that both have done, say that `trial` is worse than `best`?"""
    gaps = _gaps(problem, trial, best)
    n = len(gaps)
    if not n or not np.isfinite(gaps).all():
        return bool(n)
    known = _typical(problem, history, best)
    if math.isnan(known) and n < 2:
        return False
    weight = 0.0 if math.isnan(known) else prior
    squares = float(np.square(gaps - gaps.mean()).sum()) + weight * (0.0 if math.isnan(known) else known)
    freedom = n - 1 + weight
    shared = 1 / max(problem.full - 1, 1)
    error = math.sqrt(squares / freedom * (1 / n + shared))
    bound = T95[min(int(freedom), len(T95)) - 1] if freedom >= 1 else T95[0]
    return float(gaps.mean()) > bound * error and float(gaps.mean()) > 0


def _gaps(problem: Problem, trial: Trial, best: Trial) -> npt.NDArray[np.float64]:
    """By how much each step of `trial` is worse than the same step of `best`, as losses."""
    one, other = (_own(problem, t, min(trial.step, best.step)) for t in (trial, best))
    n = min(len(one), len(other))
    return np.asarray(np.array(one[:n]) - np.array(other[:n]))


def _own(problem: Problem, trial: Trial, steps: int) -> Sequence[float]:
    """The loss of each step by itself, out of running means."""
    objective, before, found = problem.objectives[0], 0.0, []
    for m in trial.measurements:
        if m.step > steps:
            break
        total = objective.loss(m.metrics) * m.step
        found.append(total - before)
        before = total
    return found


def _typical(problem: Problem, history: History, best: Trial) -> float:
    """The median variance of the differences between a complete trial and the best one; NaN without a second one."""
    others = [t for t in history.completed() if t.id != best.id][-20:]
    found = []
    for trial in others:
        gaps = _gaps(problem, trial, best)
        if len(gaps) > 1 and np.isfinite(gaps).all():
            found.append(float(gaps.var(ddof=1)))
    return float(np.median(found)) if found else math.nan
