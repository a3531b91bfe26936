"""Freeze-thaw: every decision weighs a new config against a few more steps for any paused one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, Finish, History, Resume, Start, State, Trial
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.tuner.acquisition import in_the_end, log_expected_improvement, soonest
from seedleaf.tuner.asha import AshaScheduler
from seedleaf.tuner.base import Sampler, acceptable, best_trial, end, start_new
from seedleaf.tuner.by_time import slowness
from seedleaf.tuner.curves import Model
from seedleaf.tuner.kernels import Array
from seedleaf.tuner.moves import Moves
from seedleaf.tuner.prior import share

TRIES = 20  # new candidates that were proposed before or break a limit, until the sampler is asked for one that is not

ALIKE = 20  # trials of equal loss whose curves are compared: where errors are counted on few images there are many


@dataclass(frozen=True)
class FreezeThawScheduler:
    """A model over (config, step) extrapolates every curve; the next steps go where they promise the most per step.

    Until `warm` full trainings' worth of steps are measured, for a share `explore`
    of the decisions afterwards, and while more than `crowd` trials run at once, it decides as ASHA does, with the study's
    sampler: the model needs curves of different lengths, and rest for thought. With probability `confirm` the best trial
    goes on where it is not at its end yet: a low loss halfway may be luck.

    Candidates else are the paused trials, `fresh` random configs and `near` mutations of the best; a share `wild` of the
    new ones is left to the sampler, for a first step costs little and the model may be wrong about what it has not seen.
    A share `final` of decisions goes by the improvement expected in the end, the others by that expected soonest; both
    are divided by (steps needed)^`gamma`. A user's prior counts as `belief` trials. A paused trial gets half as many
    steps again. Out of trials, those go on that promise `worth` standard deviations.
    """

    warm: float = 1.0
    explore: float = 0.25
    crowd: int = 64
    wild: float = 0.5
    confirm: float = 0.3
    fresh: int = 300
    near: int = 40
    final: float = 0.15
    gamma: float = 0.6
    growth: float = 1.5
    belief: float = 5.0
    worth: float = 0.01

    name: ClassVar[str] = "freeze-thaw"
    cites: ClassVar[str] = (
        "Swersky, Snoek & Adams 2014, Freeze-Thaw Bayesian Optimization, arXiv:1406.3896; "
        "Rakotoarison et al. 2024, In-Context Freeze-Thaw Bayesian Optimization, ICML"
    )

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        asha = AshaScheduler()
        several = len(problem.objectives) > 1
        early = len(history.told) < max(self.warm * problem.full, 2 * problem.rungs[0])
        crowded = len(history.running()) > self.crowd
        if several or early or crowded or problem.full == 1:
            return asha.propose(problem, history, sampler, rng)
        best = best_trial(problem, history)
        if best is not None and best.state is State.PAUSED and rng.random() < self.confirm:
            return self._thaw(problem, best)
        may_start = problem.max_trials is None or len(history.trials) < problem.max_trials
        model = None if may_start and rng.random() < self.explore else Model.of(problem, history)
        if model is None:
            decision = asha.propose(problem, history, sampler, rng)
            model = Model.of(problem, history) if isinstance(decision, Finish) else None
            if model is None:
                return decision
            may_start = False
        paused = distinct(problem, history, [t for t in history.paused() if t.measurements])
        if not may_start:
            return self._wind_up(problem, history, model, paused, best)
        fresh = self._candidates(problem, model, rng)
        for place, i in enumerate(self._order(problem, history, model, paused, fresh, rng)):
            if i < len(paused):
                return self._thaw(problem, paused[i])
            config = decode(problem.space, fresh[i - len(paused)])
            wild = place == 0 and rng.random() < self.wild
            if not wild and acceptable(problem, history, config):
                return Start(history.next_trial, config, problem.rungs[0])
            if (
                wild or place + 1 == TRIES
            ):  # limits so narrow, or a space so small, that a config must be looked for
                new = start_new(problem, history, sampler, rng, problem.rungs[0])
                if new is None:
                    break
                return new
        return self._wind_up(problem, history, model, paused, best)

    def _wind_up(
        self, problem: Problem, history: History, model: Model, paused: list[Trial], best: Trial | None
    ) -> Decision:
        """When nothing new may start: the best is finished, and whatever promises more than `worth` in the end."""
        if best is not None and best.state is State.PAUSED:
            return self._thaw(problem, best)
        if paused:
            ids = np.array([t.id for t in paused], dtype=np.intp)
            mean, sd = model.posterior.curves(model.points[ids], ids).predict(np.ones(1))
            gain = log_expected_improvement(mean, sd, model.best)
            if gain.max() > math.log(self.worth):
                return self._thaw(problem, paused[int(gain.argmax())])
        return end(problem, history)

    def _candidates(self, problem: Problem, model: Model, rng: np.random.Generator) -> Array:
        """New configs as unit vectors."""
        moves = Moves.of(problem.space)
        ranking = model.ranking()
        parents = ranking[np.minimum(rng.geometric(0.3, self.near) - 1, len(ranking) - 1)]
        return np.vstack([moves.random(self.fresh, rng), moves.mutated(model.units[parents], rng)])

    def _order(
        self,
        problem: Problem,
        history: History,
        model: Model,
        paused: list[Trial],
        fresh: Array,
        rng: np.random.Generator,
    ) -> list[int]:
        """Places of the candidates, the most promising first; new ones no further than TRIES."""
        ids = np.array([t.id for t in paused], dtype=np.intp)
        steps = np.array([t.step for t in paused] + [0] * len(fresh), dtype=np.intp)
        x = np.vstack([model.points[ids], model.embedding(fresh)])
        curves = model.posterior.curves(x, np.append(ids, np.full(len(fresh), -1)))
        rate = in_the_end if rng.random() < self.final else soonest
        score = rate(curves, steps, problem.rungs[0], model.full, model.best, self.gamma)
        if problem.by_time:
            score -= self.gamma * slowness(problem, history, x, paused)
        belief = self.belief * share(problem, history) / len(history.trials)
        if belief:
            score[len(paused) :] += belief * problem.space.log_prior(fresh)
        order = np.argsort(-score, kind="stable")
        new = np.cumsum(order >= len(paused))
        return [int(i) for i, n in zip(order, new, strict=True) if i < len(paused) or n <= TRIES]

    def _thaw(self, problem: Problem, trial: Trial) -> Resume:
        following = max(trial.step + problem.rungs[0], math.ceil(trial.step * self.growth))
        return Resume(trial.id, min(following, problem.full))


def distinct(problem: Problem, history: History, paused: list[Trial]) -> list[Trial]:
    """Those whose curves do not repeat, loss for loss over all of two or more steps, that of a trial ahead of them.

    Where parameters have no effect, or a landscape has terraces, equal curves are one model trained twice.
    """
    loss = problem.objectives[0].loss

    def repeats(trial: Trial, other: Trial) -> bool:
        if other.id == trial.id or (other.step, -other.id) < (trial.step, -trial.id):
            return False
        pairs = zip(trial.measurements, other.measurements, strict=False)
        return all(loss(a.metrics) == loss(b.metrics) for a, b in pairs)

    at_step: dict[
        int, dict[float, list[int]]
    ] = {}  # step -> loss -> trials, for the few steps that are asked for

    def alike(trial: Trial) -> list[int]:
        if trial.step not in at_step:
            found = at_step[trial.step] = {}
            for i, metrics in history.at(trial.step).items():
                found.setdefault(loss(metrics), []).append(i)
        return at_step[trial.step][loss(trial.metrics)]

    def alone(trial: Trial) -> bool:
        if len(trial.measurements) < 2:  # most of many: one step says little
            return True
        return not any(repeats(trial, history.trials[i]) for i in islice(alike(trial), ALIKE))

    return [trial for trial in paused if alone(trial)]
