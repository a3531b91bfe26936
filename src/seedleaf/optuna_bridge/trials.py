"""A history's trials as Optuna sees them: states, values, steps and constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from seedleaf.core import History, Limit, Metrics, Objective, State, Trial


def directions(objectives: tuple[Objective, ...]) -> list[StudyDirection]:
    """Optuna's words for the objectives' directions."""
    words = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
    return [words[o.direction] for o in objectives]


def values_of(objectives: tuple[Objective, ...], metrics: Metrics) -> list[float] | None:
    """The objectives' own values; None where one is missing or not finite."""
    found = [float(metrics.get(o.metric, math.nan)) for o in objectives]
    return found if all(map(math.isfinite, found)) else None


def state_of(trial: Trial, history: History, single: bool) -> TrialState:
    """Complete at its full budget; pruned where it was left before, failed without a value, else running.

    Optuna knows no pause, and no pruned trial with several objectives (`single` False): both are running.
    """
    if trial.state is State.FAILED:
        return TrialState.FAIL
    if trial.state is State.DONE:
        return TrialState.COMPLETE
    over = trial.state is State.STOPPED or (trial.state is State.PAUSED and history.finished is not None)
    if not over:
        return TrialState.RUNNING
    return TrialState.PRUNED if single and trial.measurements else TrialState.FAIL


def constraints_of(limits: tuple[Limit, ...], metrics: Metrics) -> dict[str, float]:
    """Each limit on a metric that was measured; above zero where it is broken."""
    return {x.metric: float(metrics[x.metric]) - x.at_most for x in limits if x.metric in metrics}


def frozen(
    state: TrialState,
    objectives: tuple[Objective, ...],
    trial: Trial,
    params: Mapping[str, Any],
    distributions: Mapping[str, optuna.distributions.BaseDistribution],
    **more: Any,
) -> FrozenTrial:
    """The trial in `state` with its curve of the first objective."""
    curve = (values_of(objectives[:1], m.metrics) for m in trial.measurements)
    steps = {m.step: v[0] for m, v in zip(trial.measurements, curve, strict=True) if v is not None}
    values = values_of(objectives, trial.metrics) if state is TrialState.COMPLETE else None
    if state is TrialState.COMPLETE and values is None:
        state = TrialState.FAIL
    if state is TrialState.PRUNED and len(objectives) == 1:
        values = values_of(objectives, trial.metrics)
    return create_trial(
        state=state,
        values=values,
        params=dict(params),
        distributions=dict(distributions),
        intermediate_values=steps if len(objectives) == 1 else None,
        **more,
    )
