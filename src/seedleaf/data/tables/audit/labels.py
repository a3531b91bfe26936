"""Suspected errors of the target: labels that contradict a model where it is sure, numbers that lie absurdly far from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Column, Finding
from seedleaf.data.tables.words import plural, share
from seedleaf.seeds import rng_for, seed_for

MOST_ROWS = 3000  # for the forest, about a second of work
MOST_COLUMNS = 300
FEWEST = 60  # rows below which nothing is said
TREES = 100
LEAF = 3  # rows; smaller leaves rank the sure rows by chance
CORE = 0.25  # of the rows, those that the model is surest of
CORE_ROWS = 200  # of small tables more, up to a half
LEAST = 0.008  # of the core contradicts its labels in clean tables
LEAST_ROWS = 3
MOST_ERROR = 0.35  # of the forest on all rows; beyond it nothing is said
SMALL, MOST_ERROR_SMALL = 300, 0.12  # rows below which a forest's ranks are too rough for more
NO_BETTER = 0.9  # of the error of the commonest class; nor of a forest that hardly does better
FAR = 12.0  # usual errors beyond which a number is absurd, if it lies beyond the fence as well
FENCE = 3.0  # interquartile ranges from the quartiles, as far out as Tukey (1977) calls far out
MOST_STEPS = 30  # distinct numbers below which a target is a scale, whose steps look like slips


def wrong_labels(sheet: Sheet) -> Iterator[Verdict]:
    """Rows whose target a random forest that has not seen them (out of bag) does not believe.

    A column that says the target says its errors, too: where nothing is found with such columns, they are left out.
    """
    if sheet.n < FEWEST:
        return
    used = [c for c in sheet.used if c.kind != "text"]
    without = [c for c in used if c.name not in sheet.leaks]
    for columns in [used] if len(without) == len(used) else [used, without]:
        rows, x = _features(sheet, columns)
        if x.shape[1]:
            y, seed = sheet.y[rows], seed_for(sheet.seed, "labels") % 2**32
            suspects, said = _labels(x, y, seed) if sheet.classes else _numbers(x, y, seed)
            if len(suspects):
                where = sheet.train.examples(np.sort(rows[suspects]))
                action = "kept; look at these rows"
                yield Verdict(Finding("label", sheet.target.name, said, action, len(suspects), where))
                return


def _labels(x: Array, y: Array, seed: int) -> tuple[Array, str]:
    """Labels that contradict the forest's vote where it is surest, as confident learning looks for them (Northcutt et al.
    2021).

    A class that overlaps another makes errors where the model is unsure; labels that are wrong by accident make them
    everywhere, so they are counted where nothing else does.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, oob_score=True, random_state=seed, n_jobs=1)
    votes = np.nan_to_num(forest.fit(x, y).oob_decision_function_)
    wrong = forest.classes_[votes.argmax(axis=1)] != y
    size = max(int(CORE * len(y)), min(len(y) // 2, CORE_ROWS))
    core = np.argsort(-votes.max(axis=1), kind="stable")[:size]
    suspects = core[wrong[core]]
    error, base = float(wrong.mean()), 1 - float(np.unique(y, return_counts=True)[1].max()) / len(y)
    if base == 0 or error > min(MOST_ERROR if len(y) >= SMALL else MOST_ERROR_SMALL, NO_BETTER * base):
        return suspects[:0], ""
    usual = size * max(LEAST, _overlap(error, base)) * max(1.0, size / (CORE * len(y)))
    if len(suspects) < LEAST_ROWS or len(suspects) < usual + 2 * usual**0.5:
        return suspects[:0], ""
    contradict = "contradicts" if len(suspects) == 1 else "contradict"
    said = f"{plural(len(suspects), 'label')} of the {size:,} rows that a forest is surest of (out of bag) {contradict} it"
    return suspects, f"{said}: about {share(len(suspects) / size)} of all may be wrong"


def _overlap(error: float, base: float) -> float:
    """The share of the core that contradicts its labels, at most, where classes merely overlap.

    Measured on clean tables and on classes drawn from probits and Gaussians: below 7 e³ with two classes, below 0.6 of
    the square of e / base with many, and below 0.35 e² / base where one class is rare. `base` is the error of always saying
    the commonest class.
    """
    return max(0.35 * error**2 / base, min(7.0 * error**3, 0.6 * (error / base) ** 2))


def _numbers(x: Array, y: Array, seed: int) -> tuple[Array, str]:
    """Targets far out, and beyond FAR usual errors of the forest among rows with a like prediction: slips of a decimal, a
    wrong unit, a code for missing.

    The forest learns ranks, lest a few absurd values bend it.
    """
    from sklearn.ensemble import RandomForestRegressor

    values, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(values) < MOST_STEPS or len(y) < SMALL:
        return place[:0], ""
    middle = (np.cumsum(counts) - counts / 2) / len(y)
    forest = RandomForestRegressor(
        TREES, oob_score=True, max_features=1 / 3, min_samples_leaf=3, random_state=seed, n_jobs=1
    )
    rank = forest.fit(x, middle[place]).oob_prediction_
    error = np.abs(y - np.interp(rank, middle, values))
    order = np.argsort(rank, kind="stable")
    near = min(max(25, len(y) // 40), len(y) - 1)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(error[order], near, mode="reflect"), 2 * near + 1
    )
    usual = np.empty(len(y))
    usual[order] = np.median(windows, axis=1)
    low, high = np.percentile(y, [25, 75])
    spread = float(high - low) or float(y.std())
    odd = (y < low - FENCE * spread) | (y > high + FENCE * spread)
    suspects = np.flatnonzero(odd & (error > FAR * 1.4826 * np.maximum(usual, 0.02 * spread)))
    if not LEAST_ROWS <= len(suspects) <= 0.05 * len(y):
        return suspects[:0], ""
    said = f"{plural(len(suspects), 'target')} of {len(y):,} {'lies' if len(suspects) == 1 else 'lie'}"
    return suspects, f"{said} beyond {FAR:g} times the usual error of a forest (out of bag)"


def _features(sheet: Sheet, used: list[Column]) -> tuple[Array, Array]:
    """Which rows (n), ascending, and those columns as numbers (n x d): categories by how common they are."""
    rows = np.arange(sheet.n)
    if sheet.n > MOST_ROWS:
        rows = np.sort(rng_for(sheet.seed, "labels").choice(sheet.n, MOST_ROWS, replace=False))
    used = used[:: -(-len(used) // MOST_COLUMNS) or 1]
    columns = [_coded(sheet.values(c.name)[rows]) for c in used]
    return rows, np.stack(columns, axis=1) if columns else np.empty((len(rows), 0))


def _coded(values: Array) -> Array:
    if values.dtype != object:
        return np.clip(values, -1e30, 1e30).astype(np.float32)
    _, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    place: Array = np.argsort(np.argsort(-counts, kind="stable")).astype(np.float32)
    return place[codes]
