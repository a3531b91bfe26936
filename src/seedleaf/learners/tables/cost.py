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
from seedleaf.learners.tables.graph import Graph, session
from seedleaf.learners.tables.reader import read_cells, unreadable
from seedleaf.learners.tables.source import Source
from seedleaf.learners.tables.written import joined

Array = npt.NDArray[Any]
Costs = Mapping[str, float]
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
    packed, plain = (File(joined(places, weights, source, power, raw, decision, w), w) for w in (True, False))
    share = len(packed.model) / len(plain.model)
    if share >= 1:
        return [plain]
    return [packed, plain] if share <= PAYS else [plain, packed]


def model_costs(place: Path, source: Source, limits: Mapping[str, float] | None = None) -> dict[str, float]:
    """What the model at `place` would cost if it were all that is delivered, in the first of its forms that keeps the
    `limits`, else in the one that is least beyond them: of those with few enough bytes, as one look at a latency may
    mislead."""
    asked = limits or {}
    looks: list[dict[str, float]] = []
    for model, _ in files_of([place], [1.0], source):
        latency = milliseconds(session(model), source, QUICK)["median"]
        looks.append({"bytes": float(len(model)), "latency_ms": latency})
        if all(looks[-1][k] <= most for k, most in asked.items()):
            return looks[-1]
    able = [costs for costs in looks if costs["bytes"] <= asked.get("bytes", math.inf)]
    return min(able or looks, key=lambda costs: max(costs[k] / most for k, most in asked.items()))


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
