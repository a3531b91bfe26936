"""Which trials of a table come into the file, and when the search ends so that they can be fitted on all rows."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from seedleaf.amounts import format_seconds
from seedleaf.core import History, State, Trial
from seedleaf.learners.tables.registry import family_name
from seedleaf.modality.table_limits import beyond
from seedleaf.modality.table_parts import refit_seconds
from seedleaf.study import Study
from seedleaf.tuner.base import best_trial
from seedleaf.tuner.constraints import keeps_limits
from seedleaf.tuner.racing import clearly_behind

BLENDED, BLENDING = 3, 0.5  # of them come into the file, mostly; seconds that choosing them takes
LOOKED_AT = 24  # of the best trials, when a few are blended
KIN = 3  # of each family, which may be behind and yet right where the others are wrong
REFIT_SHARE = 0.15  # of the time, at most, for the winner's fit on all rows
GRACE = 10.0  # seconds for the first result, on a machine that is slow to start


def winner_of(study: Study) -> Trial | None:
    """The best of the trials judged on all folds, unless one that was cut off is clearly better on those it had."""
    problem, history = study.problem, study.history
    best = best_trial(problem, history, history.completed())
    if best is None:
        return study.best
    cut = [t for t in history.in_state(State.PAUSED) if clearly_behind(problem, history, best, t)]
    return best_trial(problem, history, cut) or best


def candidates(study: Study, winner: Trial) -> list[Trial]:
    """The winner, and the next best of those judged on as many folds or more: of all, and of each family."""
    return looked_at([winner, *_others(study, winner)])


def looked_at(ordered: Sequence[Trial]) -> list[Trial]:
    """Of trials in order, the best first, the first of all and the first of each family: after a long search all of the best
    are of one, alike in what they get wrong."""
    seen: Counter[str] = Counter()
    found = []
    for place, trial in enumerate(ordered):
        seen[name := family_name(trial.config)] += 1
        if place < LOOKED_AT or seen[name] <= KIN:
            found.append(trial)
    return found


def _others(study: Study, winner: Trial) -> list[Trial]:
    """The trials beside the winner that were judged on as many folds or more and keep the limits, the best first."""
    others = [t for t in study.trials if t.id != winner.id and t.step >= winner.step]
    others = [t for t in others if t.state is not State.FAILED and keeps_limits(study.problem, t)]
    return sorted(others, key=lambda t: (_loss_at(study, t, winner.step), t.id))


def _loss_at(study: Study, trial: Trial, step: int) -> float:
    """The objective of a trial over its first `step` folds."""
    metrics = study.history.at(step).get(trial.id)
    return math.inf if metrics is None else study.problem.objectives[0].loss(metrics)


def failed(history: History, took: float) -> str:
    """Why nothing was measured in the `took` seconds that the run had, and what to do."""
    if reasons := [t.reason for t in history.in_state(State.FAILED) if t.reason]:
        return f"{reasons[0]}; give more --time"
    enough = format_seconds(30 * math.ceil(2 * took / 30))
    return f"in {format_seconds(took)} no config was measured, the reading of the table included; try --time {enough}"


def hopeless(study: Study, seconds: float) -> bool:
    """Can none of what has been begun be judged on all folds within `seconds`? Told once each default has had its first."""
    history, full = study.history, study.problem.full
    if history.completed() or not all(
        t.step or t.state is State.FAILED for t in history.trials.values() if t.given
    ):
        return False
    able = [t for t in history.trials.values() if t.step and t.state is not State.FAILED]
    return bool(able) and all(_fold_seconds(t) * (full - t.step) > seconds for t in able)


def _fold_seconds(trial: Trial) -> float:
    return max((m.seconds for m in trial.measurements), default=0.0)


def search_until(study: Study, end: float, workers: int = 1) -> Callable[[History], str | None]:
    """When the search ends: what fits of the best config and of those beside it need, on all rows, is kept before `end`."""
    begun = time.time()
    in_turn = math.ceil(BLENDED / workers)
    longest = max(REFIT_SHARE * (end - begun), 0.5)

    def until(history: History) -> str | None:
        now = time.time()
        if now < end - longest:
            # Folds that cannot be brought to an end are worth less than the time for growing the best on all rows.
            return "time, for one fold each" if hopeless(study, end - longest - now) else None
        best = winner_of(study)
        if best is None:  # a model that comes late is better than none, but not after twice the time
            # Where reading the table took all of the time and more, the first config has as much again.
            late = not beyond(study) and now < max(end, begun) + abs(end - begun) + GRACE
            return None if late or now < end else "time"
        needed = min(in_turn * refit_seconds(best, study.problem.full) + BLENDING, longest)
        return "time" if now >= end - needed else None

    return until
