"""Splitting by class: seeded, and no class that could be in both parts is missing from one."""

from __future__ import annotations

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.errors import DataError


def default_valid_fraction(n: int) -> float:
    """The share of `n` images to validate on: a fifth, but no more than 5,000 to 10,000 images of a big set.

    5,000 images measure an accuracy of 0.9 to ± 0.004, which is finer than most differences worth finding.
    """
    if n <= 0:
        return 0.2
    return min(0.2, min(max(0.1 * n, 5_000), 10_000) / n)


def stratified_split(y: Array, fraction: float, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """Indices `(train, valid)` of the labels `y` (N), each ascending, together every index once.

    `valid` gets about `fraction` of every class; a class with two members or more is in both parts, a class with one in
    train only. Raises DataError where `fraction` is not between 0 and 1 or nothing can be split off.
    """
    if not 0 < fraction < 1:
        raise DataError(f"a split needs a fraction between 0 and 1, not {fraction}")
    _, label, counts = np.unique(y, return_inverse=True, return_counts=True)
    if not (counts >= 2).any():
        raise DataError(f"{len(y)} images cannot be split: no class has two of them")
    take = quotas(counts, fraction)
    order = rng.permutation(len(y))
    order = order[np.argsort(label[order], kind="stable")]  # by class, shuffled within each
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    rank = np.arange(len(y)) - np.repeat(first, counts)
    chosen = rank < np.repeat(take, counts)
    return np.sort(order[~chosen]).astype(np.int64), np.sort(order[chosen]).astype(np.int64)


def nested_order(y: Array, rng: np.random.Generator) -> Labels:
    """An order of the labels `y` (N) in which the first m, for every m, are a stratified part of all.

    A smaller part lies in every larger one; in the first m each class has its share to within one image, and each has
    its first image before any has its second share.
    """
    _, label, counts = np.unique(y, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(y))
    by_class = shuffled[np.argsort(label[shuffled], kind="stable")]
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    rank = np.arange(len(y)) - np.repeat(first, counts)
    # The i-th image of a class of n comes when i/n of everything has come; classes take turns in random order.
    due = rank / np.repeat(counts, counts)
    turn = rng.permutation(len(counts))[label[by_class]]
    return by_class[np.lexsort((turn, due))].astype(np.int64)


def quotas(counts: Labels, fraction: float) -> Labels:
    """How many of each class to split off: the largest remainders are rounded up, so that the total fits the fraction."""
    exact = counts * fraction
    take = np.floor(exact).astype(np.int64)
    short = round(float(exact.sum())) - int(take.sum())
    take[np.argsort(take - exact, kind="stable")[:short]] += 1
    return np.where(counts >= 2, np.clip(take, 1, counts - 1), 0)
