"""Optuna 5.0.0: TPE with its Hyperband pruner, TPE alone, and its samplers for two objectives. A pruned trial is final."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import optuna

from search.peers.spaces import to_optuna
from search.peers.work import Work

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def tpe_hyperband(work: Work, seed: int, **extra: Any) -> None:
    """`report` after every step, `should_prune`: the documented loop, by ask and tell."""
    study = optuna.create_study(
        study_name=f"seed-{seed}",  # HyperbandPruner draws the bracket from the study's name
        sampler=optuna.samplers.TPESampler(seed=seed, **extra),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=work.full, reduction_factor=3),
    )
    while True:
        trial = study.ask()
        config = to_optuna(work.space, trial)
        loss = math.nan
        for step in range(1, work.full + 1):
            loss = work.loss(trial.number, config, step)
            trial.report(loss, step)
            if step < work.full and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, loss)


def full_trainings(sampler: str, n_objectives: int = 1, **extra: Any) -> Callable[[Work, int], None]:
    """Every config trained in full; one or several objectives."""

    def run(work: Work, seed: int) -> None:
        study = optuna.create_study(
            study_name=f"seed-{seed}",
            sampler=getattr(optuna.samplers, sampler)(seed=seed, **extra),
            directions=["minimize"] * n_objectives,
        )
        while True:
            trial = study.ask()
            losses = work.losses(trial.number, to_optuna(work.space, trial), work.full)
            study.tell(trial, losses[:n_objectives])

    return run


def grouped_hyperband(work: Work, seed: int) -> None:
    """TPE that models each branch of a conditional space apart."""
    tpe_hyperband(work, seed, multivariate=True, group=True)


METHODS: dict[str, Callable[[Work, int], None]] = {
    "optuna-tpe-hyperband": tpe_hyperband,
    "optuna-group-hyperband": grouped_hyperband,
    "optuna-tpe": full_trainings("TPESampler"),
    "optuna-group": full_trainings("TPESampler", multivariate=True, group=True),
    "optuna-tpe-two": full_trainings("TPESampler", 2),
    "optuna-nsga2": full_trainings("NSGAIISampler", 2),
}
