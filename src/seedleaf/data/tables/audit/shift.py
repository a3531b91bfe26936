"""Whether the rows of a test file come from where the training rows come from."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.words import plural, share

LEAST = 0.1  # distance between distributions (0 to 1) that matters
CHANCE = 1e-4  # of one false alarm in a whole table


def shift(sheet: Sheet) -> Iterator[Verdict]:
    """Columns, and the target, that are distributed otherwise in the test file."""
    if sheet.test is None:
        return
    used = list(sheet.used)
    for column in used:
        ours, theirs = sheet.values(column.name), sheet.values(column.name, test=True)
        if column.kind in ("number", "date"):
            said = _gone(np.isnan(ours), np.isnan(theirs), len(used)) or _numbers(ours, theirs, len(used))
        elif column.kind == "category":
            raw = sheet.test.columns[column.name]
            new = [v for v in raw.values if v.lower() not in column.missing and v not in set(column.levels)]
            unseen = np.isin(raw.codes, [raw.values.index(v) for v in new])
            said = _new(unseen, new, sheet, column.name) or _gone(
                ours == "", (theirs == "") & ~unseen, len(used)
            )
            said = said or _levels(ours, theirs, len(used))
        else:
            continue
        if said:
            action = "kept; scores on the test file may differ from those on folds"
            yield Verdict(Finding("shift", column.name, said, action, len(theirs)))
    y_test = sheet.target.read(sheet.test.columns[sheet.target.name])
    said = _levels(sheet.y, y_test, len(used)) if sheet.classes else _numbers(sheet.y, y_test, len(used))
    if said:
        action = "kept; scores on the test file may differ from those on folds"
        yield Verdict(Finding("shift", sheet.target.name, f"the target: {said}", action, len(y_test)))


def _beyond_chance(distance: float, n: int, m: int, tests: int) -> bool:
    """Kolmogorov-Smirnov's bound, shared out over all tests of a table (Bonferroni)."""
    bound = math.sqrt(-math.log(CHANCE / (2 * max(1, tests))) / 2)
    return distance > LEAST and distance * math.sqrt(n * m / (n + m)) > bound


def _numbers(a: Array, b: Array, tests: int) -> str:
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if len(a) < 10 or len(b) < 10:
        return ""
    at = np.concatenate([a, b])
    distance = float(
        np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max()
    )
    if not _beyond_chance(distance, len(a), len(b), tests):
        return ""
    return f"distributed otherwise in the test file: median {np.median(b):.4g} instead of {np.median(a):.4g}"


def _levels(a: Array, b: Array, tests: int) -> str:
    """Total variation. Of K levels chance alone moves about sqrt(K / 2π) standard errors' worth."""
    levels, codes = np.unique(np.concatenate([a, b]).astype(str), return_inverse=True)
    one = np.bincount(codes[: len(a)], minlength=len(levels)) / len(a)
    two = np.bincount(codes[len(a) :], minlength=len(levels)) / len(b)
    distance = float(np.abs(one - two).sum() / 2)
    pooled = np.bincount(codes, minlength=len(levels)) / len(codes)
    size = len(a) * len(b) / (len(a) + len(b))
    by_chance = float(np.sqrt(pooled * (1 - pooled) / size).sum() * math.sqrt(1 / (2 * math.pi)))
    if not _beyond_chance(distance - by_chance, len(a), len(b), tests):
        return ""
    k = int(np.abs(one - two).argmax())
    return f"{str(levels[k])!r} is {share(two[k])} of the test file and {share(one[k])} of the training rows"


def _gone(a: Array, b: Array, tests: int) -> str:
    one, two = float(a.mean()), float(b.mean())
    if not _beyond_chance(abs(one - two), len(a), len(b), tests):
        return ""
    return f"{share(two)} missing in the test file, {share(one)} in the training rows"


def _new(unseen: Array, new: list[str], sheet: Sheet, name: str) -> str:
    """Categories that training has not seen, where they are more than a tail of rare ones explains."""
    part = float(unseen.mean()) if len(unseen) else 0.0
    once = (
        float((sheet.raw(name).counts == 1).sum()) / sheet.n
    )  # Good and Turing: the chance that the next is new
    if part <= once + LEAST / 2 or not unseen.sum() >= 5:
        return ""
    said = plural(len(new), "category", "categories")
    return f"{said} that training has not seen, such as {new[0][:40]!r}, in {share(part)} of the test file"
