"""How many channels each group keeps, so that targets are met at the least damage.

`greedy` is the knapsack of latency-aware pruning (Shen et al. 2022, HALP) taken step by step: remove what costs least damage
for what it brings towards the targets, channel block by channel block, along the staircase that was measured. `uniform`
keeps the same share everywhere: the control that it must beat.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.compression.importance import Scores, weakest_first
from seedleaf.compression.pricing import METRICS, Pricer, broken
from seedleaf.compression.skeleton import LEAST, Group
from seedleaf.core import format_ms
from seedleaf.errors import LimitError


@dataclass(frozen=True, slots=True)
class Taste:
    """What the search may bend. `caution` makes the last channels of a group dear; `slope` spares late groups (> 0) or early
    ones (< 0); `tilt[group]` spares one group (> 0)."""

    caution: float = 1.0
    slope: float = 0.0
    tilt: Mapping[str, float] | None = None


def uniform(pricer: Pricer, targets: Mapping[str, float]) -> dict[str, int]:
    """Every group keeps the largest common share that meets the targets. LimitError where none does."""
    low, high = 0.0, 1.0
    _check(pricer, targets)
    for _ in range(20):
        share = (low + high) / 2
        if broken(pricer.price(_scaled(pricer, share)), targets):
            high = share
        else:
            low = share
    return _scaled(pricer, low)


def _scaled(pricer: Pricer, share: float) -> dict[str, int]:
    return {g.id: max(round(share * g.channels), min(LEAST, g.channels)) for g in pricer.skeleton.free}


def greedy(pricer: Pricer, targets: Mapping[str, float], scores: Scores, taste: Taste) -> dict[str, int]:
    """The widths at which the targets are met. LimitError where the narrowest network does not meet them."""
    _check(pricer, targets)
    order = {g.id: i for i, g in enumerate(pricer.skeleton.free)}
    curves = {
        g.id: _damage(g, scores[g.id], taste, order[g.id] / max(len(order) - 1, 1))
        for g in pricer.skeleton.free
    }
    widths = pricer.skeleton.full()
    while over := broken(pricer.price(widths), targets):
        best: tuple[float, str, int] | None = None
        for group in pricer.skeleton.free:
            for to in _steps(widths[group.id], pricer.table.block):
                saved = pricer.change(widths, group.id, to)
                gain = sum(saved[m] / targets[m] for m in over)
                if gain <= 1e-9:
                    continue
                curve = curves[group.id]
                price = (curve[to] - curve[widths[group.id]]) / gain
                if best is None or price < best[0]:
                    best = price, group.id, to
        if best is None:  # nothing measured as faster is left: go by size instead
            best = _any_step(pricer, widths)
            if best[2] == widths[best[1]]:
                raise LimitError(f"cannot be reached by pruning: {_over(pricer.price(widths), targets)}")
        widths[best[1]] = best[2]
    return _given_back(pricer, targets, widths, curves)


def _given_back(
    pricer: Pricer,
    targets: Mapping[str, float],
    widths: dict[str, int],
    curves: Mapping[str, dict[int, float]],
) -> dict[str, int]:
    """Wider again wherever the targets leave room, most damage undone first: the last steps went further than was needed."""
    widths = dict(widths)
    while True:
        found: list[tuple[float, str, int]] = []
        for group in pricer.skeleton.free:
            now, curve = widths[group.id], curves[group.id]
            for to in _wider(now, group.channels, pricer.table.block):
                if curve[to] < curve[now] and not broken(pricer.price({**widths, group.id: to}), targets):
                    found.append((curve[to] - curve[now], group.id, to))
        if not found:
            return widths
        _, name, to = min(found)
        widths[name] = to


def _wider(width: int, channels: int, block: int) -> list[int]:
    """The next wider widths worth looking at: full blocks above, and below a block by halves of it."""
    up = (width // block + 1) * block
    return sorted({min(n, channels) for n in (up, up + block, width + max(block // 2, 1))} - {width})


def _steps(width: int, block: int) -> list[int]:
    """The next narrower widths worth looking at: the block below, the one below that, and small ones below a block."""
    down = (width - 1) // block * block
    steps = [n for n in (down, down - block, width - 4, width // 2) if LEAST <= n < width]
    return sorted(set(steps), reverse=True)


def _any_step(pricer: Pricer, widths: dict[str, int]) -> tuple[float, str, int]:
    wide = max(widths, key=lambda g: widths[g])
    return 0.0, wide, max(widths[wide] - max(widths[wide] // 8, 1), LEAST)


def _damage(
    group: Group, scores: np.ndarray[Any, np.dtype[np.float64]], taste: Taste, place: float
) -> dict[int, float]:
    """Kept channels -> damage of keeping only the best so many."""
    ordered = scores[weakest_first(scores)]
    lost = np.concatenate([[0.0], np.cumsum(ordered)])
    tilt = (taste.tilt or {}).get(group.id, 0.0)
    weight = dearer(taste.slope * (2 * place - 1) + tilt)
    n = group.channels
    # The sum underestimates what goes when much goes: channels that are left cannot stand in for all others.
    return {n - k: weight * float(lost[k]) * (n / max(n - k, 1)) ** taste.caution for k in range(0, n + 1)}


def dearer(tilt: float) -> float:
    """How many times as dear as it is a group or a layer counts that the search tilts so."""
    return math.exp(2.0 * tilt)


def tilted(tilt: float) -> str:
    """That, as the end of a sentence; empty where nothing was tilted."""
    return f"; the search counted it {dearer(tilt):.2g} times as dear as it is" if tilt else ""


def narrowest(pricer: Pricer) -> dict[str, int]:
    return {g.id: min(LEAST, g.channels) for g in pricer.skeleton.free}


def least(pricer: Pricer, dropped: Collection[str] = ()) -> dict[str, float]:
    """The least that pruning, without those blocks, brings each cost to: in int8 a layer of 16 channels can be faster than
    one of 2."""
    block = pricer.table.block
    found = [
        pricer.price({g.id: min(n, g.channels) for g in pricer.skeleton.free}, dropped)
        for n in (LEAST, block, 2 * block)
    ]
    return {m: min(costs[m] for costs in found) for m in METRICS}


def _check(pricer: Pricer, targets: Mapping[str, float]) -> None:
    if not pricer.skeleton.free:
        why = "; ".join(f"{g.id}: {g.refused}" for g in pricer.skeleton.groups[:3])
        raise LimitError(f"no channels of the network can be pruned ({why or 'it has no groups'})")
    reach = least(pricer)
    full = pricer.price(pricer.skeleton.full())
    if over := broken(reach, targets):
        said = ", ".join(_unreachable(m, targets[m], reach[m], full[m]) for m in over)
        raise LimitError(
            f"cannot be reached by pruning: {said}; a larger target, or a smaller network from seedleaf fit"
        )


def _over(costs: Mapping[str, float], targets: Mapping[str, float]) -> str:
    said = (f"{said_of(m, targets[m])} (reached: {said_of(m, costs[m], '')})" for m in broken(costs, targets))
    return ", ".join(said)


def _unreachable(metric: str, target: float, least: float, full: float) -> str:
    reached = f"pruning reaches {said_of(metric, least, '')}, from {said_of(metric, full, '')}"
    return f"{said_of(metric, target)} ({reached})"


def said_of(metric: str, value: float, sign: str = "<= ") -> str:
    """A cost as people read it."""
    if metric == "latency_ms":
        return f"latency {sign}{format_ms(value)}"
    return f"{metric} {sign}{value:,.0f}"


def keep_best(scores: Scores, widths: Mapping[str, int]) -> dict[str, list[int]]:
    """The channels that stay when each group keeps its best `widths`, ascending; exact numbers even where scores tie."""
    return {
        g: sorted(int(c) for c in weakest_first(scores[g])[len(scores[g]) - n :]) for g, n in widths.items()
    }
