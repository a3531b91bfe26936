"""The policy: its gradients are right, it goes to where it was rewarded, and its memo is only a memo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import SPACE, curve, drive

from seedleaf.core import History
from seedleaf.space import Choice, Float, Space
from seedleaf.space.encode import encode
from seedleaf.study import Study
from seedleaf.tuner.policy import Policy, PolicySampler

TWO = Space(x=Float(0, 1), c=Choice("p", "q", "r"))


def nearly_uniform(policy: Policy) -> bool:
    drawn = policy.sample(4000, np.random.default_rng(0))
    counts = np.bincount((drawn[:, 1] * 3).astype(int), minlength=3) / 4000
    return bool(np.abs(counts - 1 / 3).max() < 0.03 and np.abs(np.quantile(drawn[:, 0], 0.5) - 0.5) < 0.03)


def test_it_begins_nearly_uniform() -> None:
    assert nearly_uniform(Policy.start(TWO))


def test_the_steps_are_along_the_gradient_of_the_log_probability() -> None:
    """With small steps, by finite differences; scaled by sd² (mean), 1/2 (log sd) and 2 (logits)."""
    policy = replace(Policy.start(TWO), mean=np.array([0.3, 0.5]), log_sd=np.log([0.2, 0.4]))
    units, eps, rate = np.array([[0.45, 0.5]]), 1e-5, 1e-3
    moved = policy.improved(units, np.array([1.0]), rate, clip=9.0, bonus=0.0)

    def slope(name: str, index: tuple[int, ...]) -> float:
        values = [getattr(policy, name).copy() for _ in range(2)]
        values[0][index] += eps
        values[1][index] -= eps
        up, down = (replace(policy, **{name: v})._log_p(units).sum() for v in values)
        return float((up - down) / (2 * eps))

    assert moved.mean[0] - 0.3 == pytest.approx(rate * 0.2**2 * slope("mean", (0,)), rel=1e-3)
    assert moved.log_sd[0] - np.log(0.2) == pytest.approx(rate * 0.5 * slope("log_sd", (0,)), rel=1e-3)
    assert moved.logits[1, 1] == pytest.approx(rate * 2 * slope("logits", (1, 1)), rel=1e-3)
    assert moved.logits[1, 0] == pytest.approx(rate * 2 * slope("logits", (1, 0)), rel=1e-3)


def test_rewards_pull_and_what_is_not_active_does_not_move() -> None:
    space = Space(c=Choice(a=dict(x=Float(0, 1)), b={}))
    policy = Policy.start(space)
    good = np.array([encode(space, {"c": "b"})])
    for _ in range(20):
        policy = policy.improved(good, np.array([1.0]), 0.3, 9.0, 0.0)
    assert policy._shares()[0, 1] > 0.9
    assert policy.mean[1] == 0.5
    assert policy.log_sd[1] == Policy.start(space).log_sd[1]


def test_the_clip_bounds_what_one_batch_can_do() -> None:
    start = Policy.start(TWO)
    good, gain = np.array([[0.9, 0.5]]), np.array([1.0])
    free, held = start, start
    for _ in range(50):
        free = free.improved(good, gain, 0.3, 1e9, 0.0, start)
        held = held.improved(good, gain, 0.3, 0.2, 0.0, start)
    assert free._shares()[1, 1] > 0.9
    assert held._shares()[1, 1] < 1.2 / 3 + 0.12, "past the clip only the last step before it counts"


def test_the_entropy_bonus_spreads_what_was_narrow() -> None:
    narrow = replace(
        Policy.start(TWO),
        log_sd=np.log([0.05, 0.4]),
        logits=np.array([[-np.inf] * 3, [3.0, 0.0, 0.0]]),
    )
    none = np.full((1, 2), np.nan)
    wide = narrow
    for _ in range(200):
        wide = wide.improved(none, np.array([0.0]), 0.3, 0.3, 0.05)
    assert wide.log_sd[0] > narrow.log_sd[0] + 0.5
    assert wide._shares()[1].max() < narrow._shares()[1].max() - 0.1


def test_no_scale_and_no_heavy_tail_matters() -> None:
    """The same ranks give the same proposals, whether the losses are 1, 2, 3 or e^1, e^4, e^9."""
    configs = []
    for bend in (lambda x: x, lambda x: np.exp(8 * x) * 1e6):
        study = Study(SPACE, sampler="policy", seed=4)
        for _ in range(30):
            task = study.ask()
            assert task is not None
            study.tell(task, [{"error": float(bend(curve(task)[0]["error"]))}])
        configs.append([t.config for t in study.trials])
    assert configs[0] == configs[1]


def test_failures_push_away() -> None:
    space = Space(c=Choice("fine", "broken"), x=Float(0, 1))
    study = Study(space, sampler=PolicySampler(explore=0.0), seed=0)
    for _ in range(60):
        task = study.ask()
        assert task is not None
        if task.config["c"] == "broken":
            study.tell(task, error="no such kernel")
        else:
            study.tell(task, [{"error": float(task.config["x"])}])  # type: ignore[arg-type]
    assert sum(t.config["c"] == "broken" for t in study.trials[40:]) <= 5


def test_results_that_no_longer_stand_undo_what_followed_them() -> None:
    """The memo keeps a policy per batch; with failures of measured trials it must equal one that was never filled."""
    study = Study(SPACE, sampler="policy", scheduler="asha", seed=5)
    drive(study, 120)
    problem, history = study.problem, study.history
    assert history.memo
    fresh = History.fold(study.store.read(study.name))
    sampler = PolicySampler()
    for step in history.steps_measured():
        kept, anew = (sampler._policy(problem, h, step) for h in (history, fresh))
        assert np.array_equal(kept.mean, anew.mean)
        assert np.array_equal(kept.logits, anew.logits)
