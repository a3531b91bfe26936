"""Which passes, in which order, how much of the way by each, and how to fine-tune: a conditional space like any other.

Every config meets the targets by construction (the passes resolve their widths and ranks against them), so the search is
about accuracy alone. No torch here: the driver builds spaces without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from seedleaf.core import Config, Value
from seedleaf.space import Choice, Const, Float, Space

# The order of the passes is the order in the name; `share` is how much of the way (on a log scale) all but the last go.
ORDERS = ("prune", "drop_prune", "drop", "decompose", "prune_decompose", "decompose_prune")
TILTED = 16  # preferences at most: deeper networks get one for each of so many stretches of their depth
WHOLE = "whole"  # a layer that is left as it is


def compress_space(
    orders: Sequence[str],
    groups: Sequence[str],
    int8: str,
    further: float = 1.0,
    mode: str = "static",
    layers: Sequence[str] = (),
) -> Space:
    """`orders` are those that can reach the targets, `groups` the prunable ones and `layers` those that may be decomposed,
    both in the order in which they run; `int8` is "search", "always" or "never", `mode` how a graph becomes int8, "static"
    or "dynamic".

    `further` is how many times below its target the metric of a trade-off may be brought.
    """
    offered: Any = {name: _options(name, groups, layers) for name in orders}
    quantise = {"always": Const(mode), "never": Const("off")}.get(int8, Choice("off", mode, default=mode))
    beyond: Any = {"further": Float(1.0, further, log=True, default=1.0)} if further > 1.0 else {}
    return Space(
        {
            **beyond,
            "passes": Choice(**offered, default=orders[0]),
            "quantise": quantise,
            "lr": Float(2e-3, 0.2, log=True, default=0.03),
            "distil": Choice(
                off={},
                on={
                    "weight": Float(0.3, 1.0, default=0.7),
                    "temperature": Float(1.0, 6.0, log=True, default=2.0),
                },
                default="on",
            ),
        }
    )


def _options(order: str, groups: Sequence[str], layers: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parts = order.split("_")
    if len(parts) > 1:
        found["share"] = Float(0.2, 0.9, default=0.5)
    if "prune" in parts:
        free: dict[str, Any] = {
            "caution": Float(0.0, 3.0, default=1.0),
            "slope": Float(-1.0, 1.0, default=0.0),
        }
        tilted = {**free, **_tilts(groups)}
        found["criterion"] = Choice("taylor", "magnitude", "bn_scale", default="taylor")
        found["allocation"] = Choice(greedy=free, uniform={}, tilted=tilted, default="greedy")
        found["rounds"] = Choice(1, 3, default=3)
    if "decompose" in parts:
        found["kind"] = Choice("tucker", "cp", "any", default="any")
        found["rank_caution"] = Float(0.0, 3.0, default=1.0)
        if layers:
            found["ranks"] = Choice(greedy={}, tilted=_tilts(layers), chosen=_ways(layers), default="greedy")
    return found


def _tilts(names: Sequence[str]) -> dict[str, Any]:
    """How much dearer or cheaper than measured each stretch of the network counts."""
    return {f"tilt {i}": Float(-1.0, 1.0, default=0.0) for i in range(len(stretches(names)))}


def _ways(names: Sequence[str]) -> dict[str, Any]:
    """How each stretch is decomposed: as all are, by a kind of its own, or not if that can be."""
    ways = ("common", "tucker", "cp", WHOLE)
    return {f"way {i}": Choice(*ways, default="common") for i in range(len(stretches(names)))}


def stretches(names: Sequence[str]) -> list[tuple[str, ...]]:
    """`names` one by one, or, where they are more than TILTED, so many runs of neighbours, as even as can be."""
    n, count = len(names), min(len(names), TILTED)
    cuts = [n * i // count for i in range(count + 1)] if count else [0]
    return [tuple(names[a:b]) for a, b in itertools.pairwise(cuts)]


def steps_of(
    config: Mapping[str, Value], groups: Sequence[str], layers: Sequence[str] = ()
) -> list[tuple[str, dict[str, Any], float]]:
    """(pass, its options, share of the way that it goes) in order; the last structural pass goes all of it."""
    order = str(config["passes"])
    under = {k.removeprefix("passes."): v for k, v in config.items() if k.startswith("passes.")}
    parts, share = order.split("_"), float(under.get("share") or 1.0)
    found: list[tuple[str, dict[str, Any], float]] = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        options = _chosen(part, under, groups, layers) | ({} if last else {"partly": True})
        way = 1.0 if last else share
        rounds = int(under["rounds"] or 1) if part == "prune" else 1
        # Equal parts of the way on a log scale; what is left to remove is ranked anew in each, on the network as it then is.
        for k in range(rounds):
            found.append((part, options, part_of(way, k, rounds)))
    distil: dict[str, Any] = {}
    if config["distil"] == "on":
        distil = {"weight": config["distil.weight"], "temperature": config["distil.temperature"]}
    found.append(("distil", distil, 1.0))
    found.append(("quantise", {"mode": config["quantise"]}, 1.0))
    return found


def part_of(way: float, k: int, rounds: int) -> float:
    """How much of what is then left of the way to the targets the k-th of `rounds` goes, so that together they go `way`."""
    each = way / rounds
    return each / (1.0 - k * each)


def _chosen(
    part: str, under: Mapping[str, Value], groups: Sequence[str], layers: Sequence[str]
) -> dict[str, Any]:
    if part == "prune":
        allocation = str(under["allocation"])
        options: dict[str, Any] = {"criterion": under["criterion"]}
        options["allocation"] = "uniform" if allocation == "uniform" else "greedy"
        for key in ("caution", "slope"):
            if (value := under.get(f"allocation.{key}")) is not None:
                options[key] = value
        return options | _each("tilt", "allocation.tilt", under, groups)
    if part == "decompose":
        options = {"kind": under["kind"], "caution": under["rank_caution"]}
        ways = _each("as", "ranks.way", under, layers).items()
        own = {k: way for k, way in ways if way != "common"}
        return options | _each("tilt", "ranks.tilt", under, layers) | own
    return {}


def _each(option: str, key: str, under: Mapping[str, Value], names: Sequence[str]) -> dict[str, Any]:
    """What the config says of each stretch, as an option of each name in it."""
    found: dict[str, Any] = {}
    for i, stretch in enumerate(stretches(names)):
        if (value := under.get(f"{key} {i}")) is not None:
            found |= {f"{option}.{name}": value for name in stretch}
    return found


def training_of(config: Mapping[str, Value], base: Config) -> Config:
    """How a compressed network is fine-tuned: `base` (batch size, augmentation) with a gentle optimiser of its own."""
    kept = {k: v for k, v in base.items() if k.partition(".")[0] in ("batch_size", "augment")}
    return {
        **kept,
        "optimizer": "sgd",
        "optimizer.lr": config["lr"],
        "optimizer.momentum": 0.9,
        "optimizer.nesterov": True,
        "optimizer.weight_decay": 5e-4,
        "schedule": "cosine",
        "schedule.warmup": 0.05,
        "loss": "cross_entropy",
        "loss.label_smoothing": 0.0,
        "ema": "on",
        "ema.epochs": 0.3,
    }
