"""Syne Tune 0.14.1: the last release with promotion ASHA, MOBSTER, HyperTune and DyHPO. One worker, pause and resume.

The scheduler is told every epoch; a paused trial goes on from its checkpoint, so only new steps are paid. Spaces are flat.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer import legacy_baselines
from syne_tune.optimizer.scheduler import SchedulerDecision

from search.peers.spaces import config_of, to_syne_tune
from search.peers.work import Work

logging.disable(logging.WARNING)
QUIET = {"debug_log": False}


def halving(name: str, **extra: Any) -> Callable[[Work, int], None]:
    """A multi-fidelity method of `legacy_baselines`, with its defaults."""

    def run(work: Work, seed: int) -> None:
        space = {**to_syne_tune(work.space), "max_steps": work.full}
        common = dict(
            metric="loss", mode="min", resource_attr="step", max_resource_attr="max_steps", random_seed=seed
        )
        drive(getattr(legacy_baselines, name)(space, grace_period=1, **common, **extra), work)

    return run


def bayesian(work: Work, seed: int) -> None:
    """Without fidelity: its Gaussian-process optimisation of full trainings."""
    scheduler = legacy_baselines.BayesianOptimization(
        to_syne_tune(work.space), metric="loss", mode="min", random_seed=seed, search_options=QUIET
    )
    drive(scheduler, work)


def drive(scheduler: Any, work: Work) -> None:
    """suggest, then train step by step until the scheduler pauses or stops the trial or it is fully trained."""
    trials: dict[int, Any] = {}
    reached: dict[int, int] = {}
    while (suggestion := scheduler.suggest(trial_id=len(trials))) is not None:
        if suggestion.spawn_new_trial_id:
            ident, config = len(trials), suggestion.config
            trials[ident] = Trial(ident, config, datetime.datetime.now())
            scheduler.on_trial_add(trials[ident])
        else:
            ident = suggestion.checkpoint_trial_id
            if suggestion.config is not None:
                trials[ident] = Trial(ident, suggestion.config, trials[ident].creation_time)
        trial = trials[ident]
        config = config_of(work.space, trial.config)
        for step in range(reached.get(ident, 0) + 1, work.full + 1):
            reached[ident] = step
            result = {"loss": work.loss(ident, config, step), "step": step}
            if scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE:
                scheduler.on_trial_remove(trial)  # paused, or stopped at the top: as its Tuner does
                break
        else:
            scheduler.on_trial_complete(trial, result)


METHODS: dict[str, Callable[[Work, int], None]] = {
    "mobster": halving("MOBSTER", type="promotion", reduction_factor=3, search_options=QUIET),
    "syne-asha": halving("ASHA", type="promotion", reduction_factor=3),
    "hypertune": halving("HyperTune", type="promotion", reduction_factor=3, search_options=QUIET),
    "dyhpo": halving("DyHPO", search_options=QUIET),
    "syne-bo": bayesian,
}
