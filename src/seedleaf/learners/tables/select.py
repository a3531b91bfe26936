"""Choosing features: by mutual information, by a model, by how often a model of some rows chooses them; and which pairs of
numbers are worth a product."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LOOK = 1_500  # rows that a choice is based on
HALVINGS = 4  # of the rows, for selection by stability: two models each
MOST_PAIRED = 12  # numbers of which products are considered
MOST_ESTIMATED = 600  # columns whose mutual information is estimated: some milliseconds each


def select(
    x: Array, y: Array, n_classes: int, how: str, keep: int, rng: np.random.Generator, often: float = 0.6
) -> tuple[int, ...]:
    """The `keep` columns of `x` (N, D) that say most about `y`, ascending; by "stability" those that are among the `keep`
    of `often` (a share) of the subsamples, two at least."""
    some = _some(len(x), rng)
    known, filled = x[some], np.nan_to_num(x[some], nan=-1e6)
    if how == "stability":
        return _stable(filled, y[some], n_classes, keep, often, rng)
    score = (
        _information(known, filled, y[some], n_classes)
        if how == "information"
        else _model(filled, y[some], n_classes)
    )
    return tuple(sorted(int(j) for j in np.argsort(-score, kind="stable")[:keep]))


def _stable(
    x: Array, y: Array, n_classes: int, keep: int, often: float, rng: np.random.Generator
) -> tuple[int, ...]:
    """Stability selection (Meinshausen and Bühlmann 2010) over complementary halves (Shah and Samworth 2013)."""
    counts, worth = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for _ in range(HALVINGS):
        order = rng.permutation(len(x))
        for half in (order[: len(x) // 2], order[len(x) // 2 :]):
            score = _model(x[half], y[half], n_classes, trees=12)
            counts[np.argsort(-score, kind="stable")[:keep]] += 1 / (2 * HALVINGS)
            worth += score
    ranked = np.lexsort((-worth, -counts))
    n = max(2, int((counts >= often - 1e-9).sum()))
    return tuple(sorted(int(j) for j in ranked[:n]))


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


def _information(x: Array, filled: Array, y: Array, n_classes: int) -> Array:
    """Mutual information with the target (Kraskov et al. 2004, as scikit-learn estimates it). Of many columns that of the
    most promising is estimated; the others come after them, in the order of what they promise."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    estimate = mutual_info_classif if n_classes else mutual_info_regression
    if x.shape[1] <= MOST_ESTIMATED:
        return np.asarray(estimate(filled, y, discrete_features=False, random_state=0))
    goal = y.astype(np.float64)[:, None] if n_classes == 0 else np.eye(n_classes)[y]
    worth = _promise(x, goal - goal.mean(0))
    chosen = np.sort(np.argsort(-worth, kind="stable")[:MOST_ESTIMATED])
    found = worth - 2.0  # below every estimate, which are no less than 0
    found[chosen] = estimate(filled[:, chosen], y, discrete_features=False, random_state=0)
    return found


def _promise(x: Array, goal: Array) -> Array:
    """How well each column, its distance from the middle, or that it is missing goes with the target: from 0 to 1."""
    gone = ~np.isfinite(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns of which nothing is known
        middle = np.nan_to_num(np.nanmedian(np.where(gone, np.nan, x), axis=0))
    known = np.where(gone, middle, x)
    each = [_agreement(part, goal) for part in (known, np.abs(known - middle), gone.astype(np.float64))]
    return np.asarray(np.max(each, axis=0))


def _model(x: Array, y: Array, n_classes: int, trees: int = 60) -> Array:
    """Importance in a small forest of extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if n_classes else ExtraTreesRegressor
    model = kind(trees, max_depth=10, min_samples_leaf=3, random_state=0, max_features=0.5)
    return np.asarray(model.fit(x, y).feature_importances_)
