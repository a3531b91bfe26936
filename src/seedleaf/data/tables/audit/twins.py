"""Columns that say the same as another: a copy, another unit, the same categories under other names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import same_order
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Column, Finding
from seedleaf.data.tables.words import share

ALIKE = 0.998  # correlation of values, and of those without the extremes, from which two columns of numbers are one
SAME = 0.95  # share of cells that are equal or translate, among those where either is not its commonest
MOST_LEVELS = 200
OFTEN = 4  # rows a level must have on average, lest any two columns translate
MOST_CODES, CODES_APART = 30, 3  # different numbers that may be codes; one of so many whole numbers is one
IN_ORDER = 0.999  # rank correlation of two columns of numbers that grow together
FEW = 10  # rows that must speak for it
MOST_PAIRS = 50_000  # of categories, compared one by one
NEAREST = 5  # earlier columns that a column of numbers is compared with, those with the highest correlation
WORK = 5e10  # multiplications for all correlations: of very wide tables fewer rows are looked at
BLOCK = 1024  # columns whose correlations are held at once
EXACT = 0.999999  # as a rounded copy in another unit has; a price and its forward price have less

Pair = tuple[str, float, str]  # the earlier column, how alike, in words


def twins(sheet: Sheet) -> Iterator[Verdict]:
    """For each column the earlier one that it repeats."""
    found: dict[str, Pair] = {}
    _numbers(sheet, found)
    _levels(sheet, found)
    for name in sheet.columns:
        if name in found:
            first, likeness, how = found[name]
            exact = likeness >= EXACT
            said = f"{'repeats' if exact else 'almost repeats'} {first} ({how})"
            action = "column dropped" if exact else "kept: the difference may matter"
            yield Verdict(Finding("twin", name, said, action, 1), f"it repeats {first}" if exact else "")


def _numbers(sheet: Sheet, found: dict[str, Pair]) -> None:
    """Columns that are a straight line of an earlier one, or mostly equal to it."""
    names = [c.name for c in sheet.used if c.kind in ("number", "date") and c.n_values > 2]
    if len(names) < 2:
        return
    rows = sheet.sample[: max(100, int(WORK / len(names) ** 2))]
    x = np.stack([sheet.values(name)[rows] for name in names], axis=1)
    z = _standard(x)
    for start in range(0, len(names), BLOCK):
        r = np.abs(z[:, start : start + BLOCK].T @ z) / len(z)
        for j in range(start, min(start + BLOCK, len(names))):
            row = r[j - start, :j]
            near = np.flatnonzero(row > 0.8)
            for i in near[np.argsort(-row[near].round(6), kind="stable")][:NEAREST]:
                pair = None if names[i] in found else _alike(x[:, i], x[:, j], float(row[i]))
                if pair:
                    found[names[j]] = (names[i], *pair)
                    break


def _alike(one: Array, two: Array, r: float) -> tuple[float, str] | None:
    both = ~np.isnan(one) & ~np.isnan(two)
    one_gone = np.isnan(one) ^ np.isnan(two)
    if both.sum() < FEW or one_gone.mean() > 0.02:
        return None
    a, b = one[both], two[both]
    if r >= ALIKE and _middle_alike(a, b) >= ALIKE:
        if rounded(a, b):
            return 1.0, "up to rounding"
        return r, f"correlation {r:.4f}" if r >= EXACT or r < 0.9999 else "correlation over 0.9999"
    equal = _share(a == b, a, b)
    return (equal, f"{share(equal)} of the cells are equal") if equal >= SAME else None


def _standard(x: Array) -> Array:
    """Columns with mean 0 and deviation 1, missing cells 0."""
    with np.errstate(all="ignore"):
        z = x - np.nanmean(x, axis=0)
        z /= np.sqrt(np.nanmean(z**2, axis=0))
    filled: Array = np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    return filled


def rounded(a: Array, b: Array) -> bool:
    """Whether `b` is a straight line of `a` up to the digits to which either is written, as kilometres are of miles."""
    steps = [float(np.diff(np.unique(v)).min()) for v in (a, b)]
    if steps[1] > b.std() / 20:
        return False
    slope, start = np.polyfit(a, b, 1)
    most = max(0.55 * (steps[1] + abs(slope) * steps[0]), 1e-12 * float(np.abs(b).max()))
    return bool(np.abs(b - slope * a - start).max() <= most)


def _middle_alike(a: Array, b: Array) -> float:
    """Correlation, without its sign, of values clipped to their inner 96 %: a few large ones make no twins."""
    a, b = (np.clip(v, *np.percentile(v, [2, 98])) for v in (a, b))
    if not (a.std() > 0 and b.std() > 0):
        return 0.0
    return abs(float(np.corrcoef(a, b)[0, 1]))


def _share(same: Array, a: Array, b: Array) -> float:
    """How often `same` holds among the rows where either is not its commonest value; 0 where those are few."""
    busy = (a != _commonest(a)) | (b != _commonest(b))
    return float(same[busy].mean()) if busy.sum() >= FEW else 0.0


def _commonest(a: Array) -> object:
    values, counts = np.unique(a, return_counts=True)
    return values[counts.argmax()]


def _levels(sheet: Sheet, found: dict[str, Pair]) -> None:
    """Columns with few values that translate into an earlier one's, both ways."""
    coded: list[tuple[str, Array, int]] = []
    first: dict[bytes, str] = {}
    for column in sheet.used:
        if column.name in found or column.kind not in ("category", "number"):
            continue
        if not 2 <= column.n_values <= min(MOST_LEVELS, len(sheet.sample) // OFTEN):
            continue
        _, codes = np.unique(_comparable(sheet.values(column.name)[sheet.sample]), return_inverse=True)
        codes = _by_appearance(codes)
        earlier = first.setdefault(codes.tobytes(), column.name)
        again = earlier != column.name and _names_alike(sheet, earlier, column.name)
        if again and _share(codes >= 0, codes, codes):
            found[column.name] = (earlier, 1.0, f"{share(1.0)} of the cells translate")
        else:
            coded.append((column.name, codes, int(codes.max()) + 1))
    tried = 0
    for j, (two, b, kb) in enumerate(coded):
        for one, a, ka in coded[:j]:
            if one in found or not 0.8 <= ka / kb <= 1.25:
                continue
            tried += 1
            if tried > MOST_PAIRS:
                return
            likeness = _translates(a, b, ka, kb)
            if likeness >= SAME and _names_alike(sheet, one, two):
                found[two] = (one, likeness, f"{share(likeness)} of the cells translate")
                break


def _names_alike(sheet: Sheet, one: str, two: str) -> bool:
    """May one column stand for another into which it translates? Two measurements of some dozens of people, of each in
    many rows, translate as well, and what is known of one is not known of the other."""
    numbers = [c for c in (sheet.columns[one], sheet.columns[two]) if c.kind == "number"]
    values = [sheet.values(c.name)[sheet.sample] for c in numbers]
    if all(_is_code(c, v) for c, v in zip(numbers, values, strict=True)):
        return True
    return len(numbers) == 2 and same_order(*values) >= IN_ORDER


def _is_code(column: Column, values: Array) -> bool:
    """Whether numbers look like codes, that say nothing by their order: few whole ones, close to one another."""
    span = float(np.nanmax(values) - np.nanmin(values)) + 1
    return column.whole and column.n_values <= MOST_CODES and span <= CODES_APART * column.n_values


def _by_appearance(codes: Array) -> Array:
    """The same partition of rows with its parts numbered as they appear: equal for columns that translate exactly."""
    _, where, back = np.unique(codes, return_index=True, return_inverse=True)
    rank: Array = np.argsort(np.argsort(where)).astype(np.int32)[back]
    return rank


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
