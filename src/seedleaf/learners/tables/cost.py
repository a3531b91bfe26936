"""What a delivered file costs, in bytes and in milliseconds for one row on one thread: what limits are held against.

`setup["limits"]` holds those asked for, {"bytes": …, "latency_ms": …} of the whole file, the reading of cells included.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from seedleaf.data.tables.written import CELLS, as_cells
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader import read_cells, unreadable
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.source import Source
from seedleaf.learners.tables.walk import walk
from seedleaf.learners.tables.written import finished, taken_in

Array = npt.NDArray[Any]
Costs = Mapping[str, float]
KEYS = ("bytes", "latency_ms")
FORMS = ("packed", "plain")  # a graph's trees in a walk (walk.py), or as operators
COST_KEYS = frozenset({*KEYS, *(f"{form}_{key}" for form in FORMS for key in KEYS)})
AGAIN = 3  # looks at a latency beyond its limit: on a busy machine a file seems slower than it is
QUICK = 0.08  # seconds for the latency of a trial's model
PAYS = 0.9  # of the bytes of a file with trees as they are: larger packed ones are not worth the time of their walk
MARGIN = 0.97  # of a limit on bytes that a fit may fill: what is joined is named anew, which takes a little


def limits_of(setup: Mapping[str, Any]) -> dict[str, float]:
    """The limits that were asked for; empty without any."""
    return {str(k): float(v) for k, v in dict(setup.get("limits") or {}).items()}


class File(NamedTuple):
    """A graph that could be delivered; its trees are `walked`, or operators."""

    model: bytes
    walked: bool


def files_of(
    places: Sequence[Path],
    weights: Sequence[float],
    source: Source,
    power: float = 1.0,
    decision: Sequence[float] = (),
) -> list[File]:
    """The files that could be delivered of the models at `places`, the better first: trees packed, which is smaller, and as
    they are, which is quicker. They read cells where a graph can."""
    raw = not unreadable(source.schema)
    g, parts = taken_in(places, source)
    packed = finished(g, parts, weights, source, power, raw, decision) if walk(g) else None
    if packed is not None:  # else the graph is as it was
        g, parts = taken_in(places, source)
    plain = finished(g, parts, weights, source, power, raw, decision)
    if packed is None or len(packed) >= len(plain):
        return [File(plain, False)]
    files = [File(packed, True), File(plain, False)]
    return files if len(packed) <= PAYS * len(plain) else files[::-1]


def model_costs(place: Path, source: Source, limits: Costs) -> dict[str, float]:
    """What the model at `place` would cost if it were all that is delivered: {"bytes", "latency_ms"}; where there are two
    forms also {"packed_bytes", "plain_latency_ms", …}, less the latencies of those that are too large for the `limits`."""
    files = files_of([place], [1.0], source)
    least = min(len(f.model) for f in files)
    found: dict[str, float] = {}
    timed = False
    for model, walked in files:
        form = f"{FORMS[not walked]}_" if len(files) > 1 else ""
        found[f"{form}bytes"] = float(len(model))
        if len(model) > max(limits.get("bytes", math.inf), least) or (timed and "latency_ms" not in limits):
            continue
        found[f"{form}latency_ms"] = milliseconds(session(model), source, QUICK)["median"]
        timed = True
    return costs_over([found], limits)


def costs_over(found: Sequence[Costs], limits: Costs) -> dict[str, float]:
    """The `model_costs` of models that are built alike, as folds' are: of each form the largest file, and the quickest look,
    as what else the machine does only slows. "bytes" and "latency_ms" are those of the first form that keeps the limits,
    else of the one that is least beyond them among those with few enough bytes, as a look at a latency may mislead."""
    # A trial that goes on may have lost the models of its first folds.
    known = [costs for costs in found if not COST_KEYS.isdisjoint(costs)]
    # Few trees have one form, as quick as the plain one of more: it says nothing of how slow those are when they are packed.
    two = [costs for costs in known if _two(costs)] or known
    over: dict[str, dict[str, float]] = {}
    for form in FORMS:
        over[form] = {
            "bytes": max(in_form(costs, form)["bytes"] for costs in known),
            "latency_ms": min(in_form(costs, form)["latency_ms"] for costs in two),
        }
    able = {form: costs for form, costs in over.items() if math.isfinite(costs["latency_ms"])}
    first = [*able] if over["packed"]["bytes"] <= PAYS * over["plain"]["bytes"] else [*able][::-1]

    def beyond(form: str) -> float:
        return max([1.0, *(able[form][k] / most for k, most in limits.items())])

    costs = dict(able[min(first, key=beyond)])
    if over["packed"] == over["plain"]:
        return costs
    told = {f"{form}_{k}": v for form, of in over.items() for k, v in of.items()}
    return costs | {name: v for name, v in told.items() if math.isfinite(v)}


def in_form(costs: Costs, form: str) -> dict[str, float]:
    """What a model costs in one of the FORMS, which is all there is where it has no other; infinite where not looked at."""
    two = _two(costs)
    return {k: costs.get(f"{form}_{k}" if two else k, math.inf) for k in KEYS}


def _two(costs: Costs) -> bool:
    return all(f"{form}_bytes" in costs for form in FORMS)


@lru_cache(maxsize=1)
def reader_costs(source: Source) -> dict[str, float]:
    """What reading the cells costs, whatever the model: nothing costs less."""
    layout, schema = source.train.layout, source.schema
    if unreadable(schema):
        return {"bytes": 0.0, "latency_ms": 0.0}
    g = Graph()
    out: dict[str, tuple[str, int, int]] = {}
    if layout.numbers:
        out["n"] = (g.numbers, TensorProto.DOUBLE, len(layout.numbers))
    if layout.texts:
        out["t"] = (g.texts, TensorProto.STRING, len(layout.texts))
    read_cells(g, schema, layout)
    model = g.model(out, 0, 0, len(schema.used))
    return {"bytes": float(len(model)), "latency_ms": milliseconds(session(model), source, QUICK)["median"]}


def room_for(setup: Mapping[str, Any], source: Source) -> int | None:
    """Bytes that are left for features and model; None without a limit."""
    limit = limits_of(setup).get("bytes")
    return None if limit is None else max(int(MARGIN * limit - reader_costs(source)["bytes"]), 0)


def milliseconds(run: Any, source: Source, seconds: float = 0.3) -> dict[str, float]:
    """Median and p90 for one row on one thread, the reading of its cells included where the graph does that."""
    inputs = [i.name for i in run.get_inputs()]
    if CELLS in inputs:
        feed: Mapping[str, Array] = {CELLS: as_cells(source.sample, source.schema)[:1]}
    else:
        block = source.test if len(source.test) else source.train
        feed = block.take(np.array([0])).feed(inputs)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 20 or (time.perf_counter() < end and len(times) < 500):
        begun = time.perf_counter()
        run.run(None, feed)
        times.append(1e3 * (time.perf_counter() - begun))
    return {"median": float(np.median(times)), "p90": float(np.quantile(times, 0.9))}


def settled(run: Any, source: Source, at_most: float = math.inf) -> dict[str, float]:
    """`milliseconds`, looked at again while it is beyond `at_most`; the quickest look."""
    looks: list[dict[str, float]] = []
    while not looks or (looks[-1]["median"] > at_most and len(looks) < AGAIN):
        looks.append(milliseconds(run, source))
    return min(looks, key=lambda look: look["median"])
