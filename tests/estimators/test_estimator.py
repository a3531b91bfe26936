"""`ImageClassifier`: scikit-learn's own checks with a stand-in for the training, then one real fit.

The checks fit an estimator some two hundred times, and a fit takes twenty seconds or more. So they run with a stand-in
for `seedleaf.fit` (the nearest mean picture): what they look at is the estimator's own work on parameters, labels,
shapes and errors.
"""

from __future__ import annotations

import copy
import gc
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from runs import draw
from seedleaf import ImageClassifier
from seedleaf.errors import BudgetError, LimitError, SpaceError, StudyError


@dataclass
class NearestMean:
    """What `fit` hands back, as far as the estimator looks at it."""

    means: np.ndarray
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(k) for k in range(len(self.means)))

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8
        assert images.ndim == 4
        flat = images.reshape(len(images), -1).astype(float)
        far = ((flat[:, None] - self.means[None]) ** 2).mean(2) / 100.0
        odds = np.exp(-(far - far.min(1, keepdims=True)))
        return np.asarray(odds / odds.sum(1, keepdims=True), dtype=np.float32)


def nearest_mean(data: tuple[np.ndarray, np.ndarray], **asked: Any) -> NearestMean:
    x, y = data
    flat = x.reshape(len(x), -1).astype(float)
    return NearestMean(np.stack([flat[y == k].mean(0) for k in range(int(y.max()) + 1)]), asked)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.estimators.images.fit", nearest_mean)


# What does not apply: a picture is nothing that can be learned from bare columns with a single sample or feature.
EXPECTED: dict[str, str] = {}


@parametrize_with_checks(
    [ImageClassifier(time_limit="20s", workers=1)], expected_failed_checks=lambda _: EXPECTED
)
def test_scikit_learn(estimator: Any, check: Any, stand_in: None) -> None:
    check(estimator)


# --- the wrapper ---


def pictures(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) % 3
    return np.stack([draw(int(k), i) for i, k in enumerate(y)]), y


def test_parameters_are_those_of_fit_and_are_passed_on(stand_in: None, tmp_path: Path) -> None:
    given = {"time_limit": "2m", "max_params": "20k", "max_macs": 5_000_000,
             "max_latency": 0.5, "max_bytes": "50k", "preset": "best", "workers": 3,
             "random_state": 7, "out": tmp_path / "run", "learner": "timm:resnet10t@scratch",
             "tradeoff": "macs", "fidelity": "data"}  # fmt: skip
    model = ImageClassifier(**given)
    assert model.get_params() == given
    assert clone(model).get_params() == given
    assert clone(model).set_params(preset="quick").preset == "quick"
    asked = model.fit(*pictures()).result_.asked  # type: ignore[attr-defined]
    assert asked.pop("command") == "ImageClassifier.fit"
    assert asked == {**{k: v for k, v in given.items() if k != "random_state"}, "seed": 7}


def test_labels_of_any_kind_come_back(stand_in: None) -> None:
    X, y = pictures()
    for names in (np.array(["zebra", "ant", "猫"]), np.array([30, -1, 7]), np.array([True, False, True])):
        model = ImageClassifier().fit(X, names[y])
        assert set(model.predict(X)) <= set(names)
        assert (model.predict(X) == names[y]).mean() > 0.5
        assert list(model.classes_) == sorted(set(names.tolist()))


def test_columns_of_probabilities_follow_the_classes_however_the_run_orders_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run sorts its classes as text: 10 comes before 2."""

    class Shuffled(NearestMean):
        @property
        def classes(self) -> tuple[str, ...]:
            return tuple(sorted(super().classes))

        def predict_proba(self, images: np.ndarray) -> np.ndarray:
            return super().predict_proba(images)[:, [int(c) for c in self.classes]]

    monkeypatch.setattr(
        "seedleaf.estimators.images.fit", lambda data, **_: Shuffled(nearest_mean(data).means)
    )
    y = np.arange(48) % 12
    X = np.zeros((48, 6, 6), np.uint8)
    X[np.arange(48), y // 6, y % 6] = 250
    model = ImageClassifier().fit(X, y)
    assert (model.predict(X) == y).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1)


@pytest.mark.parametrize("shape", [(30, 12, 12, 3), (30, 36, 12)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int64])
def test_pictures_of_any_shape_and_number(stand_in: None, shape: tuple[int, ...], kind: type) -> None:
    X, y = pictures()
    X = X.reshape(shape).astype(kind)
    model = ImageClassifier().fit(X, y)
    assert (model.predict(X) == y).mean() > 0.5


def test_numbers_are_scaled_by_the_range_seen_in_fit(stand_in: None) -> None:
    X, y = pictures()
    bytes_, floats = ImageClassifier().fit(X, y), ImageClassifier().fit(X / X.max() * 2 - 1, y)
    np.testing.assert_allclose(bytes_.predict_proba(X), floats.predict_proba(X / X.max() * 2 - 1), atol=0.2)
    floats.predict(X / X.max() * 2.2 - 1.1)  # a little outside of what was seen: clipped


@pytest.mark.parametrize("kind", ["whole", "decimal"])
def test_pictures_on_another_scale_than_those_of_fit_are_refused(stand_in: None, kind: str) -> None:
    x, y = pictures(24)
    decimal = x / 255
    seen, other = (x, decimal) if kind == "whole" else (decimal, x)
    model = ImageClassifier(time_limit=30).fit(seen, y)
    with pytest.raises(
        ValueError, match=r"reaches .*, but what was fitted went from 0 to .*bring X to its scale"
    ):
        model.predict(other)
    assert len(model.predict(np.zeros_like(seen[:1]))) == 1, "a black picture is on any scale"
    assert np.array_equal(model.predict(seen), model.predict(seen.astype(float)))
    one = seen.astype(float)
    one[0, 0, 0] *= 100
    assert len(model.predict(one)) == len(one), "a pixel that is too bright is cut"


def test_pictures_within_a_small_part_of_the_range_are_warned_of(stand_in: None) -> None:
    x, y = pictures(24)
    model = ImageClassifier(time_limit=30).fit(x.astype(float), y)
    with pytest.warns(UserWarning, match="is it on the same scale"):
        model.predict(x / 255)


def test_rows_of_colour_pictures_are_told_apart_from_grey_ones(stand_in: None) -> None:
    x, y = np.zeros((6, 3 * 32 * 32), np.uint8), np.arange(6) % 2
    with pytest.raises(ValueError, match=r"rows of 3072 may be colour pictures of 32×32.*\(N, 32, 32, 3\)"):
        ImageClassifier(time_limit=30).fit(x, y)


def test_it_works_inside_a_search_and_a_pipeline(stand_in: None) -> None:
    X, y = pictures()
    search = GridSearchCV(ImageClassifier(), {"preset": ["quick", "good"]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.4
    assert (make_pipeline(ImageClassifier()).fit(X, y).predict(X) == y).mean() > 0.5


def test_mistakes_are_told(tmp_path: Path) -> None:
    X, y = pictures()
    for name in ("tradeoff", "fidelity", "learner"):
        model = ImageClassifier(time_limit="20s", **{name: "speed"})
        with pytest.raises((StudyError, SpaceError), match=f"no {name} is called 'speed'"):
            model.fit(X, y)
    with pytest.raises(BudgetError, match="too short"):
        ImageClassifier(time_limit="1s").fit(X, y)
    with pytest.raises(LimitError, match="params"):
        ImageClassifier(time_limit="20s", max_params=5, workers=1).fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        ImageClassifier().fit(X, y * 0)
    with pytest.raises(ValueError, match="inconsistent"):
        ImageClassifier().fit(X, y[:-1])
    with pytest.raises(NotFittedError):
        ImageClassifier().predict(X)


# --- once for real ---


@pytest.fixture(scope="module")
def fitted() -> ImageClassifier:
    X, y = pictures(120)
    return ImageClassifier(
        time_limit="20s", max_params="5k", workers=1, learner="convnet", tradeoff="params", fidelity="epochs"
    ).fit(X, np.array(["bar", "cross", "block"])[y])


def test_a_short_fit_learns(fitted: ImageClassifier) -> None:
    X, y = pictures(60)
    assert fitted.score(X, np.array(["bar", "cross", "block"])[y]) > 0.6
    assert fitted.result_.best.metrics["params"] <= 5000
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1)


def test_it_survives_pickling_joblib_and_copying(fitted: ImageClassifier, tmp_path: Path) -> None:
    X, _ = pictures(20)
    before = fitted.predict_proba(X)
    joblib.dump(fitted, tmp_path / "model.joblib")
    for twin in (
        pickle.loads(pickle.dumps(fitted)),
        joblib.load(tmp_path / "model.joblib"),
        copy.deepcopy(fitted),
    ):
        np.testing.assert_array_equal(twin.predict_proba(X), before)
        assert twin.get_params() == fitted.get_params()
        assert len(twin.result_.trials) == len(fitted.result_.trials)


def test_the_folder_goes_with_the_estimator_and_its_twins_stay_usable(stand_in: None) -> None:
    X, y = pictures()
    model = ImageClassifier().fit(X, y)
    folder = Path(model.result_.asked["out"])  # type: ignore[attr-defined]
    assert folder.is_dir()
    twin = pickle.loads(pickle.dumps(model))
    del model
    gc.collect()
    assert not folder.exists()
    assert (twin.predict(X) == y).mean() > 0.5
