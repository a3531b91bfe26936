"""Freeze-thaw: every decision weighs a new config against a few more steps for any paused one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import ClassVar

import numpy as np

from seedleaf.core import Decision, Finish, History, Resume, Start, State, Trial
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.tuner.acquisition import in_the_end, log_expected_improvement, soonest
from seedleaf.tuner.asha import AshaScheduler
from seedleaf.tuner.base import Sampler, best_trial, by_loss, end, ranked, start_new
from seedleaf.tuner.by_time import slowness
from seedleaf.tuner.curves import Model, trust
from seedleaf.tuner.draws import acceptable
from seedleaf.tuner.heritage import parent_of
from seedleaf.tuner.kernels import Array
from seedleaf.tuner.moves import Moves
from seedleaf.tuner.prior import share
from seedleaf.tuner.standing import Standing

TRIES = 20  # new candidates that were proposed before or break a limit, until the sampler is asked for one that is not
RECENT = 30  # trials among which repeats are counted
ALIKE = 20  # trials of equal loss whose curves are compared: where errors are counted on few images there are many


@dataclass(frozen=True)
class FreezeThawScheduler:
    """A model over (config, step) extrapolates every curve; the next steps go where they promise the most per step.

    Until `warm` full trainings' worth of steps are measured, for a share `explore` of the decisions afterwards, and while
    more than `crowd` trials run at once, it decides as ASHA does, with the study's sampler: the model needs curves of
    different lengths, and rest for thought. Of the other decisions the model has the share that it is to be trusted
    with: where it cannot tell new configs apart (`curves.trust`), ASHA does better. With probability `confirm` the best
    trial goes on where it is not at its end yet: a low loss halfway may be luck. A trial that repeats another, loss for
    loss, never goes on.

    Candidates else are the paused trials, `fresh` random configs and `near` mutations of the best; a share `wild` of the
    new ones is left to the sampler, for a first step costs little and the model may be wrong about what it has not seen;
    more, where the newest trials repeat others: all, where a share 1 / `shy` of them does.
    A share `final` of decisions goes by the improvement expected in the end, the others by that expected soonest; both
    are divided by (steps needed)^`gamma`. A user's prior counts as `belief` trials. A paused trial gets half as many
    steps again. Out of trials, those go on that promise `worth` standard deviations.
    Of many paused trials the `weighed` that stand best at their steps are looked at. From `many` trials on the model's
    share falls as their number grows: trials are cheap then, and deciding must be as well.
    """

    warm: float = 1.0
    explore: float = 0.25
    crowd: int = 64
    wild: float = 0.5
    shy: float = 2.0
    confirm: float = 0.3
    fresh: int = 300
    near: int = 40
    final: float = 0.15
    gamma: float = 0.6
    growth: float = 1.5
    belief: float = 5.0
    worth: float = 0.01
    many: int = 500
    weighed: int = 150

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
        known = Repeats(problem, history)
        best = best_trial(problem, history)
        if best is not None and known(best):
            best = best_trial(problem, history, over=known)
        if best is not None and best.state is State.PAUSED and rng.random() < self.confirm:
            return self._thaw(problem, best)
        may_start = problem.max_trials is None or len(history.trials) < problem.max_trials
        often = (1 - self.explore) * min(1.0, self.many / len(history.trials)) ** 2
        trusted = often * trust(problem, history)
        model = Model.of(problem, history) if rng.random() < trusted or not may_start else None
        if model is None:
            decision = asha.passing(problem, history, sampler, rng, known)
            model = Model.of(problem, history) if isinstance(decision, Finish) else None
            if model is None:
                return decision
            may_start = False
        standing = Standing.of(history, problem.objectives[0])
        paused = [t for t in standing.best_paused(history, self.weighed) if t.measurements and not known(t)]
        if not may_start:
            return self._wind_up(problem, history, model, paused, best)
        fresh = self._candidates(problem, model, rng)
        wildness = 1 - (1 - self.wild) * max(0.0, 1 - self.shy * known.share())
        for place, i in enumerate(self._order(problem, history, model, paused, fresh, rng)):
            if i < len(paused):
                return self._thaw(problem, paused[i])
            config = decode(problem.space, fresh[i - len(paused)])
            wild = place == 0 and rng.random() < wildness
            if not wild and acceptable(problem, history, config):
                return Start(
                    history.next_trial,
                    config,
                    problem.rungs[0],
                    parent_of(problem, history, config, ranked),
                )
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


class Repeats:
    """Says whether a trial repeats, loss for loss over all of two or more steps, one that is ahead of it.

    Where parameters have no effect, or a landscape has terraces, equal curves are one model trained twice.
    """

    def __init__(self, problem: Problem, history: History) -> None:
        self._problem, self._history = problem, history
        self._loss = problem.objectives[0].loss

    def __call__(self, trial: Trial) -> bool:
        if len(trial.measurements) < 2:  # most of many: one step says little
            return False
        return any(self._repeats(trial, self._history.trials[i]) for i in islice(self._alike(trial), ALIKE))

    def share(self) -> float:
        """Of the newest trials with two or more steps those that repeat another."""
        recent: list[bool] = []
        for trial in reversed(self._history.trials.values()):
            if len(trial.measurements) > 1 and trial.state is not State.FAILED:
                recent.append(self(trial))
            if len(recent) == RECENT:
                break
        return sum(recent) / len(recent) if recent else 0.0

    def _repeats(self, trial: Trial, other: Trial) -> bool:
        if other.id == trial.id or (other.step, -other.id) < (trial.step, -trial.id):
            return False
        pairs = zip(trial.measurements, other.measurements, strict=False)
        return all(self._loss(a.metrics) == self._loss(b.metrics) for a, b in pairs)

    def _alike(self, trial: Trial) -> Iterator[int]:
        """The trials of the same loss at its last step."""
        rows, loss = by_loss(self._problem, self._history, trial.step), self._loss(trial.metrics)
        places = range(bisect_left(rows, (loss, -1)), len(rows))
        return (rows[k][1] for k in takewhile(lambda k: rows[k][0] == loss, places))
