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
    """Normalised regret after each of `marks` full trainings, shape (len(marks),); at most CAP, NaN beyond the run's end.

    `key` is the trace to read; `unit` is how much of its first column is a full training (by default `full` steps).
    """
    each = unit or scenario.full
    end = run.get("simulated_s" if key == "clock" else "budget", math.inf)
    values = [scenario.regret(loss_at(run[key], m * each)) if m * each <= end else math.nan for m in marks]
    return np.asarray(np.minimum(values, CAP))


@dataclass(frozen=True)
class Spread:
    """Mean with its 95 % bootstrap interval, median and worst of `n` runs; NaN of none."""

    mean: float
    low: float
    high: float
    median: float
    worst: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.2f}, {self.high:.2f}]" if self.n else "–"

    @property
    def worse_half(self) -> str:
        """Median and worst, as text."""
        return f"{self.median:.3f} / {self.worst:.2f}" if self.n else "–"


def spread(values: Array, groups: Sequence[str], rounds: int = 1000) -> Spread:
    """Of one number per run, NaN left out; the bootstrap draws runs within each group (instance)."""
    rng = np.random.default_rng(0)
    known = np.isfinite(values)
    if not known.any():
        return Spread(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    names, values = np.array(groups)[known], values[known]
    members = [np.flatnonzero(names == g) for g in sorted(set(names.tolist()))]
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
    k, n = len(methods), len(table[methods[0]]) if methods else 0
    if k < 3 or n < 2:
        return None
    scores = np.array([table[m] for m in methods])
    mean = stats.rankdata(scores, axis=0).mean(axis=1)
    p = float(stats.friedmanchisquare(*scores).pvalue) if np.ptp(scores) > 0 else 1.0
    q = float(stats.studentized_range.ppf(0.95, k, np.inf)) / math.sqrt(2)
    critical = q * math.sqrt(k * (k + 1) / (6 * n))
    return Ranking(dict(sorted(zip(methods, mean.tolist(), strict=True), key=lambda r: r[1])), n, p, critical)


def by_scenario(
    runs: Sequence[Run], score: Callable[[Run], float], methods: Sequence[str]
) -> Mapping[str, Sequence[float]]:
    """method -> mean score on every scenario that all of `methods` have a score on, over the seeds that each has."""
    cells: dict[str, dict[str, list[float]]] = {m: {} for m in methods}
    for run in runs:
        if run["method"] in cells and not math.isnan(value := score(run)):
            cells[run["method"]].setdefault(run["scenario"], []).append(value)
    common = sorted(set.intersection(*(set(c) for c in cells.values()))) if cells else []
    return {m: [float(np.mean(cells[m][s])) for s in common] for m in methods}


def covering(runs: Sequence[Run], least: float) -> tuple[list[str], set[str]]:
    """(methods that ran on at least that share of all scenarios, the scenarios that all of these ran on)."""
    cover: dict[str, set[str]] = {}
    for run in runs:
        cover.setdefault(run["method"], set()).add(run["scenario"])
    every = set.union(*cover.values()) if cover else set()
    wide = [m for m, scenarios in cover.items() if len(scenarios) >= least * len(every)]
    return wide, set.intersection(*(cover[m] for m in wide)) if wide else set()
