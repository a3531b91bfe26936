"""Any Optuna sampler as a seedleaf sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from seedleaf.core import Config, History, State, Trial, Value
from seedleaf.optuna_bridge.trials import constraints_of, directions, frozen
from seedleaf.space import Choice, Float, Int, Node, Problem
from seedleaf.tuner.draws import draw_valid

ASKS = 8  # proposals that Optuna may make for one trial before plain random draws take over


def default_sampler(seed: int) -> BaseSampler:
    """Optuna's own default."""
    return optuna.samplers.TPESampler(seed=seed)


@dataclass(frozen=True)
class OptunaSampler:
    """Asks the Optuna sampler that `factory(seed)` makes: a fresh one, on a fresh study, at every decision.

    So the decision follows from the log alone, and a resumed study does not repeat itself. The study holds all trials with
    conditions kept: a parameter is asked for only where it exists. A paused trial is pruned in Optuna's eyes, a queued
    one running. Samplers that keep their state in the study between trials (CMA-ES, NSGA-II, grids) start anew each
    time and are of little use here; TPE, GP, QMC and random are themselves. Building the study costs some 0.15 ms a trial.
    """

    factory: Callable[[int], BaseSampler] = default_sampler

    name: ClassVar[str] = "optuna"
    cites: ClassVar[str] = (
        "Akiba et al. 2019, Optuna: A Next-generation Hyperparameter Optimization Framework, KDD"
    )

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        study = _study(problem, history)
        study.sampler = self.factory(int(rng.integers(2**31)))
        asked = 0

        def draw() -> Config:
            nonlocal asked
            asked += 1
            if asked > ASKS:
                return problem.space.sample(rng)
            trial = study.ask()  # one that is refused stays running: samplers keep away from where others run
            return problem.space.walk(lambda node: _suggested(trial, node))

        return draw_valid(problem, history, draw, rng)


def _study(problem: Problem, history: History) -> optuna.Study:
    """A new study in memory with every trial of the history."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(directions=directions(problem.objectives))
    finally:
        optuna.logging.set_verbosity(verbosity)
    for trial in history.trials.values():
        study.add_trial(_finished(problem, history, trial) or _frozen(problem, trial, TrialState.RUNNING))
    return study


def _finished(problem: Problem, history: History, trial: Trial) -> Any:
    """The frozen trial, kept in the memo where it can change no more; None where it has no value."""
    single = len(problem.objectives) == 1
    if trial.state in (State.DONE, State.FAILED, State.STOPPED):
        kept = history.memo.setdefault("optuna trials", {})
        key = trial.id, trial.state, trial.step, str(problem.objectives)
        if key not in kept:
            done = TrialState.COMPLETE if trial.state is State.DONE else TrialState.PRUNED
            failed = trial.state is State.FAILED or (
                trial.state is State.STOPPED and not (single and trial.step)
            )
            kept[key] = _frozen(problem, trial, TrialState.FAIL if failed else done)
        return kept[key]
    if trial.state is State.PAUSED and trial.step and single:
        return _frozen(problem, trial, TrialState.PRUNED)
    return None


def _frozen(problem: Problem, trial: Trial, state: TrialState) -> Any:
    params: dict[str, Any] = {}
    known: dict[str, BaseDistribution] = {}
    for node in problem.space.active(trial.config):
        dist = _distribution(node)
        if dist is not None:
            known[node.id], params[node.id] = dist, _to_optuna(node, trial.config[node.key])
    constraints = constraints_of(problem.measured_limits, trial.metrics) or None
    return frozen(state, problem.objectives, trial, params, known, constraints=constraints)


# --- values: choices go by index, so that 1, 1.0 and True stay apart ---


def _distribution(node: Node) -> BaseDistribution | None:
    """What Optuna draws for the node; None where there is nothing to draw."""
    param = node.param
    if param.n_values == 1:
        return None
    if isinstance(param, Choice):
        n = len(param.options)
        return IntDistribution(0, n - 1) if param.ordered else CategoricalDistribution(tuple(range(n)))
    if isinstance(param, Int) and not (param.log and param.step != 1):
        return IntDistribution(param.low, param.high, log=param.log, step=param.step)
    if isinstance(param, Float):
        return FloatDistribution(param.low, param.high, log=param.log)
    return FloatDistribution(0.0, 1.0)  # on its own unit scale


def _to_optuna(node: Node, value: Value) -> Any:
    param = node.param
    if isinstance(param, Choice):
        return param.index(value)
    direct = isinstance(param, Float) or (isinstance(param, Int) and not (param.log and param.step != 1))
    return value if direct else param.to_unit(value)


def _suggested(trial: optuna.Trial, node: Node) -> Value:
    dist, param = _distribution(node), node.param
    if dist is None:
        return param.from_unit(0.5)
    if isinstance(param, Choice) and isinstance(dist, CategoricalDistribution):
        return param.options[trial.suggest_categorical(node.id, dist.choices)]  # type: ignore[index]  # its index
    if isinstance(dist, IntDistribution):
        found = trial.suggest_int(node.id, dist.low, dist.high, step=dist.step, log=dist.log)
        return param.options[found] if isinstance(param, Choice) else found
    assert isinstance(dist, FloatDistribution)
    unit = trial.suggest_float(node.id, dist.low, dist.high, log=dist.log)
    return min(max(unit, param.low), param.high) if isinstance(param, Float) else param.from_unit(unit)
