"""Optuna's script within the pipeline: it draws, it prunes, and what it decided is what happens."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna")

from light.optuna_hyperband import OptunaHyperband, first_draw
from seedleaf.core import Fidelity, State
from seedleaf.space import Choice, Float, Int, Space
from seedleaf.study import Study

SPACE = Space(
    width=Int(4, 64, log=True, step=4, default=8),
    block=Choice(plain={}, wide={"by": Float(1.0, 4.0, log=True)}, default="plain"),
    rate=Float(1e-3, 1.0, log=True, default=0.1),
)
LOOKS = (2, 6, 18)


def loss(config: dict[str, object], step: int) -> float:
    rate, width = float(str(config["rate"])), float(str(config["width"]))
    return abs(rate - 0.02) + 1 / width + 1 / step


def searched(script: OptunaHyperband, trials: int, default_is: float = 0.0) -> Study:
    study = Study(
        SPACE,
        minimize="error",
        fidelity=Fidelity("epoch", 2, 18),
        limits={"size": 40},
        costs=lambda c: {"size": float(str(c["width"])) * float(str(c.get("block.by", 1.0)))},
        sampler="random",
        scheduler=script,
    )
    given = study.enqueue(SPACE.default(), budget=18)
    while len(study.trials) < trials:
        task = study.ask()
        assert task is not None
        more = default_is if task.trial == given else 0.0
        steps = range(task.start + 1, task.stop + 1)
        study.tell(task, [{"error": loss(task.config, s) + more} for s in steps])
    return study


def test_optuna_draws_and_prunes_and_the_limit_is_kept() -> None:
    script = OptunaHyperband(seed=3)
    study = searched(script, 40)
    ours = study.trials
    states = [t.state.name for t in script.study.trials] if script.study else []
    done = sum(t.state is State.DONE for t in ours)
    assert states.count("COMPLETE") == done
    assert 1 < done < 30, "some are pruned"
    assert states.count("PRUNED") >= len(ours) - done - 1  # those beyond the limit too; one may be under way
    assert all(t.step in LOOKS for t in ours if t.measurements)
    assert all(study.problem.feasible(t.config) for t in ours)
    assert any("block.by" in t.config for t in ours), "what hangs on a choice is drawn with it"
    first, last = ours[1:11], ours[-10:]
    assert min(loss(t.config, 18) for t in last) <= min(loss(t.config, 18) for t in first)


def test_the_first_network_is_optunas_first_trial_and_never_pruned() -> None:
    script = OptunaHyperband(seed=0)
    study = searched(script, 4, default_is=9.0)
    assert study.trials[0].state is State.DONE
    assert script.study is not None
    told = script.study.trials[0]
    assert (told.params["width"], told.params["block"], told.params["rate"]) == (8, 0, 0.1)
    assert told.value == pytest.approx(loss(SPACE.default(), 18) + 9.0)
    assert sorted(told.intermediate_values) == list(range(1, 19)), "every step was reported"


def test_a_script_that_knows_no_first_network_begins_with_a_draw_that_keeps_the_limits() -> None:
    problem = searched(OptunaHyperband(), 1).problem
    drawn = [first_draw(problem, seed) for seed in range(20)]
    assert all(problem.feasible(config) for config in drawn)
    assert len({str(config) for config in drawn}) == len(drawn)
    assert first_draw(problem, 3) == drawn[3]


def test_one_seed_is_one_search() -> None:
    one, other = (searched(OptunaHyperband(seed=7), 12).trials for _ in range(2))
    assert [t.config for t in one] == [t.config for t in other]
