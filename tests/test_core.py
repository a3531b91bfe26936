"""Frozen types and the fold of the log."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedleaf.core import KINDS, Event, Fidelity, History, Objective, State, Trial
from seedleaf.errors import SpaceError

NAN = math.nan


def fold(*events: tuple[str, dict[str, Any]], high: int = 3) -> History:
    header = ("study", {"fidelity": {"name": "epoch", "low": 1, "high": high, "eta": 3}})
    return History.fold(
        Event(i, 100.0 + i, kind, body) for i, (kind, body) in enumerate([header, *events], 1)
    )


def start(trial: int = 0, budget: int = 1) -> tuple[str, dict[str, Any]]:
    return "start", {"trial": trial, "config": {"x": trial}, "budget": budget}


def measure(trial: int = 0, step: int = 1, error: float | None = 0.5) -> tuple[str, dict[str, Any]]:
    return "measure", {"trial": trial, "step": step, "metrics": {"error": error}, "seconds": 2.0}


def fail(trial: int = 0) -> tuple[str, dict[str, Any]]:
    return "fail", {"trial": trial, "reason": "it raised"}


QUEUE = ("queue", {"trial": 0, "config": {"x": 0}, "budget": 2})
RELEASE = ("release", {"trial": 0, "reason": "killed", "lost": True})
STOP = ("stop", {"trial": 0, "reason": "hopeless"})


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([QUEUE], State.QUEUED),
        ([QUEUE, start(0, 2)], State.RUNNING),
        ([start()], State.RUNNING),
        ([start(0, 2), measure()], State.RUNNING),
        ([start(), measure()], State.PAUSED),
        ([start(), measure(), ("resume", {"trial": 0, "budget": 3})], State.RUNNING),
        ([start(0, 3), measure(), measure(0, 2), measure(0, 3)], State.DONE),
        ([start(), STOP], State.STOPPED),
        ([start(), fail()], State.FAILED),
        ([start(0, 2), measure(), fail()], State.FAILED),
        ([start(), RELEASE], State.PAUSED),
        ([start(), ("note", {"name": "plan"})], State.RUNNING),
        ([start(), ("finish", {"reason": "time"})], State.RUNNING),
    ],
)
def test_the_state_of_a_trial_follows_from_its_events(events: list[Any], state: State) -> None:
    history = fold(*events)
    assert history.trials[0].state == state
    assert [t.id for s in State for t in history.in_state(s)] == [0], "in one state only"
    assert [t.id for t in history.in_state(state)] == [0]


def test_every_kind_of_event_is_folded() -> None:
    history = fold(
        ("queue", {"trial": 0, "config": {"x": 0}, "budget": 3, "parent": None}),
        start(0, 3),
        start(1, 1),
        measure(1, 1, 0.4),
        measure(0, 1, 0.6),
        ("release", {"trial": 0, "reason": "killed"}),
        ("resume", {"trial": 0, "budget": 3}),
        measure(0, 2, 0.3),
        ("stop", {"trial": 0, "reason": "slow"}),
        start(2),
        fail(2),
        ("note", {"name": "plan", "refit": 3}),
        ("note", {"name": "plan", "refit": 4}),
        ("finish", {"reason": "time"}),
    )
    stopped, paused, failed = history.trials.values()
    assert (stopped.state, stopped.reason, stopped.step, stopped.budget) == (State.STOPPED, "slow", 2, 3)
    assert stopped.seconds == 4.0
    assert stopped.lost == 0, "a step forward forgives the workers lost before it"
    assert [m.at for m in stopped.measurements] == [106.0, 109.0]
    assert paused.metrics == {"error": 0.4}
    assert (failed.state, failed.reason, failed.ended_at) == (State.FAILED, "it raised", 112.0)
    assert history.n_decisions == 5
    assert history.note("plan") == {"name": "plan", "refit": 4}
    assert history.note("other") is None
    assert (history.finished, history.seq, history.next_trial) == ("time", 15, 3)
    assert history.seen == {'{"x":0}', '{"x":1}', '{"x":2}'}


def test_measurements_at_a_step_and_what_a_failure_takes_away() -> None:
    events = [start(0, 2), start(1, 2), measure(0), measure(1, 1, None), measure(0, 2, 0.2)]
    history = fold(*events)
    assert history.at(1)[0] == {"error": 0.5}
    assert math.isnan(history.at(1)[1]["error"])
    assert history.at(2) == {0: {"error": 0.2}}
    assert history.at(9) == {}
    assert [trial for trial, _ in history.newest_at(1, 1)] == [list(history.at(1))[-1]]
    assert [trial for trial, _ in history.newest_at(1, 9)] == list(history.at(1))[::-1]
    assert list(history.newest_at(9, 3)) == []
    assert history.steps_measured() == [1, 2]
    assert history.trials[0].at(2) == {"error": 0.2}
    assert history.trials[0].at(3) is None
    failed = fold(*events, fail(0))
    assert set(failed.at(1)) == {1}
    assert failed.steps_measured() == [1]
    assert failed.trials[0].step == 2, "what it measured is still told"


def test_a_trial_that_began_elsewhere_finds_its_steps() -> None:
    trial = Trial(0, {})
    assert trial.at(1) is None
    assert (trial.step, trial.seconds, trial.metrics) == (0, 0, {})


def test_interrupted_are_those_short_of_their_budget() -> None:
    assert [t.id for t in fold(start(0, 2), measure(), RELEASE).interrupted()] == [0]
    assert fold(start(0, 1), measure()).interrupted() == []
    assert fold(start(0, 2), RELEASE, ("resume", {"trial": 0, "budget": 2})).interrupted() == []
    assert fold(start(0, 2), RELEASE, start(1)).trials[0].lost == 1
    not_lost = ("release", {"trial": 0, "reason": "driver ended", "lost": False})
    assert fold(start(0, 2), not_lost).trials[0].lost == 0


def test_a_decision_takes_back_the_finish() -> None:
    over = ("finish", {"reason": "all tried"})
    assert fold(over).finished == "all tried"
    assert fold(over, ("note", {"name": "n"})).finished == "all tried"
    for again in ([start()], [start(), measure(), over, ("resume", {"trial": 0, "budget": 3})]):
        assert fold(over, *again).finished is None


def test_a_gap_in_the_log_is_refused() -> None:
    history = History()
    history.apply(Event(1, 0.0, "study", {}))
    for seq in (1, 3):
        with pytest.raises(ValueError, match="gap"):
            history.apply(Event(seq, 0.0, "note", {}))
    assert history.seq == 1


def test_kinds_from_a_newer_version_are_passed_over() -> None:
    assert "prophecy" not in KINDS
    history = fold(start(), ("prophecy", {"trial": 77}), measure())
    assert (history.seq, list(history.trials)) == (4, [0])


def test_a_prefix_folded_further_is_the_whole() -> None:
    events = [start(0, 2), start(1), measure(1), measure(0), fail(0), ("resume", {"trial": 1, "budget": 3})]
    whole, grown = fold(*events), fold(*events[:3])
    for i, (kind, body) in enumerate(events[3:], 5):
        grown.apply(Event(i, 100.0 + i, kind, body))
    assert grown.trials == whole.trials
    assert grown.n_decisions == whole.n_decisions
    assert grown.dropped == whole.dropped == 1


# --- fidelity and objectives ---


@given(low=st.integers(1, 300), more=st.integers(0, 3000), eta=st.integers(2, 10))
def test_rungs_go_up_from_low_to_high(low: int, more: int, eta: int) -> None:
    rungs = Fidelity("epoch", low, low + more, eta).rungs
    assert rungs[0] == low
    assert rungs[-1] == low + more
    assert list(rungs) == sorted(set(rungs))
    assert all(b >= 1.5 * a for a, b in itertools.pairwise(rungs[1:])), "no two close ones above the first"


@pytest.mark.parametrize(
    ("fidelity", "rungs"),
    [
        (Fidelity("epoch", 1, 52), (1, 3, 9, 27, 52)),
        (Fidelity("epoch", 1, 27), (1, 3, 9, 27)),
        (Fidelity("epoch", 1, 28), (1, 3, 9, 28)),
        (Fidelity("epoch", 5, 5), (5,)),
        (Fidelity("epoch", 5, 6), (5, 6)),
    ],
)
def test_rungs_by_example(fidelity: Fidelity, rungs: tuple[int, ...]) -> None:
    assert fidelity.rungs == rungs


@pytest.mark.parametrize(
    "wrong",
    [
        ("epoch", 0, 5, 3),
        ("epoch", 5, 4, 3),
        ("epoch", 1, 9, 1),
        (0, 1, 5, 3),
        ("epoch", "1", 5, 3),
        ("epoch", 1, 2.5, 3),
    ],
)
def test_impossible_fidelities_are_refused(wrong: tuple[Any, Any, Any, Any]) -> None:
    with pytest.raises(SpaceError, match="Fidelity needs"):
        Fidelity(*wrong)


@pytest.mark.parametrize(
    ("objective", "metrics", "loss"),
    [
        (Objective("error"), {"error": 0.2}, 0.2),
        (Objective("acc", "max"), {"acc": 0.9}, -0.9),
        (Objective("error"), {"error": NAN}, math.inf),
        (Objective("acc", "max"), {"acc": NAN}, math.inf),
        (Objective("error"), {}, math.inf),
        (Objective("acc", "max"), {"error": 0.1}, math.inf),
        (Objective("error", tie="loss"), {"error": 0.2, "loss": NAN}, 0.2),
        (Objective("error", tie="loss"), {"error": 0.2, "loss": math.inf}, 0.2),
    ],
)
def test_an_objective_as_a_loss(objective: Objective, metrics: dict[str, float], loss: float) -> None:
    assert objective.loss(metrics) == loss


def test_the_tie_decides_between_equals_only() -> None:
    objective = Objective("error", tie="loss")
    a, b, c = ({"error": e, "loss": x} for e, x in [(0.2, 0.9), (0.2, 1.1), (0.201, 0.0)])
    assert objective.loss(a) < objective.loss(b) < objective.loss(c)
