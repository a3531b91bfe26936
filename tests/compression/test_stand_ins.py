"""What breaks a bound is not delivered: what is instead, and what is said of that and of a control that is not there."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from opened import EVEN, Opened, looks, trained, verdict_of

from seedleaf.compressing.finish import finish
from seedleaf.errors import LimitError
from seedleaf.executors.base import Returned


def breaking(
    monkeypatch: pytest.MonkeyPatch, before: Collection[int] = (), after: Collection[int] = ()
) -> None:
    """Trials that break a bound when they are written, before the last training or only once it is over."""
    monkeypatch.setattr(
        "seedleaf.compressing.limits._missed", lambda _, trial: MISSED if trial.id in before else ""
    )
    answers = iter([MISSED if after else ""] * len(after) + [""])
    monkeypatch.setattr("seedleaf.compressing.finish.broken_bounds", lambda *_: next(answers))


MISSED = "bytes is 2,000, over 1,000"


@pytest.mark.usefixtures("late")
def test_where_the_least_harmful_recipe_breaks_a_bound_the_next_is_delivered(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened({"params": 0.5})
    first, second = np.argsort(looks(run, {}, EVEN))
    breaking(monkeypatch, before=[first])
    finish(run, 0.0, 0.0)
    assert (run.study.history.note("final") or {})["trial"] == second
    said = verdict_of(run)
    assert f"it stands in for trial {first}, which is not delivered: {MISSED}" in said
    assert "no trial was finished in the time given, so this is the least harmful" in said
    assert said.endswith("it was not fine-tuned")
    assert said[:20] in (run.folder / "report.html").read_text(encoding="utf-8")


def test_so_it_is_where_it_breaks_one_only_after_its_training(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.compressing.finish.refit_steps", lambda *_: 1)
    run = opened({"params": 0.5})
    first, second = np.argsort(looks(run, {}, EVEN))
    breaking(monkeypatch, after=[first])
    finish(run, 0.0, time.time() + 200.0)
    final = run.study.history.note("final") or {}
    assert final["trial"] == second
    assert final["refit_steps"] == 0
    said = verdict_of(run)
    assert said.endswith(f"it was not fine-tuned, as the time of the last training went to trial {first}")
    assert "from scratch" not in said


@pytest.mark.usefixtures("late")
def test_where_all_that_were_looked_at_break_a_bound_an_error_says_what(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened({"params": 0.5})
    looks(run, {}, EVEN)
    breaking(monkeypatch, before=[0, 1])
    with pytest.raises(LimitError, match=f"no recipe that was found keeps .*trial 0: {MISSED}"):
        finish(run, 0.0, 0.0)
    assert not (run.folder / "best").exists()


@pytest.mark.usefixtures("late")
def test_a_recipe_that_was_only_looked_at_stands_in_for_those_that_were_trained(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened({"params": 0.5})
    trained(run, 0.1)
    looks(run, EVEN)
    breaking(monkeypatch, before=[0])
    finish(run, 0.0, 0.0)
    assert (run.study.history.note("final") or {})["trial"] == 1
    assert "no recipe that was trained keeps the bounds, so this is the least harmful" in verdict_of(run)


def test_a_winner_that_is_replaced_after_its_training_is_told_with_its_control(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.compressing.finish.refit_steps", lambda *_: 1)
    run = opened({"params": 0.5})
    best, other = trained(run, 0.1), trained(run, 0.3, **EVEN)
    breaking(monkeypatch, after=[best.id])
    finish(run, time.time() + 200.0, time.time() + 200.0)
    assert (run.study.history.note("final") or {})["trial"] == other.id
    said = verdict_of(run)
    assert f"it stands in for trial {best.id}, which is not delivered: {MISSED}" in said
    assert f"it is as the search left it, as the time of the last training went to trial {best.id}" in said
    assert (
        f"not compared with the same network from scratch: the time for it went to that of trial {best.id}"
        in said
    )
    assert "failed" not in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Returned(0, {"steps": 0.0}), "there was no time for it"),
        (Returned(0, None, "out of memory"), r"its training failed \(out of memory\)"),
    ],
)
def test_a_control_that_is_not_there_says_why(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, answer: Returned, said: str
) -> None:
    from seedleaf.finish import call_all

    def answered(run: Any, calls: Any, *rest: Any, **more: Any) -> Any:
        found = call_all(run, {k: v for k, v in calls.items() if k != "control"}, *rest, **more)
        return found | ({"control": answer} if "control" in calls else {})

    monkeypatch.setattr("seedleaf.compressing.finish.refit_steps", lambda *_: 1)
    monkeypatch.setattr("seedleaf.compressing.finish.call_all", answered)
    run = opened({"params": 0.5})
    trained(run, 0.1)
    finish(run, time.time() + 200.0, time.time() + 200.0)
    assert re.search(f"; it was not compared with the same network from scratch: {said}$", verdict_of(run))
