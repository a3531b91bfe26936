"""Neighbours and support vector machines: what they answer is what scikit-learn's answer, or what the definition says."""

from __future__ import annotations

import time

import numpy as np
import pytest

from seedleaf.errors import TrialError
from seedleaf.learners.tables.distance import chosen_rows, halved, in_batches
from seedleaf.learners.tables.knn import KnnFamily
from seedleaf.learners.tables.model import Effort, Rows
from seedleaf.learners.tables.svm import SvmFamily, _machines


def effort(seconds: float = 30.0) -> Effort:
    return Effort(time.time() + seconds, seed=1)


def blobs(n: int, k: int, seed: int = 0) -> Rows:
    """k classes around points of a circle, rounded to what a file keeps."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    angle = 2 * np.pi * y / k
    x = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.3 * rng.normal(size=(n, 2))
    return Rows(halved(x.astype(np.float32)).astype(np.float32), y, k, 2)


@pytest.mark.parametrize("k", [2, 4])
def test_machines_decide_as_libsvm_does(k: int) -> None:
    from sklearn.svm import SVC

    rows = blobs(150, k)
    model = SVC(C=2.0, gamma=0.7, decision_function_shape="ovo").fit(rows.x.astype(np.float64), rows.y)
    wanted = model.decision_function(rows.x.astype(np.float64)).reshape(150, -1)
    ours = _machines({"cost": 2.0}, 0.7, halved(rows.x), rows.y, k)
    assert np.abs(ours.decide(rows.x) - wanted).max() < 1e-5
    fitted = SvmFamily().fit({"cost": 2.0, "pitch": 1.0}, rows, None, effort())
    fresh = blobs(300, k, seed=1)
    right = (fitted.predict(fresh.x).argmax(1) == fresh.y).mean()
    assert right > 0.9
    sure = fitted.predict(fresh.x).max(1).mean()
    assert abs(sure - right) < 0.08, "probabilities mean what they say"


def test_a_regression_machine_follows_a_curve() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (300, 1)).astype(np.float32)
    rows = Rows(x, np.sin(2 * x[:, 0]).astype(np.float64), 0, 1)
    fitted = SvmFamily().fit({"cost": 10.0, "pitch": 1.0, "tube": 0.02}, rows, None, effort())
    assert np.abs(fitted.predict(x)[:, 0] - rows.y).max() < 0.1


def test_too_many_classes_are_refused() -> None:
    with pytest.raises(TrialError, match="30 classes are too many"):
        SvmFamily().fit({"cost": 1.0, "pitch": 1.0}, blobs(90, 30), None, effort())


def test_a_machine_takes_fewer_rows_where_time_is_short() -> None:
    rows = blobs(3_000, 2)
    short = SvmFamily().fit({"cost": 1.0, "pitch": 1.0}, rows, None, effort(0.0))
    assert len(short.kept) <= 400


def test_neighbours_weigh_by_how_near_they_are() -> None:
    x = np.array([[0.0], [1.0], [2.0], [10.0]], np.float32)
    rows = Rows(x, np.array([0.0, 1.0, 2.0, 10.0]), 0, 1)
    fitted = KnnFamily().fit({"neighbours": 2, "doubt": 1e-9}, rows, None, effort())
    # To 0.5: both at 0.25, the third at 2.25 has no weight; so they count alike.
    assert fitted.predict(np.array([[0.5]], np.float32))[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert fitted.predict(np.array([[0.0]], np.float32))[0, 0] == pytest.approx(0.75 / 1.75, abs=1e-6)
    doubting = KnnFamily().fit({"neighbours": 2, "doubt": 1e6}, rows, None, effort())
    assert doubting.predict(x)[0, 0] == pytest.approx(rows.y.mean(), abs=1e-3)
    same = Rows(np.zeros((30, 2), np.float32), np.arange(30) % 2, 2, 2)
    half = KnnFamily().fit({"neighbours": 5, "doubt": 0.5}, same, None, effort()).predict(same.x)
    assert np.isfinite(half).all(), "rows that are all the same"


def test_kept_rows_have_every_class_and_no_more_than_asked() -> None:
    y = np.zeros(10_000, np.int64)
    y[17] = 1
    x = np.zeros((10_000, 100), np.float32)
    rows = chosen_rows(x, y, True, 4_000, np.random.default_rng(0))
    assert len(rows) == 2_000, "two hundred thousand cells"
    assert 17 in rows
    assert len(chosen_rows(x[:100], y[:100], True, 4_000, np.random.default_rng(0))) == 100
    apart = in_batches(np.array([[3.0, 4.0]], np.float32), halved(np.zeros((1, 2), np.float32)), lambda d: d)
    assert apart.tolist() == [[25.0]]
    none = in_batches(np.zeros((0, 2), np.float32), halved(np.zeros((3, 2), np.float32)), lambda d: d)
    assert none.shape == (0, 3)
