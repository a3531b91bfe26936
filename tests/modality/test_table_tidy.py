"""Models of trials that will not be delivered go while the search does, and never one that may be."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from seedleaf.core import Fidelity, State, Trial
from seedleaf.learners.tables.trial import model_file
from seedleaf.modality import table_tidy
from seedleaf.modality.table_choice import LOOKED_AT
from seedleaf.modality.table_tidy import Tidy
from seedleaf.space import Choice, Float, Space
from seedleaf.study import Study

SPACE = Space(learner=Choice({"linear": {}, "boosting": {}}, default="boosting"), x=Float(0.0, 1.0))


def searched(
    folder: Path, losses: Sequence[float], linear: Sequence[float] = (), limit: float = 9.0
) -> Study:
    """Trials with a model in each of their two folds, done with these losses; those of linear models last; and one with one
    fold, which may go on."""
    study = Study(SPACE, minimize="loss", fidelity=Fidelity("fold", 1, 2, eta=2), limits={"bytes": limit})
    given = [("boosting", v) for v in losses] + [("linear", v) for v in linear]
    for i, (learner, loss) in enumerate([*given, ("boosting", 0.5)]):
        study.enqueue({"learner": learner, "x": i / 1_000}, budget=1 if i == len(given) else 2)
        task = study.ask()
        assert task is not None
        for step in range(task.start, task.stop):
            place = folder / f"{task.trial:04d}" / model_file(step)
            place.parent.mkdir(exist_ok=True)
            for suffix in (".onnx", ".npy"):
                place.with_suffix(suffix).touch()
        steps = [{"loss": loss, "bytes": 1.0 + 9.0 * (loss < 0)} for _ in range(task.start, task.stop)]
        study.tell(task, steps)
    return study


def left(folder: Path, trials: Sequence[Trial]) -> list[int]:
    return [t.id for t in trials if any((folder / f"{t.id:04d}").iterdir())]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_tidy, "LATER", 0.0)


def test_the_best_stay_and_the_best_of_each_family(tmp_path: Path) -> None:
    losses = [float((7 * i) % 31) for i in range(31)]  # each number once
    study = searched(tmp_path, losses, linear=[90.0, 80.0, 60.0, 70.0])
    tidy, history = Tidy(study, tmp_path), study.history
    for _ in range(3):  # what the first call finds is removed from the second on
        tidy(history)
    assert len(left(tmp_path, study.trials)) == len(study.trials) - 2 * table_tidy.AT_ONCE, "a few at a time"
    for _ in range(20):
        tidy(history)
    best = [i for i, loss in enumerate(losses) if loss < LOOKED_AT]
    kept = [*best, 32, 33, 34, 35]
    assert left(tmp_path, study.trials) == kept, "the best linear ones, and what may go on"


def test_few_trials_are_left_alone_and_so_is_what_was_just_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = searched(tmp_path, [float(i) for i in range(LOOKED_AT)])
    tidy = Tidy(few, tmp_path)
    tidy(few.history)
    assert left(tmp_path, few.trials) == [t.id for t in few.trials]
    (tmp_path / "more").mkdir()
    more = searched(tmp_path / "more", [float(i) for i in range(LOOKED_AT + 5)])
    monkeypatch.setattr(table_tidy, "LATER", 3_600.0)
    tidy = Tidy(more, tmp_path / "more")
    tidy(more.history)
    tidy(more.history)
    assert left(tmp_path / "more", more.trials) == [t.id for t in more.trials]


def test_those_beyond_a_limit_are_not_among_the_best(tmp_path: Path) -> None:
    """A negative loss stands for ten bytes where nine are allowed."""
    study = searched(tmp_path, [-1.0, -2.0, *map(float, range(LOOKED_AT + 1))])
    tidy = Tidy(study, tmp_path)
    for _ in range(9):
        tidy(study.history)
    assert left(tmp_path, study.trials) == [*range(2, LOOKED_AT + 2), LOOKED_AT + 3]


def test_whoever_wins_in_the_end_its_candidates_have_their_models(tmp_path: Path) -> None:
    """One that was cut off may win by the folds that it had; those beside it are ranked by as many."""
    study = Study(SPACE, minimize="loss", fidelity=Fidelity("fold", 1, 5, eta=2))
    assert 3 not in study.problem.rungs
    n = 2 * LOOKED_AT + 10
    for i in range(n + 1):
        study.enqueue({"learner": "boosting", "x": i / 1_000}, budget=5 if i < n else 3)
    for i in range(n + 1):
        task = study.ask()
        assert task is not None
        place = tmp_path / f"{task.trial:04d}"
        place.mkdir()
        for step in range(task.stop):
            for suffix in (".onnx", ".npy"):
                (place / model_file(step)).with_suffix(suffix).touch()
        # The better over three folds the worse over five.
        losses = [1.0 + i / 100] * 3 + [9.0 - i / 10] * 2 if i < n else [0.01] * 3
        study.tell(task, [{"loss": v} for v in losses[: task.stop]])
    tidy = Tidy(study, tmp_path)
    for _ in range(40):
        tidy(study.history)
    [cut] = [t for t in study.trials if t.state is State.PAUSED]
    kept = set(left(tmp_path, study.trials))
    assert len(kept) < n
    assert cut.step == 3
    by_three = sorted((t for t in study.trials if t is not cut), key=lambda t: t.id)[: LOOKED_AT - 1]
    assert kept >= {cut.id, *(t.id for t in by_three)}
    assert kept >= {t.id for t in study.trials[n - LOOKED_AT : n]}, "and those that are best over all"


def test_what_an_earlier_session_removed_takes_no_turn(tmp_path: Path) -> None:
    study = searched(tmp_path, [float(i) for i in range(2 * LOOKED_AT)])
    first = Tidy(study, tmp_path)
    for _ in range(LOOKED_AT):
        first(study.history)
    assert len(left(tmp_path, study.trials)) == LOOKED_AT + 1
    for trial in study.trials[LOOKED_AT + 3 :]:  # as if three had been missed
        for step in range(2):
            for suffix in (".onnx", ".npy"):
                (tmp_path / f"{trial.id:04d}" / model_file(step)).with_suffix(suffix).unlink(missing_ok=True)
    for trial in study.trials[-4:-1]:
        (tmp_path / f"{trial.id:04d}" / model_file(0)).with_suffix(".onnx").touch()
    again = Tidy(study, tmp_path)
    for _ in range(3):  # one to look, two for three trials
        again(study.history)
    assert left(tmp_path, study.trials) == [*range(LOOKED_AT)]


def test_a_model_of_a_trial_that_failed_before_it_was_judged_goes(tmp_path: Path) -> None:
    study = searched(tmp_path, [float(i) for i in range(LOOKED_AT)])
    study.enqueue({"learner": "boosting", "x": 0.9}, budget=2)
    task = study.ask()
    assert task is not None
    place = tmp_path / f"{task.trial:04d}" / model_file(0)
    place.parent.mkdir()
    place.with_suffix(".onnx").touch()
    study.tell(task, error="it broke")
    assert study.trials[-1].state is State.FAILED
    tidy = Tidy(study, tmp_path)
    for _ in range(3):
        tidy(study.history)
    assert study.trials[-1].id not in left(tmp_path, study.trials)
    place.with_suffix(".onnx").touch()
    Tidy(study, tmp_path).rest(time.time() + 60.0)
    assert study.trials[-1].id not in left(tmp_path, study.trials)


def test_in_the_end_all_else_goes_as_far_as_there_is_time(tmp_path: Path) -> None:
    study = searched(tmp_path, [float(i) for i in range(LOOKED_AT + 3)], linear=[99.0])
    tidy = Tidy(study, tmp_path)
    tidy.rest(time.time() - 1.0)
    assert left(tmp_path, study.trials) == [t.id for t in study.trials]
    tidy.rest(time.time() + 60.0)
    kept = [*range(LOOKED_AT), LOOKED_AT + 3, LOOKED_AT + 4]
    assert left(tmp_path, study.trials) == kept, "the linear one stays, and what waits for its second fold"


def test_a_study_without_a_result_has_nothing_to_tidy(tmp_path: Path) -> None:
    study = Study(SPACE, minimize="loss", fidelity=Fidelity("fold", 1, 2, eta=2))
    Tidy(study, tmp_path)(study.history)
    Tidy(study, tmp_path).rest(time.time() + 60.0)
