"""The verdict says what is known of the gain, and where nothing is known, why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedleaf.card import in_digits, verdict
from seedleaf.core import Fidelity, Measurement, Objective, State
from seedleaf.executors.base import Returned
from seedleaf.finish import Run
from seedleaf.horizon import leads_by_chance
from seedleaf.space import Float, Space
from seedleaf.study import Study
from seedleaf.views.view import SilentView


def run_of(study: Study) -> Run:
    nothing: Any = None
    return Run(Path("runs/x-1"), 1, {}, nothing, nothing, study, nothing, SilentView())


def searched(default_error: str | None = None) -> Run:
    """A run whose default is trial 0 (with `default_error`: it failed) and whose best is trial 1."""
    study = Study(Space(x=Float(0, 1)), fidelity=Fidelity("epoch", 1, 3), sampler="random", scheduler="full")
    study.note("default", trial=study.enqueue({}, budget=3))
    for error in (0.5, 0.1):
        task = study.ask()
        assert task is not None
        if task.trial == 0 and default_error:
            study.tell(task, error=default_error)
        else:
            study.tell(task, [{"error": error}] * (task.stop - task.start))
    return run_of(study)


@pytest.mark.parametrize(
    ("compared", "text"),
    [
        (Returned(1, {"gain": 0.05, "se": 0.01}), "tuning gained +0.050 ± 0.010 in test accuracy over the default"),
        (Returned(1, {"gain": 0.01, "se": 0.01}), "within the noise"),
        (Returned(1, {"gain": -0.05, "se": 0.01}), "the default was better"),
        (Returned(1, {"gain": 0.0, "se": 0.0}), "both were right on the same images"),
        (
            Returned(1, error="its worker was killed by SIGKILL"),
            "what tuning gained is not known: the comparison with the default failed: its worker was killed by SIGKILL",
        ),
    ],
)  # fmt: skip
def test_the_verdict_says_what_came_of_the_comparison(compared: Returned, text: str) -> None:
    run = searched()
    assert text in verdict(run, run.study.trials[1], compared)["text"]


def test_a_default_that_failed_is_named_with_its_reason() -> None:
    run = searched("out of memory")
    assert verdict(run, run.study.trials[1], None) == {
        "text": "what tuning gained is not known: the default config was not measured: out of memory"
    }


def test_the_default_itself_gained_nothing() -> None:
    run = searched()
    told = verdict(run, run.default, None)
    assert told["gain"] == 0.0
    assert "trial 1 was better on the validation part, but takes longer" in told["text"]
    run.study.note("refit", folder=None)
    assert (
        "but its network cannot be delivered as the search left it" in verdict(run, run.default, None)["text"]
    )
    run.default.measurements[-1] = Measurement(3, {"error": 0.1})  # as good: it was preferred for its loss
    assert verdict(run, run.default, None)["text"].startswith("the default config was not beaten")
    run.study.history.trials[1].state = State.FAILED
    run.study.history.trials[1].measurements.clear()
    assert verdict(run, run.default, None)["text"].startswith("the default config was not beaten")


def test_a_lead_that_chance_gives_is_called_so() -> None:
    run = searched()
    run.study.note("plan", refit=1.0, valid=4)
    assert (
        "but its lead is no more than chance gives on 4 images" not in verdict(run, run.default, None)["text"]
    )
    run.default.measurements[-1] = Measurement(3, {"error": 0.3})
    assert "but its lead is no more than chance gives on 4 images" in verdict(run, run.default, None)["text"]
    assert leads_by_chance(run.study, run.default, run.study.trials[1]) == 4
    one = run.study.problem
    run.study.problem = replace(one, objectives=(*one.objectives, Objective("macs")))
    assert leads_by_chance(run.study, run.default, run.study.trials[1]) is None, (
        "then it is the lighter one that counts"
    )
    run.study.problem = one
    run.study.note("plan", refit=1.0, valid=2_000)
    assert "takes longer to train" in verdict(run, run.default, None)["text"]


def test_a_default_that_was_not_trained_to_the_end_is_marked() -> None:
    run = searched()
    run.default.state = State.PAUSED
    del run.default.measurements[1:]
    said = verdict(run, run.study.trials[1], Returned(1, {"gain": 0.05, "se": 0.01}))["text"]
    assert "(which had been trained for 1 of 3 steps)" in said


def test_numbers_are_told_in_few_digits_and_never_as_powers_of_ten_where_they_are_large() -> None:
    assert [in_digits(v) for v in (147.3, 1234.5, -99.6, 2.51, 0.00123)] == [
        "150",
        "1,200",
        "-100",
        "2.5",
        "0.0012",
    ]
    assert in_digits(194.23, 4) == "194"
    assert in_digits(3.14159, 4) == "3.142"
