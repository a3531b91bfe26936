"""Splits: every index once, every class on both sides where it can be, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedleaf.data.splits import default_valid_fraction, stratified_split
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_every_index_once_and_every_class_in_both(counts: list[int], fraction: float, seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 3, counts))
    if max(counts) < 2:
        with pytest.raises(DataError, match="no class has two"):
            stratified_split(y, fraction, rng_for(seed, "split"))
        return
    train, valid = stratified_split(y, fraction, rng_for(seed, "split"))
    assert np.array_equal(np.sort(np.concatenate([train, valid])), np.arange(len(y)))
    for label, n in enumerate(counts):
        in_valid = int((y[valid] == label * 3).sum())
        assert in_valid == 0 if n == 1 else 1 <= in_valid < n
        assert n == 1 or abs(in_valid - n * fraction) <= 1
    again = stratified_split(y, fraction, rng_for(seed, "split"))
    assert np.array_equal(train, again[0])
    assert np.array_equal(valid, again[1])


def test_the_total_fits_the_fraction_and_members_differ_by_seed() -> None:
    y = np.repeat(np.arange(100), 7)
    parts = [stratified_split(y, 0.2, rng_for(seed, "split"))[1] for seed in range(2)]
    assert [len(p) for p in parts] == [140, 140]
    assert not np.array_equal(*parts)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fractions_outside_are_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        stratified_split(np.zeros(4), fraction, rng_for(0))


def test_every_member_of_a_class_is_as_likely_to_be_split_off() -> None:
    hits = np.zeros(20)
    for seed in range(400):
        hits[stratified_split(np.repeat([0, 1], 10), 0.3, rng_for(seed, "split"))[1]] += 1
    assert np.abs(hits / 400 - 0.3).max() < 0.1  # four standard deviations


@pytest.mark.parametrize(
    ("n", "valid"), [(0, 0), (100, 20), (25_000, 5_000), (60_000, 6_000), (10**6, 10_000)]
)
def test_default_fraction(n: int, valid: int) -> None:
    assert round(default_valid_fraction(n) * n) == valid
