"""Splits of tables: stratified, by groups, or by time. All are seeded and pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from seedleaf.data.spec import Array, Labels
from seedleaf.data.splits import stratified_split
from seedleaf.data.tables.schema import Finding, TableData
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for, seed_for

FOLDS = 5  # where nobody asks for another number
TEST_FOLDS = 5  # a holdout is one fold of five
STRATA = 10  # into which a number to be predicted is cut, so that folds have alike parts of its range

Split = tuple[Labels, Labels]


def holdout(y: Array, classes: bool, groups: Array | None, order: Array | None, seed: int) -> Split:
    """Ascending indices `(train, test)` of N rows, about a fifth for the test.

    Stratified by `y`; whole `groups` where they are given; the last rows where `order` (ascending) is given.
    """
    n = len(y)
    if n < 2:
        raise DataError("one row cannot be split into training and test rows")
    if order is not None:
        cut = max(1, n - max(1, round(n / TEST_FOLDS)))
        return np.arange(cut), np.arange(cut, n)
    if groups is not None:
        return _by_group(y, classes, groups, min(TEST_FOLDS, len(np.unique(groups))), seed)[0]
    strata = y if classes else _strata(y, False, min(STRATA, max(1, n // TEST_FOLDS)))
    if len(np.unique(strata)) == n:
        raise DataError(f"every one of the {n} rows is a class of its own: is the target a number or an ID?")
    return stratified_split(strata, 1 / TEST_FOLDS, rng_for(seed, "holdout"))


def folds(data: TableData, k: int, seed: int = 0) -> list[Split]:
    """k pairs `(train, valid)` of ascending indices into the training rows.

    Stratified by class (or by tenths of a number), every row once in a `valid`; whole groups where the data has groups; by
    time where it has an order: fold j then trains on the first j + 1 of k + 1 parts and is judged on the next. Raises
    DataError where there are fewer rows or groups than folds.
    """
    y, classes = data.y_train, data.schema.target.task != "regression"
    if k < 2 or k > len(y):
        raise DataError(f"{data.schema.name}: {len(y)} rows cannot be cut into {k} folds")
    if data.order is not None:
        edges = np.linspace(0, len(y), k + 2).round().astype(np.int64)
        if (np.diff(edges) < 1).any():
            raise DataError(f"{data.schema.name}: {len(y)} rows in time cannot be cut into {k} folds")
        return [(np.arange(edges[j + 1]), np.arange(edges[j + 1], edges[j + 2])) for j in range(k)]
    if data.groups is not None:
        return _by_group(y, classes, data.groups, k, seed)
    return _stratified(y, classes, k, seed)


def judged(data: TableData, asked: int | None = None, seed: int = 0) -> tuple[TableData, list[Split]]:
    """The folds that a run is judged on: `asked`, else FOLDS or as many as rows and groups allow, which is a finding then.

    A fold whose training rows have one class teaches nothing and is left out, a finding too. DataError, naming the file,
    where none is left.
    """
    k, schema = asked or FOLDS, data.schema
    findings: list[Finding] = []
    n, what = len(data.y_train), "training row"
    if data.groups is not None:
        n, what = len(np.unique(data.groups)), f"group of {schema.group}"
    elif data.order is not None:
        n -= 1
    if asked is None and 2 <= n < k:
        said = (
            f"{plural(n, what, f'groups of {schema.group}' if data.groups is not None else '')} for {k} folds"
        )
        findings.append(Finding("folds", schema.group, said, f"judged in {n} folds", n))
        k = n
    if n < k:
        only = f"{schema.name}: {plural(n, what, f'groups of {schema.group}' if data.groups is not None else '')}"
        raise DataError(f"{only} beside the test rows cannot be shared out over {k} folds")
    whole = folds(data, k, seed)
    able = [
        s
        for s in whole
        if len(s[1]) and (not schema.target.classes or len(np.unique(data.y_train[s[0]])) > 1)
    ]
    if not able:
        raise DataError(
            f"{schema.name}: in each of {k} folds the training rows have one class of {schema.target.name} alone: "
            "the other has too few rows, or they stand together in groups or in time"
        )
    if less := k - len(able):
        said = f"in {plural(less, 'fold')} of {k} the training rows have one class alone"
        findings.append(Finding("folds", schema.target.name, said, "not judged in", less))
    told = replace(schema, findings=(*schema.findings, *findings))
    return replace(data, schema=told), able


def _stratified(y: Array, classes: bool, k: int, seed: int) -> list[Split]:
    """Rows are shuffled, sorted by stratum and dealt out: a stratum's counts differ by one at most.

    A class with fewer rows than folds is in as many folds as it has rows.
    """
    n = len(y)
    place = rng_for(seed, "folds").permutation(n)
    place = place[np.argsort(_strata(y, classes)[place], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[place] = np.arange(n) % k
    return _pairs(fold, k)


def _strata(y: Array, classes: bool, count: int = STRATA) -> Labels:
    if classes:
        return y.astype(np.int64)
    return np.argsort(np.argsort(y, kind="stable"), kind="stable") * count // max(1, len(y))


def _by_group(y: Array, classes: bool, groups: Array, k: int, seed: int) -> list[Split]:
    from sklearn.model_selection import StratifiedGroupKFold

    n_groups = len(np.unique(groups))
    if n_groups < k:
        raise DataError(f"{n_groups} groups cannot be shared out over {k} folds")
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed_for(seed, "groups") % 2**32)
    with np.errstate(all="ignore"):
        found: Iterable[Split] = splitter.split(np.zeros((len(y), 1)), _strata(y, classes), groups)
        return [(np.sort(train), np.sort(valid)) for train, valid in found]


def _pairs(fold: Labels, k: int) -> list[Split]:
    return [(np.flatnonzero(fold != j), np.flatnonzero(fold == j)) for j in range(k)]
