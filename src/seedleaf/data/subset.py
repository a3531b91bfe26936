"""Subsets of rows or pictures that stand for the whole, for judging configs on less data.

A picker is one function `(x, size, rng) -> indices` and one row in PICKERS. `x` are cheap features, float (n x d), of one
stratum: a class, or a tenth of the range of a number. `subset` shares the size out over the strata, so every picker keeps
the shares of the classes; only "random" does not look at them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for

Picker = Callable[[Array, int, np.random.Generator], Labels]
BUMPS = 256  # random Fourier features of herding
LOOK = 20  # candidates of a step of facility location
STRATA = 10  # of a number to be predicted


def subset(x: Array, y: Array, size: int, how: str = "stratified", seed: int = 0) -> Labels:
    """Ascending indices of `size` of the n rows.

    `x` float (n x d) are cheap features (`cheap` makes them), `y` (n) integer labels or float numbers, `how` a row of
    PICKERS. Raises DataError for another name, or a size that is not from 1 to n.
    """
    n = len(y)
    if how not in PICKERS:
        raise DataError(f"no way {how!r} to pick a subset; there are: {', '.join(PICKERS)}")
    if not 1 <= size <= n:
        raise DataError(f"a subset of {size} of {n} rows cannot be picked")
    rng = rng_for(seed, "subset", how, size)
    if how == "random":
        return np.sort(rng.choice(n, size, replace=False))
    strata = _strata(y)
    chosen = []
    for stratum, part in zip(*_shares(strata, size, rng), strict=True):
        rows = np.flatnonzero(strata == stratum)
        if part:
            chosen.append(rows if part == len(rows) else rows[PICKERS[how](x[rows], int(part), rng)])
    return np.sort(np.concatenate(chosen))


def cheap(columns: Array, most: int = 32) -> Array:
    """Features to measure distances in: numbers (n x d, NaN = missing) or pictures (n x ...) to float32, n x at most `most`.

    Columns are filled with their median, scaled to deviation 1 and clipped at 4; beyond `most` they are projected at random,
    which keeps distances (Johnson and Lindenstrauss 1984).
    """
    x = np.asarray(columns, dtype=np.float64).reshape(len(columns), -1)
    with np.errstate(all="ignore"):
        middle = np.nan_to_num(np.nanmedian(x, axis=0)) if len(x) else np.zeros(x.shape[1])
        x = np.where(np.isnan(x), middle, x) - middle
        spread = x.std(axis=0)
    x = np.clip(x / np.where(spread > 0, spread, 1.0), -4, 4)
    if x.shape[1] > most:
        x = x @ rng_for(0, "projection").normal(size=(x.shape[1], most)) / np.sqrt(most)
    scaled: Array = x.astype(np.float32)
    return scaled


def _strata(y: Array) -> Labels:
    """Classes, or tenths of the range of a number by rank."""
    if y.dtype.kind in "iub":
        return y.astype(np.int64)
    place = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return place * STRATA // max(1, len(y))


def _shares(strata: Labels, size: int, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """The strata and how many rows of each: in proportion, the rest by largest remainder, ties at random."""
    names, counts = np.unique(strata, return_counts=True)
    exact = counts * size / len(strata)
    part = np.floor(exact).astype(np.int64)
    order = np.lexsort((rng.random(len(names)), -(exact - part)))
    part[order[: size - int(part.sum())]] += 1
    return names, part


def at_random(x: Array, size: int, rng: np.random.Generator) -> Labels:
    """Any rows."""
    return rng.choice(len(x), size, replace=False)


def k_centre(x: Array, size: int, rng: np.random.Generator) -> Labels:
    """Each row is the one farthest from those chosen (Gonzalez 1985; Sener and Savarese 2018)."""
    chosen = [int(np.argmin(((x - x.mean(axis=0)) ** 2).sum(axis=1)))]
    far = np.full(len(x), np.inf)
    for _ in range(size - 1):
        far = np.minimum(far, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
        far[chosen[-1]] = -1.0
        chosen.append(int(far.argmax()))
    return np.asarray(chosen)


def herding(x: Array, size: int, rng: np.random.Generator) -> Labels:
    """Each row moves the mean of the chosen ones towards the mean of all, in random Fourier features of a Gaussian kernel
    (Chen, Welling and Smola 2010)."""
    scale = _distance(x, rng)
    waves = rng.normal(size=(x.shape[1], BUMPS)) / scale
    z = np.cos(x @ waves + rng.uniform(0, 2 * np.pi, BUMPS)).astype(np.float32)
    goal, total = z.mean(axis=0), np.zeros(BUMPS, dtype=np.float32)
    free = np.ones(len(x), dtype=bool)
    chosen = []
    for count in range(size):
        gain = z @ ((count + 1) * goal - total)
        gain[~free] = -np.inf
        best = int(gain.argmax())
        free[best] = False
        total += z[best]
        chosen.append(best)
    return np.asarray(chosen)


def facility(x: Array, size: int, rng: np.random.Generator) -> Labels:
    """Rows that lie near to all others: greedy facility location, each step over a few candidates (Mirzasoleiman et al.
    2015)."""
    scale = _distance(x, rng)
    near = np.zeros(len(x), dtype=np.float32)
    free = np.ones(len(x), dtype=bool)
    chosen = []
    square = (x**2).sum(axis=1)
    for _ in range(size):
        open_ = np.flatnonzero(free)
        look = rng.choice(open_, min(LOOK, len(open_)), replace=False)
        gap = square[look, None] + square[None] - 2 * x[look] @ x.T
        like = np.exp(-np.maximum(gap, 0) / (2 * scale**2))
        gain = np.maximum(like - near, 0).sum(axis=1)
        best = int(gain.argmax())
        near = np.maximum(near, like[best])
        free[look[best]] = False
        chosen.append(int(look[best]))
    return np.asarray(chosen)


def _distance(x: Array, rng: np.random.Generator) -> float:
    """The median distance between rows, the usual width of a kernel."""
    one, two = rng.integers(0, len(x), (2, 500))
    middle = float(np.median(np.sqrt(((x[one] - x[two]) ** 2).sum(axis=1))))
    return middle or 1.0


PICKERS: dict[str, Picker] = {
    "random": at_random,
    "stratified": at_random,
    "k-centre": k_centre,
    "herding": herding,
    "facility": facility,
}
