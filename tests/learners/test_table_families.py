"""A subset of the families: its space, its ladder, what is refused; and that a run keeps to it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import seedleaf
from messy import messy
from seedleaf.data.tables import folds, load_table
from seedleaf.errors import StudyError
from seedleaf.executors.base import Settings
from seedleaf.job import Job
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import (
    FAMILIES,
    KNOWN,
    LADDER,
    OTHERS,
    begun_with,
    brought_up,
    chosen,
    default_of,
    families_of,
    ladder,
    portfolio,
    small,
    space_of,
)
from seedleaf.learners.tables.source import describe, save
from seedleaf.modality.table_spec import TableSpec
from seedleaf.modality.table_study import open_study
from seedleaf.store import SqlStore

KIND = Kind(n_rows=5_000, n_numbers=4, n_categories=2, n_texts=1, n_classes=3)


@pytest.mark.parametrize(
    "names", [*((name,) for name in KNOWN), ("mlp", "catboost"), ("knn", "linear"), ("svm", "knn"), ()]
)
def test_any_subset_has_a_ladder_a_default_and_a_portfolio(names: tuple[str, ...]) -> None:
    space = space_of(KIND, names)
    assert set(families_of(space)) == set(names or FAMILIES)
    steps = ladder(space)
    assert steps, "there is something to begin with"
    assert set(steps) <= set(families_of(space))
    assert all(name in steps for name in LADDER if name in families_of(space))
    assert default_of(space) in steps
    assert space.complete({}) == steps[default_of(space)], "priors lie at the default that is compared with"
    for config in (*steps.values(), *portfolio(space), *small(space)):
        assert space.contains(config)
        assert brought_up(config, KIND) == config
    assert begun_with(space.to_json(), KIND) == space, "as a run that goes on finds it"


def test_all_named_are_all() -> None:
    assert (
        space_of(KIND, [*reversed(FAMILIES)])
        == space_of(KIND, chosen([*reversed(FAMILIES)]))
        == space_of(KIND)
    )
    assert space_of(KIND, ["mlp", "linear", "mlp"]) == space_of(KIND, ["linear", "mlp"])
    assert families_of(space_of(KIND, list(KNOWN))) == (*[n for n in KNOWN if n not in OTHERS], *OTHERS)
    assert list(ladder(space_of(KIND))) == ["linear", "boosting", "mlp", "forest"]
    assert default_of(space_of(KIND)) == "boosting"


@pytest.mark.parametrize(
    ("given", "said"),
    [("linear,ridge", "no family 'ridge'"), ([1], "no family '1'"), (" ,", "no family is named")],
)
def test_an_unknown_family_is_one_line_before_any_work(given: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,y\n1,2\n")
    with pytest.raises(StudyError, match=f"{said}.*there are: linear, forest, boosting, mlp, knn, svm"):
        seedleaf.fit(tmp_path / "data.csv", families=given, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(StudyError, match="for tables only"):
        seedleaf.fit("digits", families="linear", out=tmp_path / "run")


def test_a_run_keeps_to_its_families_when_it_goes_on(tmp_path: Path) -> None:
    """The study as a run opens it, twice: the second time its log says what is searched."""
    import pandas as pd

    data = load_table(pd.DataFrame(messy("binary", 60)), target="y")
    save(data, folds(data, 2), tmp_path / "cache")
    schema, kind, n_folds = describe(tmp_path / "cache")
    setup = {"data": str(tmp_path / "cache")}
    told: list[dict[str, Any]] = []
    for families in (["forest", "knn"], ["linear"]):
        job = Job("data.csv", 60.0, kind="tables", options={"families": families})
        workers: Any = SimpleNamespace(settings=Settings("m:f", 0, "", setup), start_seconds=1.0)
        with closing(SqlStore(tmp_path / "study.db")) as store:
            spec = TableSpec(schema, kind, n_folds)
            study, _ = open_study(store, job, spec, workers, time.time() + 60)
        assert families_of(study.problem.space) == ("forest", "knn")
        assert [t.config["learner"] for t in study.trials] == ["forest"]
        assert study.history.note("default") == {"name": "default", "trial": 0}
        assert workers.settings.setup["ladder"] == [0]
        told.append(dict(study.history.header))
    assert told[0] == told[1]
