"""`TabularClassifier` and `TabularRegressor`: scikit-learn's own checks with a stand-in for the search, then real fits.

As for pictures (test_estimator.py) the checks look at the estimator's own work: parameters, labels, columns, errors.
"""

from __future__ import annotations

import inspect
import json
import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import seedleaf
from messy import messy
from seedleaf import TabularClassifier, TabularRegressor
from seedleaf.data.tables import load_table
from seedleaf.errors import BudgetError, LimitError
from seedleaf.estimators.left_out import left_out
from seedleaf.folder import NewFolder
from seedleaf.job import Job
from seedleaf.learners.tables.source import open_source
from seedleaf.modality.tables import Tables
from seedleaf.predicting.tables import TablePredictor


class StandIn:
    """What `fit` hands back, as far as the estimators look at it: a linear model of the numbers of the frame."""

    def __init__(self, data: pd.DataFrame, target: str, task: str, **asked: Any) -> None:
        self.asked = {**asked, "target": target, "task": task}
        self.columns = [c for c in data.columns if c != target]
        y = data[target]
        x = self._numbers(data)
        self.model = LinearRegression() if task == "regression" else LogisticRegression(max_iter=2_000)
        self.model.fit(x, y)
        self.middle, self.spread = 0.0, 1.0

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.model.classes_)

    @property
    def predictor(self) -> StandIn:
        return self

    def _numbers(self, data: pd.DataFrame) -> Any:
        x = data[self.columns].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(float)
        if not hasattr(self, "shift"):
            self.shift, self.scale = x.mean(0), x.std(0) + 1e-9
        return (x - self.shift) / self.scale

    def probabilities(self, data: pd.DataFrame) -> Any:
        return self.model.predict_proba(self._numbers(data))

    def predict(self, data: pd.DataFrame) -> Any:
        return self.model.predict(self._numbers(data))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.estimators.tables.fit", StandIn)


@parametrize_with_checks([TabularClassifier(workers=1), TabularRegressor(workers=1)])
def test_scikit_learn(estimator: Any, check: Any, stand_in: None) -> None:
    check(estimator)


def test_parameters_are_those_of_fit_and_are_passed_on(stand_in: None, tmp_path: Path) -> None:
    given = {"time_limit": "2m", "metric": "auc", "max_bytes": "50k", "max_latency": 0.5, "memory": "2G",
             "folds": 3, "families": "linear", "group": "a", "order_by": None, "keep": ["a"], "copies": "keep",
             "workers": 3, "random_state": 7, "out": tmp_path / "run"}  # fmt: skip
    model = TabularClassifier(**given)
    assert model.get_params() == given
    assert clone(model).get_params() == given
    X = pd.DataFrame({"a": np.arange(20.0), "target": np.arange(20.0) % 3})
    asked = model.fit(X, np.arange(20) % 2).result_.asked  # type: ignore[attr-defined]
    assert asked.pop("command") == "TabularClassifier.fit"
    seed = {k: v for k, v in given.items() if k != "random_state"} | {"seed": 7}
    assert asked == {
        **seed,
        "target": "target_",
        "task": "classification",
        "test": "none",
        "positive": "1",
    }, "X has a column called target"


def test_they_take_what_fit_takes_for_tables() -> None:
    """But for what X and y say, what scikit-learn calls otherwise, and what is for images or for the command line."""
    own = set(inspect.signature(TabularClassifier).parameters)
    fits = set(inspect.signature(seedleaf.fit).parameters)
    assert own - fits == {"random_state"}
    of_images = {"max_params", "max_macs", "preset", "learner", "fidelity", "tradeoff", "inherit", "side"}
    assert fits - own - of_images == {
        "data", "target", "task", "test", "positive", "seed", "sampler", "scheduler", "view", "command", "began",
    }  # fmt: skip
    assert own == set(inspect.signature(TabularRegressor).parameters)


def test_what_is_not_learned_from_is_told() -> None:
    frame = pd.DataFrame(
        {"name": [f"n{k}" for k in range(200)], "x": np.arange(200) % 17, "z": np.arange(200) % 13}
    )
    goal = (np.arange(200) * 7) % 5 * 1.5
    schema = load_table(frame.assign(target=goal), target="target", test="none").schema
    assert left_out(schema).startswith("not used: the 1 column name (it names the row")
    plain = frame[["x", "z"]].assign(w=np.random.default_rng(0).normal(size=200), target=goal)
    assert left_out(load_table(plain, target="target", test="none").schema) == ""
    twice = load_table(pd.concat([plain, plain.head(20)]), target="target", test="none").schema
    assert left_out(twice) == "not used: 20 rows exactly like earlier ones (copies='keep' trains on them)"


def test_of_the_columns_that_split_only_lost_rows_are_told() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"who": np.arange(200) % 20, "x": rng.normal(size=200), "target": rng.normal(size=200)}
    )
    whole = load_table(frame, target="target", test="none", group="who").schema
    assert left_out(whole) == "", "a column that was asked for to split by is no loss"
    frame["when"] = np.where(np.arange(200) < 3, np.nan, rng.permutation(200) // 4)
    timed = load_table(frame, target="target", test="none", order_by="when").schema
    assert left_out(timed) == "not used: 3 rows without a place in when"


def folds_of(monkeypatch: pytest.MonkeyPatch, folder: Path, model: Any, X: pd.DataFrame, y: Any) -> Any:
    """The folds that a fit of `model` is judged on, as its workers see them; nothing is trained."""

    def begin(place: NewFolder, job: Job, data: Any, *_: Any) -> Any:
        assert json.loads(json.dumps(job.options)) == job.options, "it can be resumed"
        spec = Tables().prepare(place.path / "cache", job, data, None)
        return SimpleNamespace(predictor=TablePredictor(b"", spec.schema), classes=spec.schema.target.classes)

    monkeypatch.setattr("seedleaf.api.begin", begin)
    model.set_params(out=folder / "run", workers=1).fit(X, y)
    return open_source(str(folder / "run" / "cache")).folds


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_rows_of_a_group_are_never_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: str
) -> None:
    rng = np.random.default_rng(0)
    who = rng.integers(0, 25, 240)
    X = pd.DataFrame({"who": [f"p{k}" for k in who], "x": rng.normal(size=240)})
    y = rng.integers(0, 2, 240) if task == "classes" else rng.normal(size=240)
    kind = TabularClassifier if task == "classes" else TabularRegressor
    split = folds_of(monkeypatch, tmp_path / "g", kind(group="who"), X, y)
    assert sum(len(valid) for _, valid in split) == 240
    assert not any(set(who[train]) & set(who[valid]) for train, valid in split)
    without = folds_of(monkeypatch, tmp_path / "p", kind(keep=["who"]), X, y)
    assert all(set(who[train]) & set(who[valid]) for train, valid in without)


def test_rows_are_judged_in_the_order_of_a_column(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    day = rng.permutation(200)
    X = pd.DataFrame(
        {"day": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, "D"), "x": rng.normal(size=200)}
    )
    split = folds_of(monkeypatch, tmp_path, TabularRegressor(order_by="day"), X, rng.normal(size=200))
    source = open_source(str(tmp_path / "run" / "cache"))
    x = source.train.numbers[:, source.train.layout.numbers.index("x")]
    place = dict(zip(X["x"].astype(np.float32), day, strict=True))
    days = np.array([place[v] for v in x.astype(np.float32)])
    assert len(split) == 5
    assert all(days[train].max() < days[valid].min() for train, valid in split)


def test_columns_to_split_by_that_there_are_not_are_errors(stand_in: None) -> None:
    X, y = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20) % 3}), np.arange(20) % 2
    for option in ("group", "order_by"):
        for wrong in ("c", "", 0, ["a"], float("nan")):
            with pytest.raises(ValueError, match=f"^{option}=.* is no column of X; there are: a, b$"):
                TabularClassifier(**{option: wrong}).fit(X, y)
        with pytest.raises(ValueError, match=f"^{option}='x0' names a column: X must be a pandas DataFrame"):
            TabularRegressor(**{option: "x0"}).fit(X.to_numpy(), y)
        with pytest.raises(ValueError, match=r"target' is no column of X; there are: a, b$"):
            TabularRegressor(**{option: "target"}).fit(X, y)
    with pytest.raises(ValueError, match="not both"):
        TabularClassifier(group="a", order_by="b").fit(X, y)
    numbered = TabularClassifier(group=1).fit(pd.DataFrame(X.to_numpy()), y)
    assert numbered.result_.asked["group"] == "1"  # type: ignore[attr-defined]


def test_a_fit_warns_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=60), "e": None, "one": 1, "name": [f"n{k}" for k in range(60)]})

    def fitted(data: pd.DataFrame, target: str, **asked: Any) -> Any:
        schema = load_table(data, target=target, test="none", keep=asked["keep"] or ()).schema
        return SimpleNamespace(predictor=TablePredictor(b"", schema), classes=schema.target.classes)

    monkeypatch.setattr("seedleaf.estimators.tables.fit", fitted)
    y = rng.normal(size=60)
    with pytest.warns(
        UserWarning, match=r"^not used: the 1 column name \(it names the rows?\) \(keep=\[…\] keeps them\)$"
    ):
        TabularRegressor().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TabularRegressor(keep=["name"]).fit(X, y)


def test_labels_of_any_kind_come_back(stand_in: None) -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    X[:, 0] += y
    for names in (
        np.array(["zebra", "?", "猫"]),
        np.array([30, -1, 7]),
        np.array([1.0, 2.0, 10.0]),
        np.array(["a", " a", "b"], dtype=object),
    ):
        model = TabularClassifier().fit(X, names[y])
        assert set(model.predict(X)) <= set(names)
        assert model.score(X, names[y]) > 0.5
        assert model.predict_proba(X).shape == (60, 3)


def test_what_is_said_follows_the_threshold_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(StandIn):
        def predict(self, data: pd.DataFrame) -> Any:
            return [self.classes[int(p > 0.1)] for p in self.probabilities(data)[:, 1]]

    monkeypatch.setattr("seedleaf.estimators.tables.fit", Eager)
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = np.where(x[:, 0] + x[:, 1] > 1.0, "rare", "common")
    found = TabularClassifier(metric="f1").fit(x, y)
    likely = found.predict_proba(x)[:, list(found.classes_).index("rare")]
    assert ((found.predict(x) == "rare") == (likely > 0.1)).all()
    assert ((likely > 0.1) & (likely < 0.5)).any()


def test_columns_go_by_name_in_their_order_and_arrays_by_place(stand_in: None) -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
    y = X["a"] * 3 - X["c"]
    model = TabularRegressor().fit(X, y)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.score(X, y) > 0.99
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"a": "z"}))
    turned = X[["c", "a", "b"]]
    with pytest.raises(ValueError, match="same order"):
        model.predict(turned)
    assert model.score(turned[model.feature_names_in_], y) > 0.99, "as the docs say"
    with pytest.raises(ValueError, match="3 features"):
        TabularRegressor().fit(X.to_numpy(), y).predict(X.to_numpy()[:, :2])
    numbered = pd.DataFrame(X.to_numpy())
    assert TabularRegressor().fit(numbered, y).score(numbered, y) > 0.99
    assert list(X.columns) == ["a", "b", "c"], "what was given stays as it was"


def test_it_works_inside_a_search_and_a_cross_validation(stand_in: None) -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    X[:, 1] += 2 * y
    assert cross_val_score(TabularClassifier(), X, y, cv=3).mean() > 0.7
    assert GridSearchCV(TabularClassifier(), {"metric": ["auc", "logloss"]}, cv=2).fit(X, y).best_score_ > 0.7


def test_mistakes_are_told() -> None:
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    with pytest.raises(BudgetError, match="too short"):
        TabularClassifier(time_limit="1s").fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        TabularClassifier().fit(X, y * 0)
    with pytest.raises(ValueError, match="inconsistent"):
        TabularClassifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="too few"):
        TabularRegressor().fit(X[:5], y[:5])
    with pytest.raises(ValueError, match="NaN or infinity"):
        TabularRegressor().fit(X, np.where(y, np.nan, 1.0))
    with pytest.raises(ValueError, match="unique column names"):
        TabularRegressor().fit(pd.DataFrame(X, columns=["a", "a"]), y)
    with pytest.raises(NotFittedError):
        TabularClassifier().predict(X)
    with pytest.raises(NotFittedError):
        TabularRegressor().export("model.onnx")


# --- once for real ---


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, pd.Series]:
    frame = pd.DataFrame(messy("binary", 300))
    frame["when"] = pd.to_datetime(frame["when"])
    frame["size"] = frame["size"].astype("category")
    return frame.drop(columns="y"), frame["y"]


@pytest.fixture(scope="module")
def fitted(table: tuple[pd.DataFrame, pd.Series]) -> TabularClassifier:
    return TabularClassifier(time_limit="24s", folds=2, workers=1, max_bytes="60k").fit(*table)


def test_a_short_fit_learns_and_keeps_the_limit(
    fitted: TabularClassifier, table: tuple[pd.DataFrame, pd.Series], tmp_path: Path
) -> None:
    import onnxruntime

    X, y = table
    assert fitted.score(X, y) > 0.7
    assert list(fitted.classes_) == ["low", "mid"]
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1)
    place = fitted.export(tmp_path / "model.onnx")
    assert place.stat().st_size <= 60_000
    assert onnxruntime.InferenceSession(place).get_modelmeta().custom_metadata_map["seedleaf.classes"] == (
        '["low", "mid"]'
    )
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))
    assert (twin.predict(X.iloc[::-1]) == fitted.predict(X)[::-1]).all()


def test_a_limit_that_cannot_be_kept_is_an_error(table: tuple[pd.DataFrame, pd.Series]) -> None:
    with pytest.raises(LimitError, match="reading the cells"):
        TabularClassifier(time_limit="30s", workers=1, max_bytes=400).fit(*table)


def test_a_regression_of_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).round(4)
    X[::7, 2] = np.nan
    y = 100 + 5 * X[:, 0] - 3 * X[:, 1] + rng.normal(size=200)
    model = TabularRegressor(time_limit="16s", folds=2, workers=1, out=tmp_path / "run").fit(X, y)
    assert model.score(X, y) > 0.7
    assert (tmp_path / "run" / "best" / "model.onnx").exists()
