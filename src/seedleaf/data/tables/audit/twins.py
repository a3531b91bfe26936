"""Columns that say the same as another: a copy, another unit, the same categories under other names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import Sheet, Verdict, share
from seedleaf.data.tables.schema import Finding

ALIKE = 0.998  # correlation of values, and of ranks, from which two columns of numbers are one
SAME = 0.95  # share of cells that are equal or translate, among those where either is not its commonest
MOST_LEVELS = 200
FEW = 10  # rows that must speak for it
MOST_PAIRS = 50_000
EXACT = 0.9999


def twins(sheet: Sheet) -> Iterator[Verdict]:
    """For each column the first earlier one that it repeats."""
    done: set[str] = set()
    for first, second, likeness, how in sorted(_pairs(sheet)):
        names = list(sheet.columns)
        if names[second] in done or names[first] in done:
            continue
        done.add(names[second])
        exact = likeness >= EXACT
        said = f"{'repeats' if exact else 'almost repeats'} {names[first]} ({how})"
        action = "column dropped" if exact else "kept: the difference may matter"
        finding = Finding("twin", names[second], said, action, 1)
        yield Verdict(finding, f"it repeats {names[first]}" if exact else "")


def _pairs(sheet: Sheet) -> Iterator[tuple[int, int, float, str]]:
    place = {name: k for k, name in enumerate(sheet.columns)}
    seen: set[tuple[int, int]] = set()
    for one, two, likeness, how in (*_numbers(sheet), *_levels(sheet)):
        pair = (place[one], place[two]) if place[one] < place[two] else (place[two], place[one])
        if pair not in seen:
            seen.add(pair)
            yield *pair, likeness, how


def _numbers(sheet: Sheet) -> Iterator[tuple[str, str, float, str]]:
    """Pairs of numbers that are straight lines of each other, or mostly equal."""
    names = [c.name for c in sheet.used if c.kind in ("number", "date") and c.n_values > 2]
    if len(names) < 2:
        return
    x = np.stack([sheet.values(name)[sheet.sample] for name in names], axis=1)
    z = _standard(x)
    r = np.abs(z.T @ z) / len(z)
    for i, j in zip(*np.nonzero(np.triu(r > 0.8, 1)), strict=True):
        both = ~np.isnan(x[:, i]) & ~np.isnan(x[:, j])
        one_gone = np.isnan(x[:, i]) ^ np.isnan(x[:, j])
        if both.sum() < FEW or one_gone.mean() > 0.02:
            continue
        a, b = x[both, i], x[both, j]
        equal = _share(a == b, a, b)
        if r[i, j] >= ALIKE and _ranks_alike(a, b) >= ALIKE:
            yield names[i], names[j], float(r[i, j]), f"correlation {r[i, j]:.4f}"
        elif equal >= SAME:
            yield names[i], names[j], equal, f"{share(equal)} of the cells are equal"


def _standard(x: Array) -> Array:
    """Columns with mean 0 and deviation 1, missing cells 0."""
    with np.errstate(all="ignore"):
        z = x - np.nanmean(x, axis=0)
        z /= np.sqrt(np.nanmean(z**2, axis=0))
    filled: Array = np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    return filled


def _ranks_alike(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return abs(float(spearmanr(a, b).statistic))


def _share(same: Array, a: Array, b: Array) -> float:
    """How often `same` holds among the rows where either is not its commonest value; 0 where those are few."""
    busy = (a != _commonest(a)) | (b != _commonest(b))
    return float(same[busy].mean()) if busy.sum() >= FEW else 0.0


def _commonest(a: Array) -> object:
    values, counts = np.unique(a, return_counts=True)
    return values[counts.argmax()]


def _levels(sheet: Sheet) -> Iterator[tuple[str, str, float, str]]:
    """Pairs of columns with few values that translate into each other, both ways."""
    coded: list[tuple[str, Array, int]] = []
    for column in sheet.used:
        if column.kind in ("category", "number") and 2 <= column.n_values <= MOST_LEVELS:
            values, codes = np.unique(
                _comparable(sheet.values(column.name)[sheet.sample]), return_inverse=True
            )
            coded.append((column.name, codes, len(values)))
    tried = 0
    for i, (one, a, ka) in enumerate(coded):
        for two, b, kb in coded[i + 1 :]:
            if not 0.8 <= ka / kb <= 1.25:
                continue
            tried += 1
            if tried > MOST_PAIRS:
                return
            likeness = _translates(a, b, ka, kb)
            if likeness >= SAME:
                yield one, two, likeness, f"{share(likeness)} of the cells translate"


def _comparable(values: Array) -> Array:
    return values.astype(str) if values.dtype == object else np.nan_to_num(values, nan=-1e300)


def _translates(a: Array, b: Array, ka: int, kb: int) -> float:
    """The share of rows that a one-to-one translation explains, among those where either is not its commonest value."""
    table = np.bincount(a * kb + b, minlength=ka * kb).reshape(ka, kb)
    best = table.argmax(axis=1)
    back = table.argmax(axis=0)
    fits = (best[a] == b) & (back[b] == a)
    if not fits.mean() > SAME:
        return 0.0
    return _share(fits, a, b)
