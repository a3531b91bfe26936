"""The order of trials where one number does not give it: several objectives, or limits that are measured.

Deb's rules (2000, An efficient constraint handling method for genetic algorithms): who keeps the limits comes before who
breaks them; among those who keep them the objectives decide, among those who break them how far they are beyond.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import History, Metrics, State, Trial
from seedleaf.space.problem import Problem
from seedleaf.tuner.constraints import violation
from seedleaf.tuner.fronts import Fronts
from seedleaf.tuner.pareto import pareto_front

Ranked = Sequence[tuple[float, int]]
AT_ONCE = 64  # the first rows, where they are more than this, are sorted together; later ones come one by one


@dataclass(slots=True)
class Ranking:
    """Who stands measured at one step, in order. What it lists depends on the rows alone, not on how they came."""

    problem: Problem
    dropped: int = 0
    rows: dict[int, Metrics] = field(default_factory=dict)
    kept: list[tuple[float, int]] = field(default_factory=list)  # with one objective: (loss, trial)
    fronts: Fronts = field(default_factory=Fronts)  # with several
    broken: list[tuple[float, int]] = field(default_factory=list)  # (violation, trial)
    listed: list[tuple[float, int]] | None = None

    def follow(self, history: History, step: int) -> None:
        """Catch up with what stands measured at `step`."""
        rows = history.at(step)
        if self.dropped != history.dropped:
            self.dropped = history.dropped
            self._drop({t for t, metrics in self.rows.items() if rows.get(t) is not metrics})
        if len(rows) > len(self.rows):
            self._take(dict(islice(rows.items(), len(self.rows), None)))

    def _drop(self, gone: set[int]) -> None:
        if not gone:
            return
        self.listed = None
        self.kept = [row for row in self.kept if row[1] not in gone]
        self.broken = [row for row in self.broken if row[1] not in gone]
        for trial in gone:
            del self.rows[trial]
            self.fronts.discard(trial)

    def _take(self, fresh: dict[int, Metrics]) -> None:
        self.listed = None
        self.rows.update(fresh)
        points: dict[int, tuple[float, ...]] = {}
        for trial, metrics in fresh.items():
            point = losses(self.problem, metrics)
            beyond = violation(self.problem.measured_limits, metrics)
            if beyond > 0 or not all(map(math.isfinite, point)):
                insort(self.broken, (beyond or math.inf, trial))
            elif len(point) == 1:
                insort(self.kept, (point[0], trial))
            else:
                points[trial] = point
        if len(points) > AT_ONCE and not self.fronts.levels:
            self.fronts = Fronts.of(np.array(list(points.values())), list(points))
            return
        for trial, point in points.items():
            self.fronts.add(np.asarray(point), trial)

    def in_order(self) -> Ranked:
        if self.listed is None:
            self.listed = [*self.kept, *self.fronts.ranked()]
            # Nobody who breaks a limit is worth more steps, unless all do: then the nearest to it leads on.
            lost = bool(self.listed)
            self.listed += [(math.inf if lost else beyond, trial) for beyond, trial in self.broken]
        return self.listed


def ranked_by_fronts(problem: Problem, history: History, step: int) -> Ranked:
    """(value, trial) of all that stand measured at `step`, best first; kept in the memo and extended.

    The value is the number of the front plus the place within it as a share (with one objective: the loss); +inf where
    the trial breaks a measured limit that another trial keeps.
    """
    key = f"ranking:{step}"
    ranking = cast("Ranking | None", history.memo.get(key))
    if ranking is None or ranking.problem is not problem:
        ranking = history.memo[key] = Ranking(problem)
    ranking.follow(history, step)
    return ranking.in_order()


def losses(problem: Problem, metrics: Metrics) -> tuple[float, ...]:
    """All objectives as numbers to minimise."""
    return tuple(o.loss(metrics) for o in problem.objectives)


def front(problem: Problem, history: History, trials: Iterable[Trial] | None = None) -> list[Trial]:
    """Of the fully trained trials that keep the limits, those that no other beats; sorted by the first objective."""
    if trials is None:
        trials = history.in_state(State.DONE)
    able = [t for t in trials if t.measurements and violation(problem.measured_limits, t.metrics) == 0]
    points: NDArray[np.float64] = np.array([losses(problem, t.metrics) for t in able])
    mask = pareto_front(points.reshape(len(able), len(problem.objectives)))
    best = [(tuple(p), t.id, t) for p, t, on in zip(points, able, mask, strict=True) if on]
    return [t for *_, t in sorted(best, key=lambda row: row[:2])]
