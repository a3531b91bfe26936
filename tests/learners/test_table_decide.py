"""From which probability on a rare class is said: where it pays, honest about what it brings, and part of the file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn import metrics as sk

from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.decide import choose, crossed, decided, decision, powered, threshold
from seedleaf.learners.tables.deliver import deliver, refit
from seedleaf.learners.tables.importance import importance
from seedleaf.learners.tables.metrics import METRICS, fits, metric_for
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import open_source, save
from seedleaf.modality.table_spec import TableSpec, baseline
from seedleaf.predicting.tables import TablePredictor

TUNED = ("f1", "macro_f1", "balanced_accuracy", "mcc")


def rare(n: int, seed: int = 0) -> tuple[Any, Any]:
    """Labels of which one in twelve is 1, and true probabilities that seldom reach a half."""
    rng = np.random.default_rng(seed)
    one = 1 / (1 + np.exp(-(rng.normal(size=n) * 1.3 - 3.0)))
    return (rng.random(n) < one).astype(int), np.column_stack([1 - one, one])


@pytest.mark.parametrize("name", TUNED)
def test_a_rare_class_is_said_earlier_where_that_pays(name: str) -> None:
    goal, (y, p), (y_new, p_new) = METRICS[name], rare(3_000), rare(20_000, 1)
    found = decision(goal, y, p)
    cut = threshold(found["weights"])
    assert 0.02 < cut < 0.4
    gained = goal.score(y_new, decided(p_new, np.array(found["weights"])))
    assert gained > goal.score(y_new, p_new) + 0.08
    best = max(goal.score(y_new, p_new * [c, 1 - c]) for c in np.linspace(0.02, 0.6, 59))
    assert gained > best - 0.03
    assert found["after"] == pytest.approx(gained, abs=0.05), "what is told of it holds on new rows"


def test_nothing_is_chosen_where_nothing_is_gained() -> None:
    y, p = rare(2_000)
    for name in ("logloss", "auc", "accuracy", "error", "average_precision"):
        assert decision(METRICS[name], y, p)["weights"] == []
        assert crossed(METRICS[name], y, p) == METRICS[name].score(y, p)
    rng = np.random.default_rng(0)
    even, noise = rng.integers(0, 2, 400), rng.random(400)
    found = decision(METRICS["balanced_accuracy"], even, np.column_stack([1 - noise, noise]))
    assert abs(found["after"] - 0.5) < 0.06, "noise is not sold as a gain"


def test_of_many_classes_the_rare_ones_are_favoured() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.9, 0.07, 0.03])
    y = rng.choice(3, 4_000, p=shares)
    score = np.log(shares) + 1.6 * np.eye(3)[y] + rng.normal(size=(4_000, 3))
    p = np.exp(score) / np.exp(score).sum(1, keepdims=True)
    goal = METRICS["balanced_accuracy"]
    found = decision(goal, y, p)
    assert found["weights"] == sorted(found["weights"])
    assert found["after"] > found["before"] + 0.1
    assert goal.score(y, decided(p, np.array(found["weights"]))) > found["before"] + 0.1


def test_a_decision_holds_for_probabilities_raised_to_a_power() -> None:
    _, p = rare(500)
    weights = [0.2, 0.8]
    raised = p**1.7 / (p**1.7).sum(1, keepdims=True)
    assert np.array_equal((p * weights).argmax(1), (raised * powered(weights, 1.7)).argmax(1))
    assert powered([], 1.7) == []
    assert threshold(weights) == pytest.approx(0.2)
    assert choose(METRICS["f1"], np.array([0, 1, 0, 1]), p[:4]).shape == (2,)


def test_the_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    for k in (2, 4):
        y, p = rng.integers(0, k, 300), rng.dirichlet(np.ones(k), 300).round(2)
        said = p.argmax(1)
        assert METRICS["mcc"].score(y, p) == pytest.approx(sk.matthews_corrcoef(y, said))
        assert METRICS["macro_f1"].score(y, p) == pytest.approx(sk.f1_score(y, said, average="macro"))
        assert METRICS["accuracy"].score(y, p) == pytest.approx(sk.accuracy_score(y, said))
        each = [sk.average_precision_score(y == j, p[:, j]) for j in (range(1, 2) if k == 2 else range(k))]
        assert METRICS["average_precision"].score(y, p) == pytest.approx(np.mean(each))
    y, p = rng.exponential(size=100), rng.exponential(size=100)
    assert METRICS["rmsle"].score(y, p) == pytest.approx(np.sqrt(sk.mean_squared_log_error(y, p)))
    assert METRICS["mape"].score(y, p) == pytest.approx(sk.mean_absolute_percentage_error(y, p))
    assert fits(METRICS["rmsle"], y)
    assert not fits(METRICS["rmsle"], -y)
    assert metric_for("binary", "accuracy").name == "accuracy"
    one = np.array([[0.9, 0.1]] * 4)
    assert METRICS["mcc"].score(np.array([0, 0, 1, 0]), one) == 0.0
    assert METRICS["f1"].score(np.zeros(4, int), one) == 0.0


def table(n: int = 500) -> Any:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=n), rng.normal(size=n)
    hit = rng.random(n) < 1 / (1 + np.exp(-(1.5 * a - 2.6)))
    return pd.DataFrame({"a": a.round(4), "b": b.round(4), "y": np.where(hit, "größer", "no")})


@pytest.mark.parametrize("power", [1.0, 1.8])
def test_the_file_says_the_class_and_prediction_follows_it(power: float, tmp_path: Path) -> None:
    frame = table()
    data = load_table(frame, target="y")
    save(data, folds(data, 3), tmp_path / "cache")
    setup = {"data": str(tmp_path / "cache"), "metric": "f1", "seed": 0}
    config = space_of(open_source(setup["data"]).kind).complete({"learner": "linear"})
    place = str(tmp_path / "model")
    refit(config, setup, place, 0, time.time() + 60)
    weights = [0.8, 0.2]  # "größer" is the first class: it is said from 0.2 on
    body = deliver([place], [1.0], setup, str(tmp_path / "best"), power, decision=weights)
    assert body["decision"] == pytest.approx(powered(weights, power))
    model = TablePredictor.open(tmp_path / "best")
    p, said = model.told(frame)
    cut = 0.2**power / (0.2**power + 0.8**power)
    assert [k == 0 for k in said] == (p[:, 0] > cut).tolist()
    assert model.predict(frame) == [model.classes[k] for k in said]
    assert sum(k == 0 for k in said) > (p[:, 0] > 0.5).sum()
    run = onnxruntime.InferenceSession(tmp_path / "best" / "model.onnx")
    assert [o.name for o in run.get_outputs()] == ["probabilities", "label"]
    cells = frame[["a", "b"]].astype(str).to_numpy(object)
    label = run.run(["label"], {"cells": cells})[0]
    assert label.tolist() == model.predict(frame)
    told = json.loads(run.get_modelmeta().custom_metadata_map["seedleaf.decision"])
    assert told == pytest.approx(body["decision"])
    source = open_source(setup["data"])
    right = np.array(model.told(frame.iloc[:0])[1])
    assert len(right) == 0
    assert body["test"]["accuracy"] == pytest.approx(np.trace(body["confusion"]) / len(source.y_test))
    assert np.array(body["confusion"])[:, 0].sum() > 0
    found = importance([place], [1.0], power, setup, 10.0, weights)
    assert found["score"] == pytest.approx(body["test"]["f1"])


def test_without_a_decision_the_most_probable_class_is_said(tmp_path: Path) -> None:
    frame = table()
    data = load_table(frame, target="y")
    save(data, folds(data, 3), tmp_path / "cache")
    setup = {"data": str(tmp_path / "cache"), "metric": "logloss", "seed": 0}
    config = space_of(open_source(setup["data"]).kind).complete({"learner": "linear"})
    refit(config, setup, str(tmp_path / "model"), 0, time.time() + 60)
    body = deliver([str(tmp_path / "model")], [1.0], setup, str(tmp_path / "best"))
    assert body["decision"] == []
    p, said = TablePredictor.open(tmp_path / "best").told(frame)
    assert said == p.argmax(1).tolist()


def test_the_baseline_says_what_is_best_said_of_every_row() -> None:
    data = load_table(table(), target="y")
    source, y = data.schema, data.y_train
    from seedleaf.learners.tables.source import kind_of

    found = baseline(TableSpec(source, kind_of(source, False), 3, "f1"), y)
    rate = y.mean()
    assert found["f1"] == pytest.approx(2 * rate / (1 + rate))
    assert rate < 0.5, "the rare class is the positive one"
    assert found["what"] == "always 'größer'"
    assert baseline(TableSpec(source, kind_of(source, False), 3, "accuracy"), y)["what"] == "always 'no'"
