"""The numbers behind the page: leaderboard, importance, scales, thinning, improvements."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic import SHAPES, Log, generic, header, killed, study, whole

from seedleaf.core import State, best_logged
from seedleaf.report import leaderboard
from seedleaf.report.charts import improvements, thin
from seedleaf.report.facts import read
from seedleaf.report.importance import effects, explained
from seedleaf.report.landscape import landscape
from seedleaf.report.plot import Scale, fit_scale, path, robust_top
from seedleaf.space import Choice, Float, Int, Space


@pytest.mark.parametrize("name", SHAPES)
def test_the_leaderboard_is_sorted_and_never_raises(name: str) -> None:
    history = SHAPES[name]().history()
    rows = leaderboard(history)
    sign = -1 if name == "generic" else 1
    values = [sign * r.value for r in rows if not math.isnan(r.value)]
    assert values == sorted(values)
    assert len(rows) <= 5


def test_the_leaderboard_holds_the_baseline_and_the_default() -> None:
    history = whole().history()
    for n in (3, 5, 10):
        rows = leaderboard(history, n)
        assert len(rows) == n
        assert sum(r.label.startswith("baseline") for r in rows) == 1
        assert sum(r.label == "default config" for r in rows) == 1
        assert rows[0].note == "winner"
        assert rows[0].rank == 1
    assert leaderboard(history, 5)[-1].label == "baseline: always 'Boot'"


def test_a_failed_trial_never_leads() -> None:
    history = study(40, fail=0.3).history()
    best = read(history).winner
    assert best is not None
    assert best.state is not State.FAILED


def test_without_notes_the_best_trial_is_the_winner() -> None:
    facts = read(killed().history())
    assert facts.winner is not None
    assert facts.winner.value == min(r.value for r in facts.rows)
    assert read(generic().history()).winner.value == max(r.value for r in read(generic().history()).rows)  # type: ignore[union-attr]


def told(*steps: tuple[int, float, float, float]) -> Log:
    """A log without notes: (trial, error, loss, params) of one step each, with a tie-break and a limit on params."""
    log = Log()
    objectives = [{"metric": "error", "direction": "min", "tie": "loss"}]
    log.add("study", **header(Space(x=Float(0, 1)), objectives=objectives))
    seen: dict[int, int] = {}
    for trial, error, loss, params in steps:
        if trial not in seen:
            log.add("start", trial=trial, config={"x": trial / 10}, budget=27)
        seen[trial] = seen.get(trial, 0) + 1
        metrics = {"error": error, "loss": loss, "params": params}
        log.add("measure", trial=trial, step=seen[trial], metrics=metrics, seconds=1.0)
    return log


@pytest.mark.parametrize(
    ("steps", "ids"),
    [
        ([(0, 0.1, 0.9, 5.0), (1, 0.1, 0.5, 5.0), (2, 0.2, 0.1, 5.0)], [1, 0, 2]),  # the tie-break
        ([(0, 0.1, 0.5, 5.0), (1, 0.3, 0.5, 5.0), (1, 0.1, 0.5, 5.0)], [1, 0]),  # the deeper first
        ([(0, 0.1, 0.5, 9e4), (1, 0.2, 0.5, 5.0), (2, 0.3, 0.5, 5.0)], [1, 2, 0]),  # one that breaks a limit
    ],
)
def test_the_report_and_the_leaderboard_agree_with_what_would_be_delivered(
    steps: list[tuple[int, float, float, float]], ids: list[int]
) -> None:
    log = told(*steps)
    log.note("default", trial=0)
    log.note("baseline", error=0.9, what="always 'a'")
    history = log.history()
    best = best_logged(history)
    facts = read(history)
    assert best is not None
    assert facts.winner is not None
    assert best.id == facts.winner.id == ids[0]
    assert [r.id for r in facts.scored] == ids
    board = leaderboard(history)
    assert [p.trial for p in board] == [*ids, None]
    assert [p.rank for p in board] == [*range(1, len(ids) + 1), None]
    assert board[0].note == "winner"


def test_the_learning_rate_is_found_to_matter_most() -> None:
    facts = read(whole(600).history())
    assert facts.space is not None
    found = effects(facts.space, facts.scored, facts.winner, facts.default)
    top = max(found, key=lambda e: e.share or 0.0)
    assert top.node.key == "lr"
    assert top.sure
    assert all(not e.sure for e in found if e.node.key in {"schedule", "label_smoothing"})


def test_a_conditional_parameter_counts_only_where_it_exists() -> None:
    facts = read(whole(200).history())
    assert facts.space is not None
    by_id = {e.node.id: e for e in effects(facts.space, facts.scored, facts.winner, facts.default)}
    sgd = sum(r.config["optimizer"] == "sgd" for r in facts.scored)
    assert by_id["optimizer[sgd].momentum"].n == sgd
    assert by_id["optimizer"].n == len(facts.scored)
    assert sum(b.n for b in by_id["optimizer[sgd].momentum"].bars) == sgd
    assert by_id["optimizer[adam].beta1"].n + by_id["optimizer[adamw].beta1"].n + sgd == len(facts.scored)


def test_the_bars_of_a_number_with_a_step_are_its_own_values() -> None:
    space = Space(width=Int(8, 48, log=True, step=4))
    log = Log()
    log.add("study", **header(space))
    for trial, width in enumerate((24, 24, 48, 8)):
        log.add("start", trial=trial, config={"width": width}, budget=1)
        log.add("measure", trial=trial, step=1, metrics={"error": 0.1 * (trial + 1)}, seconds=1.0)
    facts = read(log.history())
    (effect,) = effects(space, facts.scored, facts.winner, facts.default)
    assert [b.name for b in effect.bars] == [str(v) for v in range(8, 49, 4)]
    assert {b.name: b.n for b in effect.bars if b.n} == {"8": 1, "24": 2, "48": 1}


def test_what_no_trial_had_is_counted_and_not_drawn() -> None:
    space = Space(
        kind=Choice(sgd=dict(momentum=Float(0, 1)), adam=dict(beta1=Float(0, 1), beta2=Float(0, 1)))
    )
    log = Log()
    log.add("study", **header(space))
    for trial in range(2):
        log.add("start", trial=trial, config={"kind": "sgd", "kind.momentum": 0.5}, budget=1)
        log.add("measure", trial=trial, step=1, metrics={"error": 0.1 * (trial + 1)}, seconds=1.0)
    said = landscape(read(log.history()))
    assert "momentum" in said
    assert "beta" not in said
    assert "only with kind = adam" not in said
    assert "2 more parameters exist only under options that no trial with a result had" in said


def test_explained_variance_is_one_for_a_cause_and_about_zero_for_noise() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=400)
    assert explained(groups, groups[None].astype(float))[0] == pytest.approx(1.0)
    assert explained(groups, rng.random((50, 400))).mean() < 0.01
    assert explained(np.zeros(9, dtype=int), rng.random((1, 9)))[0] == 0.0
    assert explained(groups, np.ones((1, 400)))[0] == 0.0


@pytest.mark.parametrize(
    ("low", "high", "log"), [(0.01, 0.9, True), (1, 1e6, True), (0, 27, False), (-3, 2, False), (5, 5, False)]
)
def test_ticks_lie_inside_and_are_few(low: float, high: float, log: bool) -> None:
    scale = Scale(low, high, log)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 10
    assert all(low <= t <= high for t in ticks)
    assert ticks == sorted(ticks)


def test_scales_go_logarithmic_only_where_it_helps() -> None:
    assert fit_scale([0.01, 0.5]).log
    assert not fit_scale([0.2, 0.5]).log
    assert not fit_scale([-1, 100]).log
    zero = fit_scale([0.0, 0.01, 0.9])
    assert zero.log
    assert zero.unit(0.0) == 0.0
    assert fit_scale([]).unit(0.5) == 0.5
    assert fit_scale([3.0, 3.0]).unit(3.0) == pytest.approx(0.5)


def test_diverged_values_do_not_press_the_others_flat() -> None:
    assert robust_top([0.1] * 50 + [0.3] * 49 + [1e9]) < 1
    assert robust_top([0.1, 0.2, 0.9]) == 0.9


def test_paths_and_thinning_keep_both_ends() -> None:
    xs = ys = Scale(0, 10)
    assert path([(0, 0), (10, 10)], xs, ys) == "M0 1000 1000 0"
    assert path([(5, 5)], xs, ys) == "M500 500h.1"
    assert path([(5, math.nan)], xs, ys) == ""
    curve = tuple((i, float(i)) for i in range(1000))
    thinned = thin(curve, 30)
    assert len(thinned) == 30
    assert (thinned[0], thinned[-1]) == (curve[0], curve[-1])


def test_improvements_only_improve() -> None:
    for log, sign in ((whole(), 1), (generic(), -1)):
        steps = improvements(read(log.history()))
        assert [s[0] for s in steps] == sorted(s[0] for s in steps)
        values = [sign * s[1] for s in steps]
        assert values == sorted(set(values), reverse=True)
