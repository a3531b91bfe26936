"""How much of what set the trials apart each parameter explains, and where the good values lie. Pure numpy.

The measure is the main effect of a functional ANOVA (Hutter, Hoos and Leyton-Brown 2014) on ranks, without a model in
between: the trials in which a parameter exists are grouped by its value, and the share of the variance of their ranks that
lies between the groups is epsilon squared (Kelley 1935), which is about 0 for a parameter that does nothing. Ranks, because
one diverged trial would otherwise be most of the variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Value
from seedleaf.report.facts import Row
from seedleaf.report.text import setting
from seedleaf.space import Choice, Const, Int, Node, Space

ENOUGH = 16  # fewer trials than this and chance differences between groups look like effects
GROUPS = 5
BARS = 16
DEALS = 200


@dataclass(frozen=True, slots=True)
class Bar:
    """Trials whose value lies at [left, right] of the parameter's unit scale: all of them, and those of the best quarter."""

    left: float
    right: float
    n: int
    n_good: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One parameter: the trials it exists in, its share of the variance, its distribution.

    `share` is None with too little data; `sure` says that chance alone would rarely give as much.
    """

    node: Node
    n: int
    n_good: int
    share: float | None
    sure: bool
    bars: tuple[Bar, ...]
    winner: Value
    default: Value
    in_winner: bool
    in_default: bool


def effects(space: Space, rows: Sequence[Row], winner: Row | None, default: Row | None) -> list[Effect]:
    """One Effect per parameter that can vary, in the tree's order. `rows` are scored trials, best first."""
    good = {r.id for r in rows[: math.ceil(len(rows) / 4)]}
    active = {r.id: _active(space, r) for r in rows}
    found = []
    for node in space.nodes:
        if node.param.n_values == 1 or isinstance(node.param, Const):
            continue
        here = [(rank, r) for rank, r in enumerate(rows) if node.id in active[r.id]]
        units = np.array([node.param.to_unit(r.config[node.key]) for _, r in here])
        marks = np.array([r.id in good for _, r in here], dtype=bool)
        ranks = np.array([rank for rank, _ in here], dtype=float)
        share, sure = _weigh(_groups(node, units), ranks) if len(here) >= ENOUGH else (None, False)
        in_winner, in_default = _holds(space, node, winner), _holds(space, node, default)
        found.append(
            Effect(
                node, len(here), int(marks.sum()), share, sure, tuple(_bars(node, units, marks)),
                winner.config[node.key] if winner is not None and in_winner else None,
                default.config[node.key] if default is not None and in_default else None,
                in_winner, in_default,
            )
        )  # fmt: skip
    return found


def explained(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Epsilon squared for each row of `values`, shape (m, n): the share of its variance between the `groups`, shape (n,),
    less what chance alone would give; 0 where there is nothing to explain."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    (m, n), k = values.shape, len(names)
    centred = values - values.mean(axis=1, keepdims=True)
    total = np.sum(centred**2, axis=1)
    if k < 2 or n <= k:
        return np.zeros(m)
    between = np.sum((centred @ np.eye(k)[inverse]) ** 2 / sizes, axis=1)
    within = (total - between) / (n - k)
    share: NDArray[np.float64] = (between - (k - 1) * within) / np.where(total > 0, total, 1.0)
    return share.clip(0.0, 1.0)


def _weigh(groups: NDArray[np.int64], ranks: NDArray[np.float64]) -> tuple[float, bool]:
    """The share explained, and whether ranks dealt at random reach it less than once in a hundred."""
    rng = np.random.default_rng(0)  # a page written twice from one log is the same page
    dealt = rng.permuted(np.tile(ranks, (DEALS, 1)), axis=1)
    share = float(explained(groups, ranks[None])[0])
    return share, share > float(np.quantile(explained(groups, dealt), 0.99))


def _groups(node: Node, units: NDArray[np.float64]) -> NDArray[np.int64]:
    """One group per option; numbers are cut into parts that hold equally many trials."""
    if isinstance(node.param, Choice):
        return np.round(units * len(node.param.options) - 0.5).astype(np.int64)
    parts = min(GROUPS, max(len(units) // 6, 2))
    edges = np.unique(np.quantile(units, np.arange(1, parts) / parts))
    return np.searchsorted(edges, units, side="right").astype(np.int64)


def _bars(node: Node, units: NDArray[np.float64], good: NDArray[np.bool_]) -> list[Bar]:
    param, names = node.param, [""] * min(max(len(units) // 4, 8), BARS)
    if isinstance(param, Choice):
        names = [setting(o) for o in param.options]
    elif isinstance(param, Int) and (param.n_values or BARS) < BARS:
        values = range(param.low, param.high + 1, param.step)
        names = [setting(v) for v in values]  # as the marks of winner and default look for them
        edges = np.array([param.to_unit(v) for v in values])
        units = (np.abs(units[:, None] - edges).argmin(axis=1) + 0.5) / len(names)
    k = len(names)
    index = np.clip((units * k).astype(int), 0, k - 1)
    n, n_good = np.bincount(index, minlength=k), np.bincount(index[good], minlength=k)
    return [Bar(i / k, (i + 1) / k, int(n[i]), int(n_good[i]), names[i]) for i in range(k)]


def _active(space: Space, row: Row) -> frozenset[str]:
    """The ids of the parameters that exist in a trial's config; none where the config is not of this space."""
    if not space.contains(row.config):
        return frozenset()
    return frozenset(node.id for node in space.active(row.config))


def _holds(space: Space, node: Node, row: Row | None) -> bool:
    return row is not None and node.id in _active(space, row)
