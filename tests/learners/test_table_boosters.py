"""The extra `boosters`: what is read out of a package's model answers as the package does, in Python and in the file.

`make test-boosters` has an environment that has them; elsewhere only what needs none of them is tested.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seedleaf
from messy import messy
from seedleaf.core import Context
from seedleaf.data.tables import folds, load_table
from seedleaf.errors import RunError, StudyError, TrialError
from seedleaf.job import Job
from seedleaf.learners.tables import lightgbm, registry, xgboost
from seedleaf.learners.tables.cost import model_costs, room_for
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Rows
from seedleaf.learners.tables.registry import EXTRAS, KNOWN, chosen, family_name, space_of
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.source import kind_of, open_source, save
from seedleaf.learners.tables.trees import ensemble_graph
from seedleaf.learners.tables.trial import run
from seedleaf.learners.tables.watched import Watch
from seedleaf.learners.tables.written import write

NAMES = tuple(f.name for f in EXTRAS["boosters"])
TASKS = {"binary": 2, "multiclass": 3, "regression": 0}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    for module in KNOWN[request.param].modules:
        pytest.importorskip(module)
    return str(request.param)


def rows(task: str, n: int = 300, seed: int = 0, gaps: float = 0.15) -> Rows:
    """Numbers with gaps, one column that has none and one whose values are ties, which is where thresholds lie."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[:, 4] = rng.integers(0, 4, n)
    score = x[:, 0] + x[:, 1] * (x[:, 4] > 1) + 0.3 * rng.normal(size=n)
    x[:, :3][rng.random((n, 3)) < gaps] = np.nan
    k = TASKS[task]
    y: Any = (
        np.digitize(score, np.quantile(score, [0.6] if k == 2 else [0.3, 0.7])) if k else score - score.mean()
    )
    return Rows(x, y, k, 5)


def both(model: Any, x: Any, n_out: int) -> tuple[Any, Any, Any]:
    """What Python says, what the graph says, and the graph of one row after another."""
    g = Graph()
    body = g.model({"out": (model.graph(g, g.cast(g.numbers, "float32")), 1, n_out)}, x.shape[1], 0)
    opened = session(body)
    wide = x.astype(np.float64)
    feed = opened.get_inputs()[0].name
    batch = opened.run(None, {feed: wide})[0]
    alone = np.concatenate([opened.run(None, {feed: wide[i : i + 1]})[0] for i in range(len(x))])
    return model.predict(x), batch, alone


@pytest.mark.parametrize("task", TASKS)
def test_the_file_answers_as_the_package_does(name: str, task: str) -> None:
    train, seen = rows(task), rows(task, 60, 1)
    odd = np.concatenate(
        [seen.x, np.full((1, 5), np.nan, np.float32), train.x[:40] + 0, np.zeros((1, 5), np.float32)]
    )
    odd[5:9, 3], odd[9:12, 4] = np.nan, [np.nan, -1e30, 1e30]  # gaps where training had none
    space = space_of(Kind(300, 5, 0, 0, train.n_classes, has_missing=True), (name,))
    rng = np.random.default_rng(4)
    drawn = [space.complete({}), *(space.sample(rng) for _ in range(3))]
    for config in drawn:
        family, own = registry.split_config(config)
        for valid in (None, seen):
            effort = Effort(time.time() + 30, 1, None if valid else 15)
            model = family.fit(own, train, valid, effort)
            python, batch, alone = both(model, odd, train.n_out)
            assert np.isfinite(python).all()
            assert np.abs(python - batch).max() < 1e-5, config
            assert np.abs(batch - alone).max() < 1e-5
            assert model.rounds == 15 or valid is not None or config is not drawn[0]


@pytest.mark.parametrize("task", TASKS)
def test_thresholds_are_kept_to_the_last_bit(name: str, task: str) -> None:
    """Numbers that are one float32 apart, so that a threshold rounded the wrong way sends a row to the other side."""
    rng = np.random.default_rng(0)
    near = np.float32(0.1) + np.spacing(np.float32(0.1)) * np.arange(8, dtype=np.float32)
    x = rng.choice(near, (400, 2)).astype(np.float32)
    k = TASKS[task]
    y: Any = (x[:, 0] > near[3]).astype(np.int64) + (k == 3) * (x[:, 1] > near[5])
    train = Rows(x, y if k else y - y.mean(), k, 2)
    family, own = registry.split_config(space_of(Kind(400, 2, 0, 0, k), (name,)).complete({}))
    model = family.fit(own, train, None, Effort(time.time() + 30, 1, 10))
    python, batch, _ = both(model, x[:50], train.n_out)
    assert np.abs(python - batch).max() < 1e-5


@pytest.mark.parametrize("task", TASKS)
def test_it_learns_the_same_again_and_something_at_all(name: str, task: str) -> None:
    train, valid = rows(task), rows(task, 150, 1)
    space = space_of(Kind(300, 5, 0, 0, train.n_classes, has_missing=True), (name,))
    family, own = registry.split_config(space.complete({}))
    one, same, other = (
        family.fit(own, train, valid, Effort(time.time() + 60, seed, None)).predict(valid.x)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other), "the seed does something"
    if train.n_classes:
        assert (one.argmax(1) == valid.y).mean() > 0.6
    else:
        assert 1 - ((one[:, 0] - valid.y) ** 2).mean() / valid.y.var() > 0.4


def test_it_stops_by_the_validation_rows_and_by_the_clock(name: str) -> None:
    rng = np.random.default_rng(0)
    noise = Rows(rng.normal(size=(200, 5)).astype(np.float32), rng.integers(0, 2, 200), 2, 5)
    family, own = registry.split_config(space_of(Kind(200, 5, 0, 0, 2), (name,)).complete({}))
    other = Rows(rng.normal(size=(200, 5)).astype(np.float32), rng.integers(0, 2, 200), 2, 5)
    assert family.fit(own, noise, other, Effort(time.time() + 60, 1, None)).rounds < 60
    assert family.fit(own, rows("binary"), None, Effort(time.time() - 1, 1, 500)).rounds == 1


@pytest.mark.parametrize("task", TASKS)
def test_where_nothing_can_be_split_every_row_is_told_the_same(name: str, task: str) -> None:
    some = rows(task, 40)
    alike = Rows(np.zeros_like(some.x), some.y, some.n_classes, 5)
    family, own = registry.split_config(space_of(Kind(40, 5, 0, 0, TASKS[task]), (name,)).complete({}))
    if name == "catboost":  # it takes no table all of whose columns are constant
        with pytest.raises(TrialError, match="constant or ignored"):
            family.fit(own, alike, alike, Effort(time.time() + 60, 1, None))
        return
    model = family.fit(own, alike, alike, Effort(time.time() + 60, 1, None))
    said, batch, alone = both(model, some.x, TASKS[task] or 1)
    usual = np.bincount(some.y) / 40 if TASKS[task] else np.zeros(1)
    np.testing.assert_allclose(said, np.repeat(usual[None], 40, axis=0), atol=0.02)
    np.testing.assert_allclose(batch, said, atol=1e-6)
    np.testing.assert_allclose(alone, said, atol=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_whole_tables_folds_and_limits(name: str, task: str, tmp_path: Path) -> None:
    """Gaps, categories that training has not seen, dates and words; paused or not, the same; within the room left."""
    data = load_table(pd.DataFrame(messy(task, 200)), target="y")
    save(data, folds(data, 2), tmp_path / "cache")
    source = open_source(str(tmp_path / "cache"))
    config = space_of(kind_of(source.schema, True), (name,)).complete({})
    assert family_name(config) == name
    metric = "logloss" if source.n_classes else "rmse"
    setup = {"data": str(tmp_path / "cache"), "metric": metric, "seed": 0, "fit_seconds": 60.0}

    def steps(folder: Path, *parts: tuple[int, int]) -> list[float]:
        folder.mkdir()
        contexts = [Context(0, a, b, 2, 0, folder, setup=setup) for a, b in parts]
        return [m.metrics[metric] for ctx in contexts for m in run(config, ctx)]

    assert steps(tmp_path / "halves", (0, 1), (1, 2)) == steps(tmp_path / "whole", (0, 2))
    room = room_for({"limits": {"bytes": 20_000}}, source)
    effort = Effort(time.time() + 60, 1, 150, room)
    fitted = fit_config(config, source.train, source.y_train, source.n_classes, effort)
    write(fitted, source, tmp_path / "m")
    assert 8_000 < model_costs(tmp_path / "m", source, {})["bytes"] <= 20_000


def test_a_package_that_is_not_installed_is_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda module: None)
    (tmp_path / "data.csv").write_text("a,y\n1,2\n")
    said = r"'catboost' is not installed: pip install 'seedleaf\[boosters\]'"
    with pytest.raises(StudyError, match=said):
        seedleaf.fit(tmp_path / "data.csv", families="linear,catboost", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    job = Job(str(tmp_path / "data.csv"), 60.0, kind="tables", options={"families": ["catboost"]})
    (tmp_path / "gone").mkdir()
    job.save(tmp_path / "gone")
    with pytest.raises((StudyError, RunError), match=said):
        seedleaf.resume(tmp_path / "gone")
    assert chosen(["linear"]) == ("linear",), "nothing is asked of those that come along"


def test_how_trees_of_lightgbm_and_xgboost_are_read() -> None:
    """By hand: x <= 0.5 with a gap taken for 0; x < 0.5, where the value 0.5 itself goes right."""
    leaves = [{"leaf_index": i, "leaf_value": float(i + 1)} for i in range(2)]
    split = {"split_feature": 0, "threshold": 0.1, "decision_type": "<=", "default_left": False}
    dumps = [
        {**split, "missing_type": m, "left_child": leaves[0], "right_child": leaves[1]}
        for m in ("None", "NaN")
    ]
    trees = [lightgbm.read(dump, k) for k, dump in enumerate(dumps)]
    at = {"left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0]}
    trees.append(xgboost.read({**at, "split_conditions": [0.5, 1.0, 2.0], "default_left": [1, 0, 0]}, 2))
    g = Graph()
    graph = ensemble_graph(g, g.cast(g.numbers, "float32"), trees, 3)
    opened = session(g.model({"out": (graph, 1, 3)}, 1, 0))
    below = np.nextafter(np.float32(0.5), np.float32(0))
    x = np.array([[0.0], [np.float32(0.1)], [below], [0.5], [np.nan]])
    got = opened.run(None, {opened.get_inputs()[0].name: x})[0]
    # float32(0.1) is above the double 0.1
    assert got.tolist() == [[1, 1, 1], [2, 2, 1], [2, 2, 1], [2, 2, 2], [1, 2, 1]]


def test_when_it_is_over() -> None:
    valid = rows("binary", 5)
    soon = Effort(time.time() + 60, 0, None)
    watch = Watch({"rate": 0.3}, valid, 100, soon)
    losses = [0.6, 0.5, *[0.55] * 15]
    assert [watch.told(loss) for loss in losses] == [True] * 16 + [False], "patience is 15 at that rate"
    assert watch.rounds() == 2
    blind = Watch({"rate": 0.3}, valid, 100, Effort(time.time() + 60, 0, 3))
    assert [blind.told(None) for _ in range(3)] == [True, True, False]
    assert blind.rounds() == 3
    assert not Watch({"rate": 0.3}, valid, 100, Effort(time.time() - 1, 0, None)).told(0.5), "the clock"
