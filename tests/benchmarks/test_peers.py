"""The peers' side of the searches, as far as it needs no peer: spaces there and back, and what a peer is charged for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from search.peers.spaces import config_of, free, free_parent, plain, to_optuna, value_of
from search.peers.work import FREE_IN_A_ROW, NothingNew, TooSlow, Work
from search.scenarios import load
from search.trace import BudgetUsed, Meter
from seedleaf.space import Choice, Const, Float, Int, Space

TREE = Space(
    lr=Float(1e-4, 1.0, log=True),
    units=Int(8, 64, step=8),
    width=Int(4, 64, log=True, step=4),
    batch=Choice(16, 32, 64, ordered=True),
    only=Choice({"one": dict(kind=Choice(a=dict(x=Float(0, 1)), b={}))}),
    fixed=Const(3),
)


def raw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A flat answer of a peer, as numpy scalars: every free parameter, active or not."""
    found: dict[str, Any] = {}
    for name, node in free(space).items():
        p = plain(node.param)
        if p.kind == "choice":
            found[name] = np.str_(rng.choice(p.labels))
        elif p.kind == "int":
            found[name] = np.int64(rng.integers(int(p.low), int(p.high) + 1))
        else:
            found[name] = np.float64(rng.uniform(p.low, p.high))
    return found


class Trial:
    """An Optuna trial that remembers what it was asked for."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers, self.asked = answers, []

    def suggest_float(self, name: str, low: float, high: float, log: bool = False) -> Any:
        self.asked.append(name)
        return self.answers[name]

    suggest_int = suggest_float

    def suggest_categorical(self, name: str, options: list[str]) -> Any:
        self.asked.append(name)
        return self.answers[name]


def test_a_flat_answer_becomes_a_config_of_the_space_and_every_value_can_be_reached() -> None:
    rng = np.random.default_rng(0)
    configs = [config_of(TREE, raw(TREE, rng)) for _ in range(300)]
    for config in configs:
        assert TREE.check(config) == config
        assert config["fixed"] == 3
        assert ("only.kind.x" in config) == (config["only.kind"] == "a")
    assert {c["units"] for c in configs} == set(range(8, 65, 8))
    assert {c["batch"] for c in configs} == {16, 32, 64}
    assert {c["width"] for c in configs} >= {4, 64}


def test_define_by_run_asks_for_active_parameters_only() -> None:
    answers = {**raw(TREE, np.random.default_rng(1)), "p5": "o1"}
    trial = Trial(answers)
    assert TREE.nodes[5].key == "only.kind"
    assert to_optuna(TREE, trial) == config_of(TREE, answers)
    assert "p6" not in trial.asked
    assert "p4" not in trial.asked  # a single option is no question


def test_a_condition_climbs_over_a_choice_that_is_none() -> None:
    by_key = {n.key: n for n in TREE.nodes}
    assert free_parent(TREE, by_key["only.kind"]) == (None, None)
    assert free_parent(TREE, by_key["only.kind.x"]) == (by_key["only.kind"], "a")


def test_a_raw_value_outside_the_range_by_rounding_is_brought_back() -> None:
    assert value_of(Float(0, 1), 1.0000000001) == 1.0
    with pytest.raises(ValueError, match="pam"):
        value_of(Choice("a", "b"), "spam")
    with pytest.raises(KeyError):
        config_of(TREE, {})


def work(steps: int, **more: Any) -> Work:
    scenario = load("synthetic/tree")
    return Work(scenario, Meter(scenario, steps), **more)


GOOD = {"lr": 0.01, "layers": 3, "dropout": 0.2, "optimizer": "adam"}
BAD = {"lr": 0.1, "layers": 8, "dropout": 0.2, "optimizer": "adam"}


def test_a_trial_pays_for_its_new_steps_only_and_another_trial_pays_again() -> None:
    job = work(100)
    first = job.loss(1, GOOD, 3)
    assert job.meter.used == 3
    assert job.loss(1, GOOD, 9) < first
    assert job.loss(1, GOOD, 3) == first
    assert job.meter.used == 9
    job.loss(2, GOOD, 9)
    assert job.meter.used == 18
    for trial in (3, 4, 5):
        job.loss(trial, GOOD, 27)
    with pytest.raises(BudgetUsed):
        job.loss(6, GOOD, 27)
    assert job.meter.used == 100


def test_a_diverged_trial_is_told_as_the_worst_seen_and_costs_nothing_more() -> None:
    job = work(100)
    worst = job.loss(1, GOOD, 1)
    assert math.isfinite(job.loss(2, BAD, 9))
    used = job.meter.used
    assert job.loss(2, BAD, 27) >= worst
    assert job.meter.used == used == 4  # one good step, two before the divergence and the one that diverged


def test_a_peer_that_asks_for_what_it_knows_or_thinks_too_long_is_ended() -> None:
    job = work(100)
    for _ in range(FREE_IN_A_ROW + 1):
        job.loss(None, GOOD, 1)
    with pytest.raises(NothingNew):
        job.loss(None, GOOD, 1)
    slow = work(100, cpu_limit=0.0)
    with pytest.raises(TooSlow):
        slow.loss(1, GOOD, 27)


def test_evaluations_are_those_that_hyperband_gets_for_the_budget() -> None:
    """27 steps, eta 3: 27+9+3+1, 12+4+1, 6+2, 4 evaluations of 27 + 54/3 ... steps when promoted trials go on."""
    paid = (27 * 1 + 9 * 2 + 3 * 6 + 1 * 18) + (12 * 3 + 4 * 6 + 1 * 18) + (6 * 9 + 2 * 18) + 4 * 27
    assert work(paid).evaluations == 40 + 17 + 8 + 4
