"""seedleaf's sampler in an Optuna study: define-by-run, conditions, pruning, failures, several workers."""

from __future__ import annotations

import math
import pickle
from statistics import median
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

from seedleaf.optuna_bridge import SeedleafSampler  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore:Choices for a categorical")


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -5, 5)
    lr = trial.suggest_float("lr[0].y", 1e-5, 1.0, log=True)
    n = trial.suggest_int("n", 1, 9, step=2)
    grid = trial.suggest_float("grid", 0, 1, step=0.25)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    odd = trial.suggest_categorical("odd", [(1, 2), (3,)])  # no plain value: left to chance
    loss = (x - 1) ** 2 + (math.log10(lr) + 2) ** 2 + abs(n - 5) / 10 + grid + len(odd) / 100
    if kind == "a":
        loss += (trial.suggest_float("inner", 0, 1) - 0.3) ** 2
    return float(loss)


def best(sampler: Any, n: int = 60) -> float:
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=n)
    return float(study.best_value)


def test_it_is_clearly_better_than_random() -> None:
    ours = [best(SeedleafSampler(seed=s)) for s in range(5)]
    chance = [best(optuna.samplers.RandomSampler(seed=s)) for s in range(5)]
    assert median(ours) < 0.6 * median(chance), (ours, chance)


def test_seeds_reproduce_and_a_resumed_study_does_not_repeat_itself() -> None:
    def values(n: int, study: Any = None) -> list[float]:
        study = study or optuna.create_study(sampler=SeedleafSampler(seed=3))
        study.optimize(objective, n_trials=n)
        return [t.value for t in study.trials]

    assert values(25) == values(25)
    study = optuna.create_study(sampler=SeedleafSampler(seed=3))
    first = values(20, study)
    study.sampler = SeedleafSampler(seed=3)  # as a new process would
    both = values(5, study)
    assert both[:20] == first
    assert both == values(25), "what it knows it reads from the study"
    assert len({str(t.params) for t in study.trials}) == 25


def test_only_plain_common_parameters_are_sampled_together() -> None:
    sampler = SeedleafSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=8)
    trial = study.ask()
    together = sampler.infer_relative_search_space(study, study.trials[trial.number])
    assert set(together) == {"x", "lr[0].y", "n", "grid", "kind"}


def test_pruned_failed_and_running_trials_are_taken_as_they_are() -> None:
    def pruned(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 7 == 3:
            raise ValueError("no luck")
        for step in range(9):
            trial.report(abs(x - 0.3) + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return abs(x - 0.3)

    sampler = SeedleafSampler(seed=0)
    study = optuna.create_study(
        sampler=sampler, pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    )
    left_running = study.ask()
    left_running.suggest_float("x", 0, 1)
    study.optimize(pruned, n_trials=60, catch=(ValueError,))
    states = {t.state.name for t in study.trials}
    assert states == {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    assert abs(study.best_params["x"] - 0.3) < 0.02
    (fold,) = sampler._folds.values()
    known = {t.state.name for t in fold.history.trials.values()}
    assert {"DONE", "STOPPED", "FAILED", "RUNNING"} <= known
    assert len(fold.history.trials) == len(study.trials) - 1, "all but the last, after which nobody asked"


def test_a_finite_space_may_repeat() -> None:
    study = optuna.create_study(sampler=SeedleafSampler(seed=0), direction="maximize")
    study.optimize(lambda t: float(t.suggest_categorical("c", ["a", "b", "c"]) == "b"), n_trials=40)
    picked = [t.params["c"] for t in study.trials]
    assert picked.count("b") > 20


def test_several_objectives_and_workers() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=SeedleafSampler(seed=0))

    def two(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        return x * x, x

    study.optimize(two, n_trials=40, n_jobs=4)
    assert len(study.trials) == 40
    assert all(t.state.name == "COMPLETE" for t in study.trials)


@pytest.mark.parametrize("name", ["random", "sobol", "tpe"])
def test_any_of_our_samplers_by_name(name: str) -> None:
    study = optuna.create_study(sampler=SeedleafSampler(name, seed=0))
    study.optimize(objective, n_trials=15)
    assert len({str(t.params) for t in study.trials}) == 15


def test_it_can_be_pickled_and_told_apart_by_its_seed() -> None:
    sampler = pickle.loads(pickle.dumps(SeedleafSampler(seed=5)))
    assert best(sampler, 12) == best(SeedleafSampler(seed=5), 12)
    free = SeedleafSampler()
    before = free._seed
    free.reseed_rng()
    assert free._seed != before
