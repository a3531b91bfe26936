"""Which network will be best after the last training. The search compares networks after as many epochs; the last training
has its seconds, and a network whose epochs take longer gets fewer of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seedleaf.core import Trial
from seedleaf.timing import LONGEST_REFIT, refit_step_seconds, refit_steps
from seedleaf.tuner.base import best_trial

if TYPE_CHECKING:
    from seedleaf.study import Study

# Errors fall with about this power of the length of a whole training (learning curves as power laws: Hestness et al. 2017,
# Domhan et al. 2015).
POWER = 0.25


def most_promising(study: Study, trials: Sequence[Trial], share: Callable[[int], float]) -> Trial | None:
    """Of `trials` the one whose error is expected to be least after the last training; None where there is no best one.

    The best of them, or one that was trained as far and whose epochs are so much quicker that it ends lower. `share` is what
    a step costs of a whole one (planning.step_share).
    """
    problem, history = study.problem, study.history
    best = best_trial(problem, history, trials)
    seconds = float((history.note("plan") or {}).get("refit", 0.0))
    if best is None or not seconds or problem.objectives[0].metric != "error":
        return best
    as_far = [t for t in trials if t.step >= best.step and best_trial(problem, history, [t]) is not None]

    def expected(trial: Trial) -> tuple[float, float, int]:
        steps = refit_steps(
            seconds / max(refit_step_seconds(trial, share), 1e-9), problem.full, LONGEST_REFIT
        )
        metrics = trial.metrics
        error = float(metrics["error"]) * (trial.step / steps) ** POWER
        return error, float(metrics.get("loss", math.inf)), trial.id

    return min(as_far, key=expected)
