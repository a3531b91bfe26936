"""Optuna's samplers in a seedleaf study: proposals lie in the space, decisions follow from the log."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")
for folder in ("tuner", "space"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

from graphs import consistent, forbidden, random_graph  # noqa: E402
from problems import RUNGS, SPACE, drive, replay  # noqa: E402
from trees import random_tree  # noqa: E402

from seedleaf.errors import SpaceError  # noqa: E402
from seedleaf.optuna_bridge import OptunaSampler  # noqa: E402
from seedleaf.space import Choice, Equals, Float, Int, Space  # noqa: E402
from seedleaf.study import Study  # noqa: E402
from seedleaf.tuner.registry import SCHEDULERS  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def group_tpe(seed: int) -> Any:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=5)


def random_one(seed: int) -> Any:
    return optuna.samplers.RandomSampler(seed=seed)


@pytest.mark.parametrize("factory", [group_tpe, random_one])
def test_every_decision_follows_from_the_log_before_it(factory: Any) -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=3, sampler=OptunaSampler(factory), scheduler="asha")
    study.enqueue({"optimizer": "sgd"}, budget=3)
    drive(study, 30)
    log = study.store.read(study.name)
    assert {"fail", "release", "resume"} <= {e.kind for e in log}
    assert replay(study.problem, SCHEDULERS["asha"](), OptunaSampler(factory), log) == []


@pytest.mark.parametrize("seed", range(12))
def test_proposals_lie_in_the_space(seed: int) -> None:
    rng = random.Random(seed)
    space = random_tree(rng, 3) if seed % 2 else random_graph(rng)
    try:
        space.default()
    except SpaceError:
        return
    study = Study(space, minimize="error", sampler=OptunaSampler(group_tpe), seed=seed)
    for i in range(15):
        task = study.ask()
        if task is None:
            assert study.history.finished
            break
        assert space.check(task.config) == task.config
        if seed % 2 == 0:
            assert consistent(space, task.config)
            assert not forbidden(space, task.config)
        study.tell(task, [{"error": float(i % 5)}] if i % 4 else (), error=None if i % 4 else "no luck")
    assert len({str(t.config) for t in study.trials}) == len(study.trials)


def test_it_searches_better_than_chance() -> None:
    space = Space(x=Float(-5, 5), y=Float(-5, 5), lr=Float(1e-5, 1, log=True))

    def best(sampler: Any, seed: int) -> float:
        study = Study(space, minimize="error", seed=seed, sampler=sampler)
        for _ in range(40):
            task = study.ask()
            assert task is not None
            x, y, lr = (float(task.config[k]) for k in ("x", "y", "lr"))  # type: ignore[arg-type]
            study.tell(task, [{"error": (x - 1) ** 2 + (y + 2) ** 2 + (math.log10(lr) + 3) ** 2}])
        return min(t.metrics["error"] for t in study.trials)

    borrowed, chance = (
        median(best(s, seed) for seed in range(4)) for s in (OptunaSampler(group_tpe), "random")
    )
    assert borrowed < 0.5 * chance


def test_options_that_python_holds_equal_and_steps_on_a_log_scale() -> None:
    space = Space(
        dict(
            c=Choice(True, 1, 1.0, "1", None), n=Int(8, 64, log=True, step=8), o=Choice(1, 4, 9, ordered=True)
        ),
        forbid=[Equals("n", 64)],
    )
    study = Study(space, maximize="score", sampler=OptunaSampler(group_tpe), seed=0)
    kinds = set()
    for i in range(40):
        task = study.ask()
        assert task is not None
        assert space.check(task.config) == task.config
        kinds.add(repr(task.config["c"]))
        study.tell(task, [{"score": float(i)}])
    assert len(kinds) == 5


def test_two_objectives_and_measured_limits_reach_optuna() -> None:
    seen: list[Any] = []

    class Spy(optuna.samplers.RandomSampler):
        def sample_independent(self, study: Any, *rest: Any) -> Any:
            seen.append(study)
            return super().sample_independent(study, *rest)

    study = Study(
        Space(x=Float(0, 1)),
        minimize=["error", "size"],
        limits={"latency": 2.0},
        sampler=OptunaSampler(lambda seed: Spy(seed=seed)),
    )
    for i in range(4):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": 1.0 - i / 10, "size": float(i), "latency": 1.0 + i}])
    last = seen[-1]
    assert [d.name for d in last.directions] == ["MINIMIZE", "MINIMIZE"]
    done = [t for t in last.trials if t.state.name == "COMPLETE"]
    assert [t.values for t in done] == [[1.0, 0.0], [0.9, 1.0], [0.8, 2.0]]
    assert [t.constraints["latency"] for t in done] == [-1.0, 0.0, 1.0]
