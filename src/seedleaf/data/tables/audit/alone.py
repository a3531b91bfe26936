"""How well one column alone predicts the target, out of fold: the measure behind the check for leakage."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.sheet import Sheet
from seedleaf.data.tables.schema import Column
from seedleaf.seeds import rng_for

PARTS = 3  # folds
WORDS = 200  # of a text, the commonest
WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?", re.UNICODE)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)
SCREEN = 0.75  # of the skill of the neighbour below which no tree is grown
FEW_LEAVES = 4  # of a tree that is to find whether there is anything at all
ORDERED = 10  # rows, and values, from which an order is no accident
FEW_LEVELS = 0.2  # of the rows; with more levels than that, a column's words are looked at as well


def skill_alone(sheet: Sheet, column: Column) -> float:
    """1 - error / error of the best constant, out of fold, on up to some thousand rows: 1 is perfect, 0 is nothing.

    The error is the share of wrong classes, or the squared error of a number.
    """
    rows = sheet.sample
    y = sheet.y[rows]
    fold = _folds(sheet, y)
    values = sheet.values(column.name)[rows] if not _hidden(column) else _texts(sheet, column, rows)
    if column.kind in ("number", "date"):
        if _next_to(values, y, sheet.classes) < SCREEN:
            return 0.0
        return _tree(values.reshape(-1, 1), y, fold, sheet.classes)
    known = [v for v in values if v]
    skills = [0.0]
    if len(set(known)) <= FEW_LEVELS * len(rows) + 2:
        skills.append(_levels(values, y, fold, sheet.classes))
    if len(set(known)) > FEW_LEVELS * len(rows) or column.kind == "text":
        skills.append(_words(values, y, fold, sheet.classes))
    return max(skills)


def says_something(sheet: Sheet, column: Column) -> bool:
    """Whether a column of numbers alone foretells anything of the target, out of fold."""
    return foretold(sheet, sheet.values(column.name)[sheet.sample].reshape(-1, 1)) > 0


def foretold(sheet: Sheet, x: Array) -> float:
    """The share of the target's variance that a small tree on `x` (the sheet's sample of rows, columns) foretells out of
    fold: of its rank, or of the odds of classes. Below 0 where it does worse than the mean."""
    from sklearn.tree import DecisionTreeRegressor

    rows = sheet.sample
    y = sheet.y[rows]
    fold = _folds(sheet, y)
    wanted = np.eye(int(y.max()) + 1)[y] if sheet.classes else ranks(y)[:, None]
    guess = np.empty_like(wanted)
    for k in range(PARTS):
        here = fold == k
        tree = DecisionTreeRegressor(
            max_leaf_nodes=FEW_LEAVES, min_samples_leaf=len(y) // 20 or 1, random_state=0
        )
        guess[here] = tree.fit(x[~here], wanted[~here]).predict(x[here]).reshape(-1, wanted.shape[1])
    whole = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    return 1 - float(((guess - wanted) ** 2).sum()) / whole if whole > 0 else 0.0


def same_order(values: Array, y: Array) -> float:
    """Spearman's rank correlation without its sign of a column with a number to be predicted, where both are known; 0 where
    these are few or have few values.
    """
    known = ~np.isnan(values)
    values, y = values[known], y[known]
    if (
        len(y) < ORDERED
        or min(len(np.unique(values)), len(np.unique(y))) < ORDERED
        or 2 * len(y) < len(known)
    ):
        return 0.0
    return abs(float(np.corrcoef(ranks(values), ranks(y))[0, 1]))


def roughness(values: Array, y: Array) -> float:
    """How far a number to be predicted is from a cubic through its four neighbours in the order of a column, in steps from
    the one before to the one behind: the median, or that of the column in the order of the target where this is less.

    Next to 0 where one is the other on another scale, however few the rows; 0.08 where noise is a fifth of the steps.
    """
    return min(_off_cubic(values, y), _off_cubic(y, values))


def _off_cubic(x: Array, y: Array) -> float:
    x, back, counts = np.unique(x, return_inverse=True, return_counts=True)
    y = np.bincount(back, weights=y) / counts
    k = np.arange(2, len(x) - 2)
    beside = (k - 2, k - 1, k + 1, k + 2)
    guess = np.zeros(len(k))
    for one in beside:
        others = [x[other] for other in beside if other is not one]
        guess += y[one] * np.prod([(x[k] - other) / (x[one] - other) for other in others], axis=0)
    step = np.abs(y[k + 1] - y[k - 1])
    off = np.abs(y[k] - guess)[step > 0] / step[step > 0]
    return float(np.median(off)) if len(off) else np.inf


def ranks(values: Array) -> Array:
    """Places in order, equal values in the middle of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: Array = np.cumsum(counts) - counts / 2
    return middle[place]


def _hidden(column: Column) -> bool:
    return column.kind in ("category", "text") and bool(column.dropped)


def _texts(sheet: Sheet, column: Column, rows: Array) -> Array:
    raw = sheet.raw(column.name)
    return np.asarray(raw.values, dtype=object)[raw.codes[rows]]


def _folds(sheet: Sheet, y: Array) -> Array:
    """Folds that share out classes (or the range of a number) evenly."""
    place = rng_for(sheet.seed, "alone").permutation(len(y))
    place = place[np.argsort(y[place], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[place] = np.arange(len(y)) % PARTS
    return fold


def _tree(x: Array, y: Array, fold: Array, classes: bool) -> float:
    """A decision tree's; it takes missing cells as they are."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    guess = np.empty(len(y), dtype=y.dtype if classes else np.float64)
    for k in range(PARTS):
        here = fold == k
        model = kind(max_leaf_nodes=256, min_samples_leaf=2, random_state=0)
        guess[here] = model.fit(x[~here], y[~here]).predict(x[here])
    return _skill(guess, y, classes)


def _levels(values: Array, y: Array, fold: Array, classes: bool) -> float:
    """What the target mostly is, or is on average, under each level in the other folds."""
    _, codes = np.unique(values.astype(str), return_inverse=True)
    n = int(codes.max()) + 1
    guess = np.empty(len(y), dtype=np.float64)
    for k in range(PARTS):
        here = fold == k
        if classes:
            count = int(y.max()) + 1
            table = np.bincount(codes[~here] * count + y[~here], minlength=n * count).reshape(n, count)
            table[table.sum(axis=1) == 0] = table.sum(axis=0)
            guess[here] = table.argmax(axis=1)[codes[here]]
        else:
            size = np.bincount(codes[~here], minlength=n)
            total = np.bincount(codes[~here], weights=y[~here], minlength=n)
            mean = np.where(size > 0, total / np.maximum(size, 1), y[~here].mean())
            guess[here] = mean[codes[here]]
    return _skill(guess, y, classes)


def _words(values: Array, y: Array, fold: Array, classes: bool) -> float:
    """Which of the commonest words a text has, and the first number in it."""
    texts = [[w.lower() for w in WORD.findall(v)] for v in values]
    common = Counter(w for words in texts for w in set(words))
    index = {w: k for k, (w, c) in enumerate(common.most_common(WORDS)) if c >= PARTS}
    x = np.zeros((len(texts), len(index) + 1), dtype=np.float32)
    for row, words in enumerate(texts):
        for word in words:
            if word in index:
                x[row, index[word]] = 1
    found = [NUMBER.search(v) for v in values]
    x[:, -1] = [min(max(float(m[0]), -1e30), 1e30) if m else np.nan for m in found]
    return _tree(x, y, fold, classes)


def _next_to(values: Array, y: Array, classes: bool) -> float:
    """The skill of guessing what the row below has, when rows are sorted by the column: what it costs is a sort.

    Its error is at most twice the least possible one (Cover and Hart 1967), so what passes a tree passes here.
    """
    sorted_y = y[np.argsort(values, kind="stable")]
    return _skill(sorted_y[:-1], sorted_y[1:], classes)


def _skill(guess: Array, y: Array, classes: bool) -> float:
    if classes:
        base = 1 - np.bincount(y).max() / len(y)
        return 1 - float((guess != y).mean()) / base if base > 0 else 0.0
    base = float(np.var(y))
    return 1 - float(((guess - y) ** 2).mean()) / base if base > 0 else 0.0
