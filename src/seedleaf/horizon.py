"""Which network will be best after the last training. The search compares networks after as many epochs; the last training
has its seconds, and a network whose epochs take longer gets fewer of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from seedleaf.core import History, State, Trial
from seedleaf.planning import most_refit, step_share, wanted_of
from seedleaf.timing import FIT, refit_step_seconds
from seedleaf.tuner.base import best_trial

if TYPE_CHECKING:
    from seedleaf.study import Study

# The error after an annealed training of s epochs where w are wanted goes as 1 + MISSING * w / s: like s to the power of
# -0.45 about a tenth of w and of -0.08 about w; power laws of learning curves have -0.07 to -0.35 (Hestness et al. 2017).
# From the same networks trained for different times (RESULTS.md, "How deep the first network should be").
MISSING = 1 / 12
LEAST = 0.5  # of a step: what a network too slow for one is told by


def search_until(study: Study, end: float) -> Callable[[History], str | None]:
    """When the search ends: what the last training of the network that would have it needs is kept before `end`."""
    planned = float((study.history.note("plan") or {})["refit"])
    longest, share = most_refit(study.history), step_share(study.history)

    def until(history: History) -> str | None:
        now = time.time()
        if now < end - planned:
            return None
        winner = most_promising(study, able(history.trials.values()), share)
        if winner is None or not winner.seconds:
            return "time"
        # A light winner needs less than was planned: the rest goes on being searched.
        needed = longest * refit_step_seconds(winner, share)
        return "time" if now >= end - min(planned, needed) else None

    return until


def able(trials: Iterable[Trial]) -> list[Trial]:
    """Those that could be trained to the end: they were measured, and have not failed."""
    return [t for t in trials if t.measurements and t.state is not State.FAILED]


def most_promising(study: Study, trials: Sequence[Trial], share: Callable[[int], float]) -> Trial | None:
    """Of `trials` the one whose error is expected to be least after the last training; None where there is no best one.

    The best of them, or one that was trained as far and whose epochs are so much quicker that it ends lower; the run's first
    network where it was trained as far and the lead over it is within the noise of the validation part (unless something
    else than the error was to be small, too). `share` is what a step costs of a whole one (planning.step_share).
    """
    problem, history = study.problem, study.history
    best = best_trial(problem, history, trials)
    plan = history.note("plan") or {}
    seconds, wanted = float(plan.get("refit", 0.0)), wanted_of(history)
    if best is None or not seconds or problem.objectives[0].metric != "error":
        return best
    longest = most_refit(history)
    as_far = [t for t in trials if t.step >= best.step and best_trial(problem, history, [t]) is not None]

    def left(trial: Trial) -> float:
        """The share of its error that is left then."""
        # Not whole: of a training that the clock ends the last step counts for the part of it that is done.
        fit = FIT * seconds / max(refit_step_seconds(trial, share), 1e-9)
        steps = max(min(fit, longest), LEAST)
        return (1 + MISSING * wanted / steps) / (1 + MISSING * wanted / trial.step)

    def expected(trial: Trial) -> float:
        return float(trial.metrics["error"]) * left(trial)

    found = min(as_far, key=lambda t: (expected(t), float(t.metrics.get("loss", math.inf)), t.id))
    first = next((t for t in as_far if t.id == (history.note("default") or {}).get("trial")), None)
    if first is None or len(problem.objectives) > 1:
        return found
    noise = noise_of(float(first.metrics["error"]), float(plan.get("valid", math.inf)))
    return first if expected(first) - expected(found) <= noise * left(first) else found


def leads_by_chance(study: Study, first: Trial, other: Trial) -> int | None:
    """On how many validation images, where the lead of `other` over the run's `first` network is within the noise there."""
    images = (study.history.note("plan") or {}).get("valid")
    if images is None or len(study.problem.objectives) > 1 or not (first.measurements and other.measurements):
        return None
    error = float(first.metrics["error"])
    lead = error - float(other.metrics["error"])
    return int(images) if lead <= noise_of(error, float(images)) else None


def noise_of(error: float, images: float) -> float:
    """The standard error of the difference of two networks of about this `error`, half of it in common.

    `images`: how many they were judged on. An error of 0 is taken for that of one in as many.
    """
    return math.sqrt(max(error * (1 - error), 1 / images) / images)
