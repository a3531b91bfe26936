"""Which orders of passes can reach the targets, and the recipes that are worth a look before anything is known. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from seedleaf.compression.space import ORDERS
from seedleaf.core import format_ms
from seedleaf.errors import LimitError

UNITS = {"params": "parameters", "macs": "multiply-adds", "bytes": "bytes", "latency_ms": "ms"}
Targets = Mapping[str, float]


def reachable(found: Mapping[str, Any], targets: Targets, int8: str) -> tuple[str, ...]:
    """The orders of passes that can reach `targets`, by prediction; LimitError where none can.

    `found` is what `analyse` found out about the original; `int8` is "search", "always" or "never".
    """
    ways: list[Mapping[str, Targets]] = []
    if int8 != "always":
        ways.append(found["floors"])
    if int8 != "never":
        ways.append(found["floors8"])
    good = [n for n in ("prune", "drop_prune", "drop") if any(n in w and _keeps(w[n], targets) for w in ways)]
    if not good and any(ways):
        refuse_unreachable(ways, targets, found["costs"])
    if not good and not found["decomposable"]:
        refused = "; ".join(f"{g}: {why}" for g, why in list(found["refused"].items())[:2])
        raise LimitError(
            f"nothing of this network can be removed ({refused or 'it has no layers that are known'})"
        )
    if found["decomposable"]:
        good += [o for o in ORDERS if "decompose" in o and ("prune" not in o or "prune" in found["floors"])]
    return tuple(good)


def firsts(orders: Sequence[str], int8: str, further: float = 1.0) -> list[dict[str, Any]]:
    """Configs worth a look before anything is known: the default first, then what one would do by hand and other orders.

    Among them are one share for all layers, Tucker alone and CP alone, so that a short search is not behind any of them.
    """
    found: list[dict[str, Any]] = [{}]
    if int8 == "search":
        found.append({"quantise": "off"})
    if "decompose" in orders:
        found += [{"passes": "decompose", "passes.kind": kind} for kind in ("tucker", "cp")]
    found += [{"passes": o} for o in ("drop_prune", "prune_decompose") if o in orders]
    if further > 1.0:
        found += [{"further": further**share} for share in (0.5, 0.9)]
    if "prune" in orders:
        even = {"passes.criterion": "magnitude", "passes.allocation": "uniform"}
        found.append({"passes": "prune", **even})
    return found + [{"passes": o} for o in ("decompose", "drop", "decompose_prune") if o in orders]


def _keeps(costs: Targets, targets: Targets) -> bool:
    return all(costs[m] <= v for m, v in targets.items())


def refuse_unreachable(ways: Sequence[Mapping[str, Targets]], targets: Targets, costs: Targets) -> NoReturn:
    """LimitError with how far each target could be come to, by the floors of `ways`."""
    rows = []
    for metric, bound in targets.items():
        least = min(floor[metric] for way in ways for floor in way.values())
        if least > bound:
            # Whoever asked for a speedup has to be told one.
            faster = f", {speed(costs[metric] / least, '.2g')}" if metric == "latency_ms" else ""
            rows.append(
                f"{said(metric, bound)} (this network can come down to about {said(metric, least)}{faster})"
            )
    both = "no order of passes reaches all of " + ", ".join(said(m, v) for m, v in targets.items())
    raise LimitError(f"cannot be reached: {'; '.join(rows) or both}")


def speed(ratio: float, form: str = ".2f", other: str = "") -> str:
    """How many times faster something is than `other`, as people say it: what takes longer is so many times slower."""
    times = format(max(ratio, 1 / ratio), form)
    if float(times) == 1.0:
        return "as fast" + (f" as {other}" if other else "")
    return f"{times} times {'faster' if ratio > 1 else 'slower'}" + (f" than {other}" if other else "")


def said(metric: str, value: float) -> str:
    """A cost with its unit."""
    return format_ms(value) if metric == "latency_ms" else f"{value:,.0f} {UNITS[metric]}"
