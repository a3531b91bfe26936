"""Choosing features: by mutual information or by a model, and which pairs of numbers are worth a product."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LOOK = 1_500  # rows that a choice is based on
MOST_PAIRED = 12  # numbers of which products are considered


def select(
    x: Array, y: Array, n_classes: int, how: str, keep: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """The `keep` columns of `x` (N, D) that say most about `y`, ascending."""
    some = _some(len(x), rng)
    filled = np.nan_to_num(x[some], nan=-1e6)
    score = (
        _information(filled, y[some], n_classes)
        if how == "information"
        else _model(filled, y[some], n_classes)
    )
    return tuple(sorted(int(j) for j in np.argsort(-score, kind="stable")[:keep]))


def pairs_of(
    x: Array, y: Array, n_classes: int, n: int, rng: np.random.Generator
) -> tuple[tuple[int, int], ...]:
    """The `n` pairs among the most telling numbers whose product goes best with the target beyond its factors."""
    some = _some(len(x), rng)
    filled = np.nan_to_num(x[some], nan=0.0)
    goal = y[some].astype(np.float64)[:, None] if n_classes == 0 else np.eye(n_classes)[y[some]]
    goal = goal - goal.mean(0)
    single = _agreement(filled, goal)
    first = np.argsort(-single, kind="stable")[:MOST_PAIRED]
    found = []
    for a, i in enumerate(first):
        for j in first[a:]:
            product = filled[:, i] * filled[:, j]
            basis = np.column_stack([np.ones(len(filled)), filled[:, i], filled[:, j]])
            rest = product - basis @ np.linalg.lstsq(basis, product, rcond=None)[0]
            found.append((float(_agreement(rest[:, None], goal)[0]), int(i), int(j)))
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    return tuple((i, j) for _, i, j in found[:n])


def _some(n: int, rng: np.random.Generator) -> Array:
    return np.arange(n) if n <= LOOK else np.sort(rng.choice(n, LOOK, replace=False))


def _agreement(x: Array, goal: Array) -> Array:
    """The largest squared correlation of each column of `x` with a column of `goal`, which is centred."""
    x = x - x.mean(0)
    size = np.sqrt(np.outer((x**2).sum(0), (goal**2).sum(0))) + 1e-12
    return np.asarray(np.square(x.T @ goal / size).max(1))


def _information(x: Array, y: Array, n_classes: int) -> Array:
    """Mutual information with the target (Kraskov et al. 2004, as scikit-learn estimates it)."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    estimate = mutual_info_classif if n_classes else mutual_info_regression
    return np.asarray(estimate(x, y, discrete_features=False, random_state=0))


def _model(x: Array, y: Array, n_classes: int) -> Array:
    """Importance in a small forest of extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if n_classes else ExtraTreesRegressor
    model = kind(60, max_depth=10, min_samples_leaf=3, random_state=0, max_features=0.5)
    return np.asarray(model.fit(x, y).feature_importances_)
