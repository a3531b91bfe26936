"""What shuffling a column costs: the signal is found, noise is not, time is kept, and the page shows it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from messy import messy
from seedleaf.core import Event, History
from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.deliver import refit
from seedleaf.learners.tables.importance import MOST_ROWS, _affordable, importance
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import open_source, save
from seedleaf.report.columns import columns_section
from seedleaf.report.facts import read


def fitted(folder: Path, frame: Any, learner: str, metric: str) -> tuple[str, dict[str, Any]]:
    """A model written for a table, and the setup that it was fitted in."""
    data = load_table(frame, target="y")
    save(data, folds(data, 3), folder / "cache")
    setup = {"data": str(folder / "cache"), "metric": metric, "seed": 0}
    config = space_of(open_source(setup["data"]).kind).complete({"learner": learner})
    refit(config, setup, str(folder / "model"), 30, time.time() + 60)
    return str(folder / "model"), setup


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", "logloss"), ("multiclass", "auc"), ("regression", "r2")]
)
def test_what_says_something_is_told_apart_from_what_does_not(task: str, metric: str, tmp_path: Path) -> None:
    place, setup = fitted(tmp_path, pd.DataFrame(messy(task, 400)), "linear", metric)
    found = importance([place], [1.0], 1.0, setup, 20.0)
    assert (found["metric"], found["part"], found["rows"]) == (metric, "test", 80)
    assert (found["repeats"], found["left"]) == (10, 0)
    columns = {name: (mean, spread) for name, mean, spread in found["columns"]}
    assert set(columns) == {"a", "b", "c", "colour", "size", "when", "said"}
    assert next(iter(columns)) in ("a", "b"), "these two set most of y"
    assert columns["a"][0] > 3 * columns["a"][1] > 0
    assert abs(columns["c"][0]) < 0.2 * columns["a"][0]
    assert importance([place], [1.0], 1.0, setup, 20.0) == found, "the seed decides"


def test_a_column_that_is_left_out_of_the_model_costs_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    frame = pd.DataFrame({"x": x[:, 0], "twice": 2 * x[:, 0] + 0.3 * x[:, 1], "z": x[:, 2]})
    place, setup = fitted(tmp_path, frame.assign(y=x[:, 0] + 0.1 * x[:, 2]), "boosting", "rmse")
    columns = {name: mean for name, mean, _ in importance([place], [1.0], 1.0, setup, 20.0)["columns"]}
    assert max(columns, key=columns.__getitem__) == "x"


def test_time_is_kept_by_fewer_rows_then_fewer_repeats(tmp_path: Path) -> None:
    assert _affordable(1e-6, 10, 10.0) == MOST_ROWS
    assert _affordable(1e-3, 10, 10.0) == 333
    assert _affordable(1.0, 10, 1.0) == 200
    place, setup = fitted(tmp_path, pd.DataFrame(messy("binary", 400)), "linear", "logloss")
    begun = time.time()
    none = importance([place], [1.0], 1.0, setup, 0.0)
    assert time.time() - begun < 5
    assert (none["columns"], none["left"]) == ([], 7)


def test_without_enough_test_rows_those_of_training_stand_in(tmp_path: Path) -> None:
    place, setup = fitted(tmp_path, pd.DataFrame(messy("binary", 60)), "linear", "logloss")
    found = importance([place], [1.0], 1.0, setup, 5.0)
    assert (found["part"], found["rows"], len(found["columns"])) == ("training", 48, 7)
    (tmp_path / "few").mkdir()
    place, setup = fitted(tmp_path / "few", pd.DataFrame(messy("regression", 22)), "linear", "rmse")
    assert importance([place], [1.0], 1.0, setup, 5.0)["columns"] == []


def history(**note: Any) -> History:
    header = {"objectives": [{"metric": "logloss", "direction": "min"}]}
    events = [Event(1, 0.0, "study", header), Event(2, 1.0, "note", {"name": "importance", **note})]
    return History.fold(events)


def test_the_page_shows_bars_and_says_what_is_within_chance() -> None:
    columns = [["<b>", 0.4, 0.05], ["z", 0.01, 0.02], ["w", -0.01, 0.02]]
    told = history(columns=columns, metric="logloss", rows=120, repeats=5, score=0.3, left=2)
    page = columns_section(read(told))
    assert "120 test rows (0.3 as they are)" in page
    assert "trained on" not in page
    own = columns_section(
        read(history(columns=columns, metric="logloss", part="training", rows=9, repeats=1, score=0.3))
    )
    assert "9 training rows (0.3 as they are)" in own
    assert "The model was trained on them" in own
    assert page.count('class="col unsure"') == 2
    assert "2 of 3, are within chance" in page
    assert "2 of 3, change no more than from one shuffle to the next" in own
    assert "For 2 more columns there was no time" in page
    assert "&lt;b&gt;" in page
    assert "<b><b>" not in page
    once = columns_section(
        read(history(columns=[["x", 0.4, None]], metric="r2", rows=99, repeats=1, score=0.5))
    )
    assert "whisker" not in once
    assert "there was no time left" in columns_section(
        read(history(columns=[], why="there was no time left"))
    )
    assert columns_section(read(history(columns=[]))) == ""
