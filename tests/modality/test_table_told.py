"""What a person is told of a table before the search and of the model after it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seedleaf
from seedleaf.data.tables import folds, load_table
from seedleaf.errors import StudyError
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import describe as kept
from seedleaf.learners.tables.source import save
from seedleaf.modality.table_card import card
from seedleaf.modality.table_finish import _no_better, verdict
from seedleaf.modality.table_spec import TableSpec, describe, note_of
from seedleaf.modality.tables import Tables
from seedleaf.report.data import _table_sentence
from seedleaf.study import Study


def spec_of(frame: pd.DataFrame, folder: Path, **asked: Any) -> TableSpec:
    data = load_table(frame, target="y", **asked)
    save(data, folds(data, 2), folder)
    schema, kind, n_folds = kept(folder)
    return TableSpec(schema, kind, n_folds)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    return pd.DataFrame(
        {
            "id": np.arange(300),
            "same": 7,
            "x": rng.normal(size=300) + y,
            "state": np.where(y, "paid", "open"),
            "y": y,
        }
    )


def test_a_leak_is_told_first_and_so_is_what_is_not_used(tmp_path: Path) -> None:
    spec = spec_of(frame(), tmp_path)
    study = Study(space_of(spec.kind), minimize="logloss")
    lines = describe(spec, study)
    assert lines[0].endswith("240 training and 60 test rows, 1 number")
    assert len(lines) <= 6
    [noticed] = [line for line in lines if line.startswith("noticed")]
    assert noticed.startswith("noticed   state: alone it predicts y almost perfectly")
    assert "column dropped as a leak (and 2 findings more: seedleaf check)" in noticed
    [unused] = [line for line in lines if line.startswith("not used")]
    assert all(f"{name} (" in unused for name in ("id", "same", "state"))
    assert f" {len(study.problem.space)} hyper-parameters, " in lines[-1], "not those of a model"
    plain = describe(spec_of(frame()[["x", "y"]], tmp_path / "plain"), study)
    assert not [line for line in plain if line.startswith(("noticed", "not used"))]


def test_columns_and_copies_are_kept_where_a_run_is_asked_to(tmp_path: Path) -> None:
    twice = pd.concat([frame(), frame()], ignore_index=True)
    job: Any = SimpleNamespace(options={"target": "y", "keep": ["state"], "copies": "keep"}, seed=0, data="d")
    job.limits = {}
    spec = Tables().prepare(tmp_path / "cache", job, twice, None)
    assert spec.schema.n_train + spec.schema.n_test == 600
    assert "state" in {c.name for c in spec.schema.used}
    assert spec.schema.target.classes == ("0", "1")
    job.options["positive"] = "0"
    spec = Tables().prepare(tmp_path / "other", job, twice, None)
    assert spec.schema.target.classes == ("1", "0")
    study = Study(space_of(spec.kind), minimize="logloss")
    assert "target    y (as asked), 2 classes; positive: 0 (as asked)" in describe(spec, study)
    with pytest.raises(StudyError, match="copies are to drop or to keep, not 'all'"):
        seedleaf.fit(tmp_path / "d.csv", copies="all", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_positive_class_is_named_in_card_and_report(tmp_path: Path) -> None:
    table = frame()[["x", "y"]].assign(y=np.where(frame()["y"], "<late>", "ok"))
    spec = spec_of(table, tmp_path)
    assert note_of(spec, np.zeros(3, np.int64))["positive"] == "<late>"
    final = {
        "test": {"n": 0},
        "latency_ms": {"median": 0.1, "p90": 0.2},
        "members": [{"weight": 1.0, "learner": "linear"}],
        "cross_validated": {"f1": 0.5},
        "bytes": 10,
    }
    assert "\n| positive class | <late> |\n| cross-validated f1 | 0.5 |\n" in card(spec, final, {})
    for judged, part in ((1, ", after 1 of 5 folds"), (5, "")):
        some = {**final, "folds": {"judged": judged, "of": 5}}
        assert f"| cross-validated f1{part} | 0.5 |" in card(spec, some, {})
    told = {"class_names": ["ok", "<late>"], "positive": "<late>", "n_train": 3}
    assert "2 classes, &lt;late&gt; being the positive one; 3 rows" in _table_sentence(told, ["ok", "<late>"])
    several = spec_of(table.assign(y=np.arange(300) % 3), tmp_path / "several")
    assert "positive" not in note_of(several, np.zeros(3, np.int64))
    assert "positive" not in card(several, final, {})


@pytest.mark.parametrize(
    ("steps", "where"), [(5, "the folds"), (2, "the 2 folds that both had"), (1, "the 1 fold that both had")]
)
def test_what_tuning_gained_is_told_on_the_folds_that_both_had(steps: int, where: str) -> None:
    """The default may have been stopped after a fold, as it is where much is gained."""
    trial = SimpleNamespace(id=3, step=5, config={"learner": "linear"}, metrics={"logloss": 0.3})
    run: Any = SimpleNamespace(
        spec=SimpleNamespace(
            goal=SimpleNamespace(name="logloss", direction="min"), kind=SimpleNamespace(n_classes=2)
        ),
        study=SimpleNamespace(
            history=SimpleNamespace(note=lambda name: {"logloss": 0.69}), problem=SimpleNamespace(full=5)
        ),
        default=SimpleNamespace(id=0, step=steps, config={"learner": "boosting"}),
    )
    found: Any = SimpleNamespace(error=None, value={"gain": 0.1, "se": 0.01})
    told = verdict(run, trial, found)  # type: ignore[arg-type]
    assert told["text"] == f"linear gained +0.1 ± 0.01 in log loss over the default boosting on {where}"
    found.value["gain"] = -0.015
    behind = f"linear is not ahead of the default boosting in log loss on {where}, but behind by 0.015 ± 0.01"
    assert verdict(run, trial, found)["text"] == f"{behind}: within the noise"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "direction", "tested", "told"),
    [
        ("logloss", "min", 0.8, True),
        ("logloss", "min", 0.6, False),
        ("auc", "max", 0.8, False),
        ("auc", "max", 0.6, True),
    ],
)
def test_a_test_part_that_says_otherwise_is_told(
    metric: str, direction: str, tested: float, told: bool
) -> None:
    goal = SimpleNamespace(name=metric, direction=direction)
    history = SimpleNamespace(note=lambda name: {metric: 0.69})
    run: Any = SimpleNamespace(spec=SimpleNamespace(goal=goal), study=SimpleNamespace(history=history))
    assert _no_better(run, None) == ""
    text = _no_better(run, tested)
    assert bool(text) == told
    said = f"no better than the same answer for every row: {metric} {tested:.4g}, 0.69 so"
    assert not told or text.endswith(said)
