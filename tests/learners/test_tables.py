"""Learners of tables: what ONNX Runtime answers is what Python answers, whatever the config, whatever the row."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from messy import messy
from seedleaf.core import Context
from seedleaf.data.tables import TableData, folds, load_table
from seedleaf.errors import DataError, StudyError, TrialError
from seedleaf.learners.tables import metrics
from seedleaf.learners.tables.blend import blend
from seedleaf.learners.tables.block import Block, Layout
from seedleaf.learners.tables.deliver import compare, deliver, refit
from seedleaf.learners.tables.features import fit_features
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.registry import FAMILIES, family_config, family_name, space_of
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.source import kind_of, open_source, save
from seedleaf.learners.tables.trial import fold_file, model_file, out_of_fold, run
from seedleaf.learners.tables.written import is_written, raised, remove

TASKS = ("binary", "multiclass", "regression")


def table(task: str) -> TableData:
    import pandas as pd

    return load_table(pd.DataFrame(messy(task)), target="y")


def odd_rows(data: TableData) -> Block:
    """Test rows, then one with nothing known and one with what training never saw."""
    cells: dict[str, list[Any]] = {c.name: ["", "never seen 7"] for c in data.schema.used}
    cells["a"], cells["b"], cells["when"] = ["", "1e9"], ["", "-1e9"], ["", "2190-01-01"]
    layout = Layout.of(data.schema)
    assert data.test is not None
    test, odd = layout.block(data.test), layout.block(data.schema.features(cells))
    words = tuple([*x, *y] for x, y in zip(test.words, odd.words, strict=True))
    return Block(
        layout,
        np.concatenate([test.numbers, odd.numbers]),
        np.concatenate([test.codes, odd.codes]),
        words,
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_says_what_python_says(family: str, task: str) -> None:
    data = table(task)
    n_classes, layout = len(data.schema.target.classes), Layout.of(data.schema)
    space = space_of(kind_of(data.schema, True))
    rng = np.random.default_rng(3)
    configs = [space.complete(family_config(family))]
    while len(configs) < 4:
        config = space.sample(rng)
        configs += [config] if family_name(config) == family else []
    train, odd = layout.block(data.train), odd_rows(data)
    assert np.isnan(odd.numbers).any()
    assert (odd.codes[-1] == [len(x) for x in layout.levels]).all()
    for config in configs:
        effort = Effort(time.time() + 20.0, seed=1, rounds=12)
        fitted = fit_config(config, train, data.y_train, n_classes, effort)
        g = Graph()
        out = {"out": (fitted.graph(g), 1 if n_classes else 11, n_classes or 1)}
        opened = session(g.model(out, len(layout.numbers), len(layout.texts)))
        inputs = [i.name for i in opened.get_inputs()]
        wanted = fitted.predict(odd).reshape(len(odd), -1)
        got = opened.run(None, odd.feed(inputs))[0]
        scale = 1.0 if n_classes else float(data.y_train.std())
        assert np.isfinite(wanted).all()
        assert n_classes or np.abs(wanted - data.y_train.mean()).max() < 100 * scale, (
            "no value carries it away"
        )
        assert np.abs(got - wanted).max() < 1e-5 * scale, config
        for i in (0, len(odd) - 2, len(odd) - 1):
            one = opened.run(None, odd.take(np.array([i])).feed(inputs))[0]
            assert np.abs(one[0] - got[i]).max() < 1e-5 * scale


@pytest.mark.parametrize("task", TASKS)
def test_defaults_learn_something(task: str) -> None:
    data = table(task)
    n_classes, layout = len(data.schema.target.classes), Layout.of(data.schema)
    assert data.test is not None
    assert data.y_test is not None
    train, test = layout.block(data.train), layout.block(data.test)
    space = space_of(kind_of(data.schema, True))
    for name in FAMILIES:
        config = space.complete(family_config(name))
        effort = Effort(time.time() + 20.0, seed=1, rounds=10 if name == "mlp" else 40)
        fitted = fit_config(config, train, data.y_train, n_classes, effort)
        answer = fitted.predict(test)
        if n_classes:
            shares = np.bincount(data.y_train, minlength=n_classes) / len(data.y_train)
            trivial = np.tile(shares, (len(test), 1))
            assert metrics.logloss(data.y_test, answer) < 0.9 * metrics.logloss(data.y_test, trivial), name
        else:
            assert metrics.r2(data.y_test, answer) > 0.4, name


def test_a_row_never_sees_its_own_target() -> None:
    """A category of one row each, target-encoded: cross-fitting leaves nothing to learn, the plain mean gives y away."""
    rng = np.random.default_rng(0)
    n = 200
    y = rng.integers(0, 2, n)
    levels = tuple(f"id{i}" for i in range(n))
    layout = Layout((), (), ("id",), (levels,), ())
    block = Block(layout, np.zeros((n, 0)), np.arange(n, dtype=np.int32)[:, None], ())
    features, x = fit_features(block, y, 2, {"encode": "target"}, rng)
    assert np.ptp(x[:, 0]) < 1e-6, "every row has the prior"
    assert np.corrcoef(features.apply(block)[:, 0], y)[0, 1] > 0.99, (
        "the control: without it the code is the target"
    )


def test_a_class_that_a_fold_lacks_has_no_probability() -> None:
    data = table("multiclass")
    layout = Layout.of(data.schema)
    rows = np.flatnonzero(data.y_train != 1)
    block = layout.block(data.train)
    config = space_of(kind_of(data.schema, True)).complete({"learner": "boosting"})
    effort = Effort(time.time() + 5, 0, 20)
    fitted = fit_config(config, block.take(rows), data.y_train[rows], 3, effort)
    answer = fitted.predict(block)
    assert (answer[:, 1] == 0).all()
    assert np.allclose(answer.sum(1), 1)
    g = Graph()
    opened = session(g.model({"p": (fitted.graph(g), 1, 3)}, len(layout.numbers), len(layout.texts)))
    got = opened.run(None, block.feed([i.name for i in opened.get_inputs()]))[0]
    assert np.abs(got - answer).max() < 1e-5
    one = np.flatnonzero(data.y_train == 0)
    with pytest.raises(TrialError, match="one class"):
        fit_config(config, block.take(one), data.y_train[one], 3, effort)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_folds_are_steps_and_the_delivered_file_is_measured(task: str, tmp_path: Path) -> None:
    data = table(task)
    cache = tmp_path / "cache"
    save(data, folds(data, 3), cache)
    metric = metrics.AUTO[task]
    setup = {"data": str(cache), "metric": metric, "seed": 0, "fit_seconds": 60.0}
    config = space_of(kind_of(data.schema, True)).complete({"learner": "boosting"})
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for folder in (whole, halves):
        folder.mkdir()

    def steps(folder: Path, start: int, stop: int) -> list[float]:
        ctx = Context(0, start, stop, 3, 0, folder, setup=setup)
        return [m.metrics[metric] for m in run(config, ctx)]

    straight = steps(whole, 0, 3)
    assert steps(halves, 0, 1) + steps(halves, 1, 3) == pytest.approx(straight), "paused or not, the same"
    source = open_source(str(cache))
    answer = out_of_fold(source, whole)
    assert np.isfinite(answer).all()
    assert len(answer) == len(source.y_train)
    (halves / fold_file(2)).unlink()
    level = compare(str(whole), str(halves), setup, 2)
    assert (level["gain"], level["se"]) == (0.0, 0.0), "on the folds that both have"
    place = tmp_path / "refit" / "0001"
    assert refit(config, setup, str(place), 20, time.time() + 60)["rounds"] == 20
    models = [place, *(whole / model_file(j) for j in range(3))]
    assert all(is_written(p) for p in models), "the models of the folds stay"
    said = deliver([str(p) for p in models], [0.4, 0.2, 0.2, 0.2], setup, str(tmp_path / "best"))
    assert said["onnx_max_difference"] < 1e-5
    assert said["test"]["n"] == len(source.y_test)
    assert said["bytes"] == (tmp_path / "best" / "model.onnx").stat().st_size
    np.save(place.with_suffix(".npy"), np.load(place.with_suffix(".npy")) + 1.0)
    with pytest.raises(TrialError, match="differs"):
        deliver([str(place)], [1.0], setup, str(tmp_path / "wrong"))
    remove(place)
    assert not is_written(place)
    (cache / "table.npz").write_bytes(b"no table")
    open_source.cache_clear()
    with pytest.raises(DataError, match="load it anew"):
        open_source(str(cache))


def test_metrics_against_scikit_learn() -> None:
    from sklearn import metrics as sk

    rng = np.random.default_rng(1)
    for k in (2, 4):
        y, p = rng.integers(0, k, 300), rng.dirichlet(np.ones(k), 300)
        p = p.round(2) + 0.001
        p /= p.sum(1, keepdims=True)
        assert metrics.logloss(y, p) == pytest.approx(sk.log_loss(y, p))
        assert metrics.balanced_accuracy(y, p) == pytest.approx(sk.balanced_accuracy_score(y, p.argmax(1)))
        assert metrics.f1(y, p) == pytest.approx(
            sk.f1_score(y, p.argmax(1), average="binary" if k == 2 else "macro")
        )
        known = sk.roc_auc_score(y, p[:, 1] if k == 2 else p, multi_class="ovr")
        assert metrics.auc(y, p) == pytest.approx(known)
    y, p = rng.normal(size=100), rng.normal(size=100)
    assert metrics.r2(y, p) == pytest.approx(sk.r2_score(y, p))
    assert metrics.metric_for("binary", "roc_auc").name == "auc"
    with pytest.raises(StudyError, match="no metric for regression is called 'auc'; there are: auto, rmse"):
        metrics.metric_for("regression", "auc")


def test_a_power_of_probabilities_sums_to_one() -> None:
    p = np.array([[0.2, 0.8], [0.5, 0.5], [0.0, 1.0]])
    assert raised(p, 1.0) is p
    assert raised(p, 0.5)[0] == pytest.approx([np.sqrt(0.2), np.sqrt(0.8)] / (np.sqrt(0.2) + np.sqrt(0.8)))


def test_a_blend_is_better_than_its_best_and_leaves_out_what_adds_nothing(tmp_path: Path) -> None:
    data = table("binary")
    cache = tmp_path / "cache"
    save(data, folds(data, 3), cache)
    source = open_source(str(cache))
    rng = np.random.default_rng(0)
    names = ("one", "other", "copy", "noise")
    signs = 2.0 * source.y_train - 1
    scores = {n: signs * 0.6 + rng.normal(size=len(signs)) for n in names}
    scores["copy"], scores["noise"] = scores["one"], rng.normal(size=len(signs))
    for name in names:
        (tmp_path / name).mkdir()
        for j, (_, valid) in enumerate(source.folds):
            one = 1 / (1 + np.exp(-3 * scores[name][valid]))
            np.save(tmp_path / name / f"fold-{j}.npy", np.column_stack([1 - one, one]))
    found = blend([str(tmp_path / n) for n in names], {"data": str(cache), "metric": "logloss"}, 3)
    weights = dict(zip(names, found["weights"], strict=True))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["other"] > 0.2
    assert weights["copy"] == 0 or weights["one"] == 0
    assert sum(w > 0 for w in weights.values()) <= 4
    assert found["after"] < 0.9 * found["before"]
    alone = blend([str(tmp_path / n) for n in ("one", "copy")], {"data": str(cache), "metric": "error"}, 2)
    assert alone["weights"] == [1.0, 0.0], "two of the same are one"
    assert alone["power"] < 0.9, "it was too sure of itself"
