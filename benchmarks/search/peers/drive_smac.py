"""SMAC3 2.4.1: MultiFidelityFacade (random forest + Hyperband), HPOFacade where there is no fidelity.

Its target function is given a config and a budget; going on from the config's own checkpoint is up to the user, so only
new steps are paid. Budgets are real numbers (1.93, 5.78, …) and rounded to steps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from smac import HyperparameterOptimizationFacade, MultiFidelityFacade, Scenario
from smac.intensifier.hyperband import Hyperband
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialValue

from search.peers.spaces import config_of, to_configspace
from search.peers.work import Work


def run(work: Work, seed: int) -> None:
    space = to_configspace(work.space, seed)
    folder = tempfile.mkdtemp(prefix="smac-")
    common = dict(n_trials=work.evaluations, deterministic=True, seed=seed, output_directory=folder)

    def unused(config: Any, seed: int = 0, budget: float = 0) -> float:
        raise AssertionError("ask and tell never calls it")

    if work.full > 1:
        scenario = Scenario(space, min_budget=1, max_budget=work.full, **common)
        smac = MultiFidelityFacade(
            scenario, unused, intensifier=Hyperband(scenario, eta=3), overwrite=True, logging_level=40
        )
    else:
        smac = HyperparameterOptimizationFacade(
            Scenario(space, **common), unused, overwrite=True, logging_level=40
        )
    while True:
        info = smac.ask()
        values = dict(info.config)
        stop = work.full if info.budget is None else max(1, round(info.budget))
        loss = work.loss(None, config_of(work.space, values), stop)
        smac.tell(info, TrialValue(cost=loss, time=float(stop)))


def parego(work: Work, seed: int) -> None:
    """Two objectives by random scalarisations (Knowles 2006), every config trained in full."""
    scenario = Scenario(
        to_configspace(work.space, seed),
        objectives=["first", "second"],
        n_trials=work.evaluations,
        deterministic=True,
        seed=seed,
        output_directory=tempfile.mkdtemp(prefix="smac-"),
    )

    def unused(config: Any, seed: int = 0) -> list[float]:
        raise AssertionError("ask and tell never calls it")

    smac = HyperparameterOptimizationFacade(
        scenario, unused, multi_objective_algorithm=ParEGO(scenario), overwrite=True, logging_level=40
    )
    while True:
        info = smac.ask()
        losses = work.losses(None, config_of(work.space, dict(info.config)), work.full)
        smac.tell(info, TrialValue(cost=list(losses), time=float(work.full)))


METHODS: dict[str, Callable[[Work, int], None]] = {"smac": run, "smac-parego": parego}
