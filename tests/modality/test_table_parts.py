"""What a delivered table model is made of, and when a search ends: by what folds took and what time is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedleaf.amounts import parse_seconds
from seedleaf.core import Fidelity, Trial
from seedleaf.learners.tables.trial import model_file
from seedleaf.modality.table_choice import LOOKED_AT, candidates, failed, hopeless, search_until, winner_of
from seedleaf.modality.table_parts import Members, averaged, bag, plan, refit_seconds, rounds_of, spare
from seedleaf.space import Choice, Space
from seedleaf.study import Study

FOLDS = 5


def studied(rows: Sequence[tuple[str, list[float], float, float]]) -> Study:
    """A study in which each row is a trial: learner, losses by fold, seconds of a fold, the share of fits cut off."""
    names = sorted({name for name, *_ in rows})
    study = Study(
        Space(learner=Choice(*names), x=Choice(*range(50))),
        minimize="logloss",
        fidelity=Fidelity("fold", 1, FOLDS, eta=2),
        scheduler="racing",
        sampler="random",
    )
    for i, (name, losses, _, _) in enumerate(rows):
        study.enqueue({"learner": name, "x": i}, budget=len(losses))
    for _, losses, seconds, cut in rows:
        task = study.ask()
        assert task is not None
        told = {"train_seconds": seconds, "rounds": 40.0, "cut": cut}
        study.tell(task, [{"logloss": v, **told} for v in losses], seconds=seconds * len(losses))
    return study


def members(study: Study) -> Members:
    n = len(study.trials)
    return [(t, 1 / n) for t in study.trials]


def written(folder: Path, trial: Trial) -> Path:
    place = folder / f"{trial.id}"
    place.mkdir()
    for j in range(trial.step):
        for suffix in (".npy", ".onnx"):
            (place / model_file(j)).with_suffix(suffix).touch()
    return place


def test_folds_stand_in_where_they_are_whole_and_vary(tmp_path: Path) -> None:
    whole = [0.5] * FOLDS
    study = studied(
        [("boosting", whole, 1, 0), ("forest", whole, 1, 0), ("mlp", [0.5], 1, 0), ("boosting", whole, 1, 1)]
    )
    folders = [written(tmp_path, t) for t in study.trials]
    assert [len(bag(t, f, FOLDS)) for t, f in zip(study.trials, folders, strict=True)] == [5, 0, 0, 0]
    assert [len(spare(t, f)) for t, f in zip(study.trials, folders, strict=True)] == [5, 5, 1, 5]
    assert not bag(study.trials[0], folders[0], FOLDS, ordered=True), (
        "the first of them have seen old rows alone"
    )
    last = [[folders[0] / model_file(4)], [folders[2] / model_file(0)]]
    assert [spare(study.trials[i], folders[i], ordered=True) for i in (0, 2)] == last
    (folders[0] / model_file(2)).with_suffix(".onnx").unlink()
    assert not bag(study.trials[0], folders[0], FOLDS), "one of them is gone"


def test_what_must_be_fitted_comes_first_and_what_does_not_fit_is_left() -> None:
    study = studied([("boosting", [0.5] * FOLDS, 2, 0), ("forest", [0.5] * FOLDS, 1, 0)])
    now = time.time()

    def planned(seconds: float, workers: int, bagged: list[bool], spared: bool = True) -> list[int]:
        fits = plan(members(study), bagged, [spared] * 2, FOLDS, workers, now + seconds)
        assert all(f.end <= now + seconds + 0.1 or not spared for f in fits)
        return [f.trial.id for f in fits]

    assert refit_seconds(study.trials[1], FOLDS) == pytest.approx(1.3 * 1 * 5 / 4 + 0.3)
    assert planned(20, 1, [True, False]) == [1, 0], "the forest has nothing to stand in for it"
    assert planned(4, 1, [True, False]) == [1], "boosting does not fit in any more"
    assert planned(4, 2, [True, False]) == [1, 0], "on a worker of its own it does"
    assert planned(0.5, 1, [True, False]) == [], "too short for either: the folds' models are there"
    assert planned(0.5, 2, [False, False], spared=False) == [0, 1], (
        "nothing is there: late is better than never"
    )


def test_what_the_clock_had_cut_grows_on_with_all_the_time_there_is() -> None:
    study = studied([("boosting", [0.5], 2, 1.0), ("forest", [0.5], 1, 0)])
    now = time.time()
    cut, whole = plan(members(study), [False] * 2, [True] * 2, FOLDS, 2, now + 30)
    assert cut.trial.id == 0
    assert cut.rounds == 100
    assert whole.rounds == 44
    assert cut.end == pytest.approx(now + 30, abs=0.1)


def test_in_the_order_of_time_the_last_fold_says_how_many_rounds() -> None:
    study = studied([("boosting", [0.5], 2, 0), ("boosting", [0.5] * FOLDS, 2, 0)])
    [_, trial] = study.trials
    # A task that goes on has the mean over its own folds only, so nothing can be reckoned back from means.
    told = [(1_191.0, 1_191.0), (45.0, 45.0), (46.0, 46.0), (46.5, 47.0), (31.0, 100.0)]
    trial.measurements[:] = [
        replace(m, metrics={**m.metrics, "rounds": mean, "own_rounds": own})
        for m, (mean, own) in zip(trial.measurements, told, strict=True)
    ]
    assert rounds_of(trial) == 31
    assert rounds_of(trial, ordered=True) == 100
    assert rounds_of(study.trials[0], ordered=True) == 40, "a log from before"
    [fit] = plan([(trial, 1.0)], [False], [True], FOLDS, 1, time.time() + 60, ordered=True)
    assert fit.rounds == 111


def test_candidates_are_those_judged_on_as_many_folds() -> None:
    study = studied(
        [
            ("boosting", [0.5] * FOLDS, 1, 0),
            ("mlp", [0.2], 1, 0),
            ("forest", [0.45, 0.7, 0.8, 0.8, 0.8], 1, 0),
        ]
    )
    winner = winner_of(study)
    assert winner is not None
    assert [t.id for t in candidates(study, winner)] == [winner.id, *({0, 2} - {winner.id})]
    short = studied([("boosting", [0.5], 1, 0), ("mlp", [0.4, 0.6], 1, 0), ("forest", [0.6], 1, 0)])
    first = winner_of(short)
    assert first is not None
    assert first.step == 1
    assert [t.id for t in candidates(short, first)] == [0, 1, 2], "all of them have done one fold"


def test_after_a_long_search_the_best_of_each_family_are_candidates_too() -> None:
    """All of the best are of one family, and are wrong on the same rows."""
    best = [("boosting", [0.1 + 0.001 * i] * FOLDS, 1.0, 0.0) for i in range(30)]
    others = [("linear", [0.5 - 0.01 * i] * FOLDS, 1.0, 0.0) for i in range(4)]
    study = studied([*best, *others, ("forest", [0.9] * FOLDS, 1.0, 0.0), ("mlp", [0.05], 1.0, 0.0)])
    winner = winner_of(study)
    assert winner is not None
    found = [t.id for t in candidates(study, winner)]
    assert found == [*range(LOOKED_AT), 33, 32, 31, 34], (
        "three of a family; what was judged on fewer folds is not"
    )


def test_a_search_that_can_finish_no_folds_ends_at_once() -> None:
    study = studied([("boosting", [0.5], 3, 1.0), ("mlp", [0.4], 2, 0)])
    assert hopeless(study, 7.9)
    assert not hopeless(study, 8.1), "the net has four folds of two seconds to go"
    now = time.time()

    def reason(s: Study, seconds: float) -> Any:
        return search_until(s, now + seconds)(s.history)

    assert reason(study, 6) == "time, for one fold each"
    assert reason(study, 60) is None
    done = studied([("boosting", [0.5] * FOLDS, 3, 0), ("mlp", [0.4], 2, 0)])
    assert not hopeless(done, 0.1), "one has all its folds"
    assert reason(done, 6) is None
    waiting = studied([("mlp", [0.4], 2, 0)])
    waiting.enqueue({"learner": "mlp", "x": 7}, budget=1)
    assert not hopeless(waiting, 1.0), "a default has not had its first fold"


def test_where_reading_took_all_the_time_the_first_config_is_waited_for() -> None:
    nothing = Study(Space(x=Choice(1, 2)), minimize="logloss")
    assert search_until(nothing, time.time() - 300.0)(nothing.history) is None
    some = studied([("mlp", [0.4], 2, 0)])
    assert search_until(some, time.time() - 300.0)(some.history) == "time"


def test_who_got_no_model_is_told_what_time_would_do() -> None:
    said = failed(Study(Space(x=Choice(1, 2)), minimize="logloss").history, 47.3)
    assert said == "in 47s no config was measured, the reading of the table included; try --time 2m"
    assert parse_seconds(said.rpartition(" ")[2]) == 120.0


def test_beside_a_fit_on_all_rows_two_folds_are_enough() -> None:
    models = [Path(f"fold{j}") for j in range(FOLDS)]
    assert averaged(models, models, whole=True) == models[:2]
    assert averaged(models, models, whole=False) == models
    assert averaged([], models[:3], whole=False) == models[:3], "cut off, or nothing that is bagged"
    assert averaged([], models, whole=True) == []
