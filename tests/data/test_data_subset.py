"""Subsets: every picker keeps its promises, and the clever ones cover what chance misses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedleaf.data.subset import PICKERS, cheap, subset
from seedleaf.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
Y = RNG.choice(3, 300, p=[0.7, 0.25, 0.05])


@pytest.mark.parametrize("how", PICKERS)
@pytest.mark.parametrize("size", [1, 7, 30, 299, 300])
@pytest.mark.parametrize("y", [Y, X[:, 0] + 1.5], ids=["classes", "numbers"])
def test_a_subset_is_of_its_size_without_repeats_and_seeded(how: str, size: int, y: np.ndarray) -> None:
    rows = subset(X, y, size, how, seed=3)
    assert len(rows) == size
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < 300
    assert (rows == subset(X, y, size, how, seed=3)).all()


@pytest.mark.parametrize("how", [h for h in PICKERS if h != "random"])
def test_classes_keep_their_shares(how: str) -> None:
    whole, part = np.bincount(Y), np.bincount(Y[subset(X, Y, 60, how)], minlength=3)
    assert (np.abs(part - whole / 5) < 1).all()


def test_chance_differs_from_seed_to_seed() -> None:
    assert (subset(X, Y, 30, "random", 0) != subset(X, Y, 30, "random", 1)).any()
    assert (subset(X, Y, 30, "stratified", 0) != subset(X, Y, 30, "stratified", 1)).any()


def cover(rows: np.ndarray, x: np.ndarray) -> float:
    """How far the farthest row is from the chosen ones."""
    return float(np.sqrt(((x[:, None] - x[rows][None]) ** 2).sum(axis=2).min(axis=1)).max())


def mean_gap(rows: np.ndarray, x: np.ndarray) -> float:
    return float(np.sqrt(((x[:, None] - x[rows][None]) ** 2).sum(axis=2).min(axis=1)).mean())


def test_each_picker_is_best_at_what_it_is_for() -> None:
    """Farthest row, mean distance, mean: over ten seeds, against chance within the classes."""
    one = np.zeros(300, dtype=np.int64)
    chance = [subset(X, one, 30, "stratified", s) for s in range(10)]
    centre, near, herd = (subset(X, one, 30, how) for how in ("k-centre", "facility", "herding"))
    assert cover(centre, X) < min(cover(r, X) for r in chance)
    assert mean_gap(near, X) < np.median([mean_gap(r, X) for r in chance])
    off = [float(np.abs(X[r].mean(axis=0)).sum()) for r in chance]
    assert float(np.abs(X[herd].mean(axis=0)).sum()) < np.median(off)


@pytest.mark.parametrize(
    ("size", "how", "said"), [(0, "random", "subset of 0"), (301, "random", "301"), (3, "magic", "magic")]
)
def test_what_cannot_be_picked_is_an_error(size: int, how: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        subset(X, Y, size, how)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 3))
def test_cheap_features_are_finite_and_few(n: int, d: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, d)) * 1e6
    x[:, 0] = np.nan
    x[0] = 3
    found = cheap(x, most=8)
    assert found.shape == (n, min(d, 8))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_pictures_are_features_too() -> None:
    pictures = RNG.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    assert cheap(pictures).shape == (50, 32)
    assert len(subset(cheap(pictures), RNG.integers(0, 3, 50), 10, "k-centre")) == 10
