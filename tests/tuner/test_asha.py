"""ASHA keeps a list of who has not risen: it must promote whom a plain look over the whole rung promotes."""

from __future__ import annotations

from itertools import islice

from problems import SPACE, drive

from seedleaf.core import Fidelity, History, Resume, State
from seedleaf.space import Problem
from seedleaf.study import Study
from seedleaf.tuner.asha import AshaScheduler
from seedleaf.tuner.base import ranked


def plain_promotion(problem: Problem, history: History) -> Resume | None:
    """The rule as it is written in the paper, with nothing kept between decisions."""
    for rung, above in zip(reversed(problem.rungs[:-1]), reversed(problem.rungs[1:]), strict=True):
        rows = ranked(problem, history, rung)
        for _, trial_id in islice(rows, len(rows) // 3):
            trial = history.trials[trial_id]
            if trial.state is State.PAUSED and trial.step < above:
                return Resume(trial_id, above)
    return None


def test_the_list_of_who_has_not_risen_changes_no_promotion() -> None:
    problem = Problem(SPACE, fidelity=Fidelity("epoch", 1, 27), seed=5)
    study = Study(SPACE, fidelity=problem.fidelity, seed=5, sampler="random", scheduler="asha")
    study.enqueue({"optimizer": "sgd"}, budget=2)  # between two rungs: it may still rise
    study.enqueue({"optimizer": "adam"}, budget=27)  # above all of them from the start
    drive(study, 150, workers=6, seed=1)
    promotions = 0
    history = History()  # filled event by event, so that the memo is kept as long as it would be in a study
    for event in study.store.read(study.name):
        history.apply(event)
        if not history.header or history.interrupted():
            continue
        expected = plain_promotion(problem, history)
        assert AshaScheduler()._promotion(problem, history, lambda trial: False) == expected
        promotions += expected is not None
    assert promotions > 30
    assert any(t.state is State.FAILED for t in history.trials.values()), (
        "failures must be among the hard cases"
    )
