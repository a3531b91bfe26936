"""From traces to numbers: regret at a mark, spread by bootstrap, ranks with the test of Friedman and Nemenyi."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.scenarios import Scenario

Run = Mapping[str, Any]  # a line of a results file
Array = NDArray[np.float64]

CAP = 10.0  # a regret above this counts as this: one diverged incumbent would be the whole mean
MARKS = (1, 2, 5, 10, 20, 50)  # full trainings


def loss_at(points: Sequence[Any], used: float) -> float:
    """The loss of the incumbent after `used` units; +inf before the first one and for a diverged one."""
    at = bisect_right([p[0] for p in points], used + 1e-9) - 1
    value = points[at][1] if at >= 0 else None
    return math.inf if value is None else float(value)


def regrets(
    run: Run, scenario: Scenario, marks: Sequence[float], key: str = "trace", unit: float = 0
) -> Array:
    """Normalised regret after each of `marks` full trainings, shape (len(marks),); at most CAP.

    `key` is the trace to read; `unit` is how much of its first column is a full training (by default `full` steps).
    """
    each = unit or scenario.full
    values = [scenario.regret(loss_at(run[key], m * each)) for m in marks]
    return np.asarray(np.minimum(values, CAP))


@dataclass(frozen=True)
class Spread:
    """Mean with its 95 % bootstrap interval, median and worst of `n` runs."""

    mean: float
    low: float
    high: float
    median: float
    worst: float
    n: int


def spread(values: Array, groups: Sequence[str], rounds: int = 1000) -> Spread:
    """Of one number per run; the bootstrap draws runs within each group (instance), instances being what they are."""
    rng = np.random.default_rng(0)
    names = np.array(groups)
    members = [np.flatnonzero(names == g) for g in sorted(set(groups))]
    sums = np.zeros(rounds)
    for member in members:
        sums += values[rng.choice(member, (rounds, len(member)))].sum(axis=1)
    low, high = np.quantile(sums / len(values), [0.025, 0.975])
    middle = float(np.median(values))
    return Spread(float(values.mean()), float(low), float(high), middle, float(values.max()), len(values))


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods over `n` problems, the p-value of Friedman's test, and Nemenyi's critical difference."""

    ranks: Mapping[str, float]
    n: int
    p: float
    critical: float


def rank(table: Mapping[str, Sequence[float]]) -> Ranking | None:
    """`table`: method -> its score on each problem, less is better (Demšar 2006). None with fewer than 3 methods."""
    methods = list(table)
    scores = np.array([table[m] for m in methods])
    k, n = scores.shape
    if k < 3 or n < 2:
        return None
    mean = stats.rankdata(scores, axis=0).mean(axis=1)
    p = float(stats.friedmanchisquare(*scores).pvalue) if np.ptp(scores) > 0 else 1.0
    q = float(stats.studentized_range.ppf(0.95, k, np.inf)) / math.sqrt(2)
    critical = q * math.sqrt(k * (k + 1) / (6 * n))
    return Ranking(dict(sorted(zip(methods, mean.tolist(), strict=True), key=lambda r: r[1])), n, p, critical)


def by_scenario(
    runs: Sequence[Run], score: Callable[[Run], float], methods: Sequence[str]
) -> Mapping[str, Sequence[float]]:
    """method -> mean score on every scenario that all of `methods` ran on, over the seeds that each has."""
    cells: dict[str, dict[str, list[float]]] = {m: {} for m in methods}
    for run in runs:
        if run["method"] in cells:
            cells[run["method"]].setdefault(run["scenario"], []).append(score(run))
    common = sorted(set.intersection(*(set(c) for c in cells.values()))) if cells else []
    return {m: [float(np.mean(cells[m][s])) for s in common] for m in methods}
