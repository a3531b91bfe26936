"""Non-dominated sorting that is kept up point by point. Everything is minimised.

Each level holds the points that only points of earlier levels beat (Deb et al. 2002). One more point is put in its place
without sorting anew, after Li, Deb, Zhang & Zhang (2017, Efficient Nondomination Level Update).
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedleaf.tuner.spread import CHOSEN, spread

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
CLOSELY = 64  # levels that begin among so many best points are ordered so; others by crowding


@dataclass(slots=True)
class Level:
    """Points none of which beats another: values, shape (k, m), and the trials that they belong to."""

    values: Array
    trials: list[int]
    listed: tuple[int, bool, list[tuple[float, int]]] | None = (
        None  # what `ranked` made of it, until it changes
    )

    def ranked(self, number: int, closely: bool) -> list[tuple[float, int]]:
        """(number + place within the level as a share, trial), best first."""
        if self.listed is None or self.listed[:2] != (number, closely):
            order = spread(self.values, self.trials, CHOSEN if closely else 0)
            rows = [(number + k / len(order), self.trials[i]) for k, i in enumerate(order)]
            self.listed = number, closely, rows
        return self.listed[2]

    def beats(self, point: Array) -> bool:
        """Does one of them beat `point`, shape (m,)?"""
        return bool(((self.values <= point).all(axis=1) & (self.values < point).any(axis=1)).any())

    def beaten_by(self, points: Array) -> Mask:
        """Which of them, shape (k,), does one of `points`, shape (n, m), beat?"""
        return _beaten(self.values, points)

    def split(self, mask: Mask) -> Level:
        """Those in `mask`, taken out."""
        taken = Level(self.values[mask], [t for t, out in zip(self.trials, mask, strict=True) if out])
        self.trials = [t for t, out in zip(self.trials, mask, strict=True) if not out]
        self.values, self.listed = self.values[~mask], None
        return taken

    def join(self, other: Level) -> None:
        self.values, self.listed = np.concatenate([self.values, other.values]), None
        self.trials = self.trials + other.trials


def _beaten(points: Array, others: Array) -> Mask:
    """Which of `points`, shape (n, m), does one of `others`, shape (k, m), beat?"""
    here, there = points[:, None], others[None]
    no_worse = (there <= here).all(axis=2)
    better = (there < here).any(axis=2)
    return np.asarray(np.logical_and(no_worse, better).any(axis=1))


class Fronts:
    """The levels of a growing set of points. What they are depends on the set alone, not on the order of its growth."""

    def __init__(self) -> None:
        self.levels: list[Level] = []

    @classmethod
    def of(cls, points: Array, trials: Sequence[int]) -> Fronts:
        """All at once: sorted, nobody is beaten by a later point, so one pass finds every level."""
        fronts = cls()
        if not len(points):
            return fronts
        order = np.lexsort(points.T[::-1])
        place = np.asarray(_places_2d(points[order]) if points.shape[1] == 2 else _places(points[order]))
        by_place = order[np.argsort(place, kind="stable")]
        for rows in np.split(by_place, np.cumsum(np.bincount(place))[:-1]):
            fronts.levels.append(Level(points[rows], [trials[i] for i in rows]))
        return fronts

    def add(self, point: Array, trial: int) -> None:
        """One more point, shape (m,)."""
        low, high = 0, len(self.levels)
        while low < high:  # who is beaten by a level is beaten by all before it
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.levels[middle].beats(point) else (low, middle)
        moving = Level(point[None], [trial])
        for i in range(low, len(self.levels)):
            level = self.levels[i]
            beaten = level.beaten_by(moving.values)
            if beaten.all():
                self.levels.insert(i, moving)
                return
            pushed = level.split(beaten)
            level.join(moving)
            if not pushed.trials:
                return
            moving = pushed
        self.levels.append(moving)

    def discard(self, trial: int) -> None:
        """One point less: whom it alone kept back moves up."""
        number = next((i for i, level in enumerate(self.levels) if trial in level.trials), None)
        if number is None:
            return
        gone = self.levels[number].split(np.array([t == trial for t in self.levels[number].trials]))
        for above, below in itertools.pairwise(self.levels[number:]):
            freed = below.beaten_by(gone.values)
            freed[freed] = ~_beaten(below.values[freed], above.values)
            gone = below.split(freed)
            if not gone.trials:
                break
            above.join(gone)
        self.levels = [level for level in self.levels if level.trials]

    def ranked(self) -> list[tuple[float, int]]:
        """(level + place within it as a share, trial), best first."""
        rows: list[tuple[float, int]] = []
        for i, level in enumerate(self.levels):
            rows += level.ranked(i, closely=len(rows) < CLOSELY)
        return rows


def _places_2d(points: Array) -> list[int]:
    """The level of each of `points`, shape (n, 2), sorted: by the lowest second value of every level so far."""
    floors: list[float] = []
    places: list[int] = []
    last: tuple[float, float] | None = None
    for x, y in points.tolist():
        if (x, y) == last:
            places.append(places[-1])
            continue
        last = x, y
        place = bisect_right(floors, y)
        floors[place : place + 1] = [y]
        places.append(place)
    return places


def _places(points: Array) -> list[int]:
    """The same in any number of objectives (Zhang et al. 2015, ENS)."""
    levels: list[Array] = []
    sizes: list[int] = []
    places: list[int] = []
    for i, point in enumerate(points):
        if i and (point == points[i - 1]).all():
            places.append(places[-1])
            continue
        low, high = 0, len(levels)
        while low < high:
            middle = (low + high) // 2
            beaten = (levels[middle][: sizes[middle]] <= point[1:]).all(axis=1).any()
            low, high = (middle + 1, high) if beaten else (low, middle)
        if low == len(levels):
            levels.append(np.empty((16, len(point) - 1)))
            sizes.append(0)
        if sizes[low] == len(levels[low]):
            levels[low] = np.concatenate([levels[low], np.empty_like(levels[low])])
        levels[low][sizes[low]] = point[1:]
        sizes[low] += 1
        places.append(low)
    return places
