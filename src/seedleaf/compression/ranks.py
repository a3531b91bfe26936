"""Which layer is decomposed how far, so that targets are met at the least damage, and what the search prefers in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from seedleaf.compression.allocate import dearer, said_of
from seedleaf.compression.pricing import METRICS, Costs, Pricer, broken
from seedleaf.errors import LimitError


class Option(NamedTuple):
    """One way to replace a layer. `saved` are the costs it takes off, `damage` what the loss is expected to rise by."""

    kind: str
    ranks: tuple[int, ...]
    saved: Costs
    damage: float


def menu_of(
    offered: Mapping[str, list[Option]], kind: str, tilt: Mapping[str, float], wish: Mapping[str, str]
) -> dict[str, list[Option]]:
    """layer -> what it may be replaced by, from gentle to strong: of its wished kind where it has any, else of `kind`.

    A layer of `tilt` 1 counts as 7.4 times as dear as it is, one of -1 as cheap by as much.
    """
    menu = {}
    for name, options in offered.items():
        wished = [o for o in options if o.kind == wish.get(name)]
        wished = wished or [o for o in options if kind == "any" or o.kind in (kind, "svd")]
        if wished:
            weight = dearer(tilt.get(name, 0.0))
            menu[name] = [o._replace(damage=weight * o.damage) for o in undominated(wished)]
    return menu


def undominated(options: list[Option]) -> list[Option]:
    """By what they save, each saving more at more damage than the one before."""
    kept: list[Option] = []
    for o in sorted(options, key=lambda o: (-o.saved["latency_ms"], o.damage)):
        if not kept or o.damage < kept[-1].damage:
            kept.append(o)
    return kept[::-1]


def cheapest(
    menu: Mapping[str, list[Option]],
    pricer: Pricer,
    targets: Mapping[str, float],
    partly: bool = False,
    spared: Collection[str] = (),
) -> dict[str, Option]:
    """Strengthen, one at a time, the layer whose next option saves most for its damage, until the targets are met.

    Layers that are `spared` come only where all others together are not enough. LimitError where these are not either,
    unless it may go `partly`: then as far as the others go.
    """
    chosen: dict[str, Option] = {}
    tried: set[tuple[str, str, tuple[int, ...]]] = set()  # or two bounds could drive a layer to and fro
    start = pricer.price()
    free = {n: o for n, o in menu.items() if n not in spared}
    while over := broken(_left(start, chosen), targets):
        gains = {m: targets[m] for m in over}
        best = _next(free, chosen, gains, tried)
        if best is None and partly:
            return chosen
        best = best or _next(menu, chosen, gains, tried)
        if best is None:
            raise LimitError(_too_far(_left(start, chosen), targets))
        name, option = best
        chosen[name] = option
        tried.add((name, option.kind, option.ranks))
    return chosen


def _next(
    menu: Mapping[str, list[Option]],
    chosen: Mapping[str, Option],
    over: Mapping[str, float],
    tried: Collection[tuple[str, str, tuple[int, ...]]],
) -> tuple[str, Option] | None:
    """The layer and the option that saves most of the targets that are `over` for its damage."""
    nothing = Option("", (), dict.fromkeys(METRICS, 0.0), 0.0)
    best: tuple[float, str, Option] | None = None
    for name, options in menu.items():
        now = chosen.get(name, nothing)
        for o in options:
            gain = sum((o.saved[m] - now.saved[m]) / target for m, target in over.items())
            if gain <= 1e-9 or (name, o.kind, o.ranks) in tried:
                continue
            price = (o.damage - now.damage) / gain
            if best is None or price < best[0]:
                best = price, name, o
    return None if best is None else best[1:]


def alike(
    menu: Mapping[str, list[Option]], pricer: Pricer, targets: Mapping[str, float]
) -> dict[str, Option]:
    """The gentlest common step along every layer's options that meets the targets."""
    start, steps = pricer.price(), max(map(len, menu.values()), default=0)
    for step in range(steps):
        chosen = {n: o[min(math.floor(step * len(o) / steps), len(o) - 1)] for n, o in menu.items()}
        if not broken(_left(start, chosen), targets):
            return chosen
    raise LimitError(_too_far(_left(start, {n: o[-1] for n, o in menu.items()}), targets))


def _left(start: Costs, chosen: Mapping[str, Option]) -> Costs:
    return {m: start[m] - sum(o.saved[m] for o in chosen.values()) for m in METRICS}


def _too_far(reached: Costs, targets: Mapping[str, float]) -> str:
    over = broken(reached, targets)
    said = ", ".join(f"{said_of(m, targets[m])} (reached: {said_of(m, reached[m], '')})" for m in over)
    return f"cannot be reached by decomposition: {said}"
