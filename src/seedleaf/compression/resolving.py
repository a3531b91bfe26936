"""A config becomes a recipe: its passes are resolved against the bounds, measured, and tightened or eased by that."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedleaf.compression.bench import Bench, delivered_size, measured
from seedleaf.compression.pricing import broken
from seedleaf.compression.recipe import Recipe, Step, Work, applied
from seedleaf.compression.registry import PASSES
from seedleaf.compression.shop import towards
from seedleaf.compression.space import steps_of
from seedleaf.core import OUT_OF_REACH, Config
from seedleaf.errors import LimitError, TrialError

RECIPE = "recipe.json"
ROUNDS = 6  # in which a recipe is tightened or eased until the graph, measured, keeps the targets closely
CLOSE = 1.06  # times better than its targets that a recipe may stay
MARGIN = 0.96  # of a target on time or bytes that a recipe aims at: the final measurement is another one
LOOSER = (1.0, 1.06, 1.12)  # of it, where prediction says that so little cannot be reached
NEARLY = 1.05  # times too many bytes, up to which the file is written to be sure: its sketch is off by a few per cent
MEASURED = ("latency_ms", "bytes")


def targets_of(config: Config, setup: Mapping[str, Any]) -> dict[str, float]:
    """The bounds, that of a trade-off as far below as `config` says."""
    further, metric = float(config.get("further") or 1.0), setup.get("tradeoff")
    return {m: v / further if m == metric else v for m, v in setup["targets"].items()}


def resolve(
    config: Config, targets: Mapping[str, float], bench: Bench, folder: Path, until: float = math.inf
) -> tuple[Work, Recipe, dict[str, float]]:
    """Resolve the passes of `config` so that the graph, as measured, keeps `targets`, and no more than is needed goes.

    What is predicted of time and bytes is off by some per cent, more in int8; so a recipe is tightened or eased by what was
    measured, and one that no prediction lets keep the targets is measured before it is given up. After `until` (seconds
    since the epoch) the first that keeps them is taken. TrialError where none of ROUNDS does.
    """
    aimed = _times(targets, MARGIN)
    best: tuple[float, Work, Recipe, dict[str, float]] | None = None
    reached: dict[str, float] | None = None  # what the last recipe aimed at
    why, seen, refused = "", set(), False
    for _ in range(ROUNDS):
        try:
            work, recipe = _fold(config, aimed, bench)
        except LimitError as error:
            why, refused = str(error) if not why or aimed == targets else why, True
            looser = _looser(aimed, reached, targets)
            if best is not None or looser is None:
                break
            aimed = looser
            continue
        reached = aimed
        if recipe.dumps() in seen:  # so small a step changes nothing
            if best is not None or refused:
                break
            aimed = _times(aimed, 0.95)
            continue
        seen.add(recipe.dumps())
        costs, over = _weighed(work, targets, bench, folder)
        if over:
            why = "the recipe does not keep the targets when measured: "
            why += ", ".join(f"{m} {costs[m]:.4g} > {targets[m]:.4g}" for m in over)
            aimed = {m: v / over.get(m, 1.0) * (0.98 if m in over else 1.0) for m, v in aimed.items()}
            continue
        slack = min(targets[m] / max(costs[m], 1e-30) for m in targets)
        if best is None or slack < best[0]:
            best = slack, work, recipe, costs
        eased = {
            m: v * (0.98 * targets[m] / max(costs[m], 1e-30) if m in MEASURED else 1.0)
            for m, v in aimed.items()
        }
        if slack < CLOSE or eased == aimed or time.time() > until:  # what is counted needs no second round
            break
        aimed = eased
    if best is None:
        raise TrialError(f"{OUT_OF_REACH}: {why.removeprefix('cannot be reached ')}")
    return best[1:]


def _weighed(
    work: Work, targets: Mapping[str, float], bench: Bench, folder: Path
) -> tuple[dict[str, float], dict[str, float]]:
    """What a network costs, and the targets that it breaks. Bytes that are a little too many by the sketch of the graph are
    those of the file itself: it takes seconds to write, so others are not."""
    costs = measured(work, bench, folder)
    over = broken(costs, targets)
    estimated = bench.found["wrapping8" if work.quantise else "wrapping"] != 1.0
    if set(over) == {"bytes"} and estimated and over["bytes"] <= NEARLY:
        costs["bytes"] = delivered_size(work, bench, folder)
        over = broken(costs, targets)
    return costs, over


def _times(aimed: Mapping[str, float], factor: float) -> dict[str, float]:
    """`aimed` with what is measured, not counted, times `factor`."""
    return {m: v * (factor if m in MEASURED else 1.0) for m, v in aimed.items()}


def _looser(
    aimed: Mapping[str, float], reached: Mapping[str, float] | None, targets: Mapping[str, float]
) -> dict[str, float] | None:
    """What to aim at where `aimed` cannot be reached by prediction: half the way back to what a recipe was found for, else
    the targets and a little more than they, as predictions are off. None where that would change nothing."""
    able = [m for m in aimed if m in MEASURED]
    if not able:
        return None
    if reached is not None:
        half = {m: math.sqrt(v * reached[m]) for m, v in aimed.items()}
        return half if any(half[m] > 1.003 * aimed[m] for m in able) else None
    now = max(aimed[m] / targets[m] for m in able)
    return next((_times(targets, f) for f in LOOSER if f > 1.001 * now), None)


def _fold(config: Config, targets: Mapping[str, float], bench: Bench) -> tuple[Work, Recipe]:
    work, recipe = Work(bench.original), Recipe(bench.start)
    shop = bench.shop if config["quantise"] == "off" else bench.shop8
    for kind, options, share in steps_of(config, bench.groups, bench.layers):
        wanted = targets
        if (
            share < 1.0
        ):  # to price a network its structure has to be found out, which takes a while with somebody's
            wanted = towards(shop.pricer(work.subject).price(), targets, share)
        body = PASSES[kind].resolve(work, shop, options, wanted)
        step = Step(kind, json.loads(json.dumps(body)))
        work, recipe = applied(work, step, PASSES, shop), recipe.then(step)
    return work, recipe
