"""The network that is trained to the end is the one that ends best in the seconds there are, not in as many epochs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from seedleaf.core import Fidelity, Objective
from seedleaf.horizon import MISSING, most_promising, noise_of, search_until
from seedleaf.space import Float, Space
from seedleaf.study import Study
from seedleaf.timing import longest_refit

FULL = 8
WANTED = 60.0


def searched(
    trials: Sequence[tuple[float, float, int]],
    refit: float | None = 100.0,
    minimize: str = "error",
    first: int | None = None,
) -> Study:
    """A study of trials of an error, seconds a step and the steps that they were trained for."""
    study = Study(
        Space(x=Float(0, 1)),
        minimize=minimize,
        fidelity=Fidelity("epoch", 1, FULL),
        sampler="random",
        scheduler="full",
    )
    if refit is not None:
        study.note("plan", refit=refit, wanted=WANTED, longest=longest_refit(FULL, WANTED), valid=2_000)
    if first is not None:
        study.note("default", trial=first)
    for error, seconds, steps in trials:
        task = study.ask()
        assert task is not None
        assert (task.start, task.stop) == (0, FULL)
        told = [{minimize: error, "loss": error, "train_seconds": seconds}] * steps
        study.tell(task, told, seconds=seconds * steps, error=None if steps == FULL else "stopped by hand")
    return study


def picked(study: Study) -> int | None:
    found = most_promising(study, [t for t in study.trials if t.measurements], lambda step: 1.0)
    return None if found is None else found.id


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([(0.20, 10.0, FULL), (0.19, 10.0, FULL)], 1),  # as quick: the better
        # half of 7 epochs costs more than a twentieth of the error
        ([(0.20, 10.0, FULL), (0.19, 20.0, FULL)], 0),
        ([(0.20, 10.0, FULL), (0.10, 20.0, FULL)], 1),  # and less than half of it
        ([(0.20, 1.3, FULL), (0.18, 2.6, FULL)], 1),  # half of 59 costs less than a tenth
        ([(0.20, 10.0, FULL), (0.20, 20.0, FULL)], 0),
        ([(0.20, 0.1, FULL), (0.19, 0.2, FULL)], 1),  # both get all the epochs that a last training may have
        ([(0.0, 20.0, FULL), (0.0, 10.0, FULL)], 0),  # nothing to gain: the first, as before
    ],
)
def test_quick_epochs_count_as_far_as_errors_fall_by_them(
    trials: Sequence[tuple[float, float, int]], chosen: int
) -> None:
    assert picked(searched(trials)) == chosen


def test_the_border_is_where_the_law_says() -> None:
    steps = [0.97 * 100 / 1.25 / seconds for seconds in (4.0, 8.0)]
    quick, slow = (1 + MISSING * WANTED / s for s in steps)
    assert picked(searched([(0.2, 4.0, FULL), (0.2 * quick / slow * 1.01, 8.0, FULL)])) == 0
    assert picked(searched([(0.2, 4.0, FULL), (0.2 * quick / slow * 0.99, 8.0, FULL)])) == 1


def test_a_step_that_the_clock_cuts_short_counts_for_what_is_done_of_it() -> None:
    """1.9 epochs and 1.02 are both trainings of two steps."""
    assert picked(searched([(0.51, 40.0, FULL), (0.50, 76.0, FULL)])) == 0


def test_epochs_beyond_those_wanted_count_for_nothing() -> None:
    """A last training has no more of them."""
    assert picked(searched([(0.20, 0.1, FULL), (0.199, 1.2, FULL)])) == 1
    assert longest_refit(FULL, WANTED) == WANTED
    assert longest_refit(100, WANTED) == 400


def test_the_first_network_is_left_for_a_lead_beyond_the_noise_alone() -> None:
    noise = noise_of(0.2, 2_000)
    assert noise == pytest.approx((0.2 * 0.8 / 2_000) ** 0.5)
    within, beyond = (0.2, 1.0, FULL), (0.2 - 1.01 * noise, 1.0, FULL)
    close = (0.2 - 0.99 * noise, 1.0, FULL)
    assert picked(searched([within, close], first=0)) == 0
    assert picked(searched([within, beyond], first=0)) == 1
    assert picked(searched([within, close])) == 1, "no first network is known"
    assert picked(searched([close, within], first=0)) == 0
    assert picked(searched([(0.2, 50.0, FULL), (0.2, 1.0, FULL)], first=0)) == 1, (
        "so slow that it ends far behind"
    )


def test_with_two_objectives_a_lead_within_the_noise_is_one() -> None:
    """The other may be the lighter one, which is what was asked for as well."""
    study = searched([(0.2, 1.0, FULL), (0.199, 1.0, FULL)], first=0)
    assert picked(study) == 0
    study.problem = replace(study.problem, objectives=(*study.problem.objectives, Objective("macs")))
    for t in study.trials:
        t.measurements[:] = [replace(m, metrics={**m.metrics, "macs": 1.0}) for m in t.measurements]
    assert picked(study) == 1


@pytest.mark.parametrize(("first_seconds", "ends_at"), [(0.2, 15.0), (1.2, 90.0)])
def test_the_search_leaves_the_time_that_the_network_needs_which_would_win(
    first_seconds: float, ends_at: float
) -> None:
    """The first network, though another is the best within the noise."""
    study = searched([(0.2, first_seconds, FULL), (0.199, 0.1, FULL)], first=0)
    assert picked(study) == 0
    now = time.time()
    needed = 1.25 * first_seconds * WANTED
    assert min(needed, 100.0) == pytest.approx(ends_at)
    assert search_until(study, now + ends_at + 5)(study.history) is None
    assert search_until(study, now + ends_at - 1)(study.history) == "time"


def test_a_first_network_that_was_stopped_earlier_is_no_measure() -> None:
    study = searched([(0.19, 1.0, FULL)])
    task = study.ask()
    assert task is not None
    study.tell(task, [{"error": 0.19, "train_seconds": 1.0}] * 2, seconds=2.0, error="stopped by hand")
    study.note("default", trial=1)
    assert picked(study) == 0


def test_a_trial_that_was_stopped_earlier_is_not_compared() -> None:
    """How far it would have come is not known."""
    study = searched([(0.19, 20.0, FULL)])
    task = study.ask()
    assert task is not None
    study.tell(task, [{"error": 0.2, "train_seconds": 1.0}] * 2, seconds=2.0, error="stopped by hand")
    assert picked(study) == 0


def test_a_log_from_before_epochs_were_wanted_counts_those_of_its_images() -> None:
    study = searched([(0.20, 10.0, FULL), (0.199, 40.0, FULL)], refit=None)
    study.note("plan", refit=100.0)
    assert picked(study) == 1, "nothing is known of the images"
    study.note("data", spec={"n_train": 12_000})
    assert picked(study) == 0


def test_without_a_plan_or_of_another_metric_it_is_the_best() -> None:
    trials = [(0.20, 10.0, FULL), (0.19, 20.0, FULL)]
    assert picked(searched(trials, refit=None)) == 1
    assert picked(searched(trials, minimize="rmse")) == 1
    assert most_promising(searched([]), [], lambda step: 1.0) is None
