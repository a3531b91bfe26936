"""Fitted models as files: each a graph with what Python answers beside it, and several of them joined into one graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from seedleaf.learners.tables.block import Block
from seedleaf.learners.tables.fitting import Fitted
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader import read_cells
from seedleaf.learners.tables.source import Source
from seedleaf.learners.tables.walk import walk
from seedleaf.writing import replacing

Array = npt.NDArray[Any]
CHECKED = 2_000  # rows that are compared


def write(fitted: Fitted, source: Source, place: Path) -> None:
    """`place`.onnx, and in `place`.npy what Python answers to `compared_rows`; the graph goes last, so that it is whole."""
    with place.with_suffix(".npy").open("wb") as file:
        np.save(file, fitted.predict(compared_rows(source)), allow_pickle=False)
    g = Graph()
    model = finished(g, [fitted.graph(g)], [1.0], source, 1.0)
    with replacing(place.with_suffix(".onnx")) as file:
        file.write(model)


def is_written(place: Path) -> bool:
    return place.with_suffix(".onnx").exists() and place.with_suffix(".npy").exists()


def remove(place: Path) -> bool:
    """Remove a model, or what there is of one; was there anything?"""
    there = [path for suffix in (".onnx", ".npy") if (path := place.with_suffix(suffix)).exists()]
    for path in there:
        path.unlink(missing_ok=True)
    return bool(there)


def compared_rows(source: Source) -> Block:
    """Rows to compare on: of the test part, else of training; and one with nothing in it but gaps and unknown categories."""
    block = source.test if len(source.test) else source.train
    some = block.take(np.arange(min(len(block), CHECKED)))
    layout = block.layout
    return Block(
        layout,
        np.concatenate([some.numbers, np.full((1, len(layout.numbers)), np.nan)]),
        np.concatenate([some.codes, np.array([[len(x) for x in layout.levels]], np.int32).reshape(1, -1)]),
        tuple([*column, ""] for column in some.words),
    )


def joined(
    places: Sequence[Path],
    weights: Sequence[float],
    source: Source,
    power: float,
    raw: bool = False,
    decision: Sequence[float] | None = None,
    walked: bool = True,
) -> bytes:
    """One graph of the written models over the same inputs, its trees packed unless not `walked`; with `raw` it takes cells
    as they stand in a file, with a `decision` (weights of the classes, or none of them) it says a class beside its
    probabilities."""
    g, parts = taken_in(places, source)
    if walked:
        walk(g)
    return finished(g, parts, weights, source, power, raw, decision)


def taken_in(places: Sequence[Path], source: Source) -> tuple[Graph, list[str]]:
    """The written models in one graph, and the name of each one's answer."""
    g, parts = Graph(), []
    for i, place in enumerate(places):
        name = g.take_in(place.with_suffix(".onnx").read_bytes(), f"m{i}.")
        if not source.n_classes:
            name = g.add("Unsqueeze", name, g.constant([1], "int64"))
        parts.append(name)
    return g, parts


def answers(places: Sequence[Path], weights: Sequence[float], source: Source, power: float) -> Array:
    """What Python answers for the joined models."""
    found = [np.load(place.with_suffix(".npy"), allow_pickle=False) for place in places]
    mixed = np.asarray(sum(w * a for w, a in zip(weights, found, strict=True)))
    return raised(mixed, power) if source.n_classes else mixed


def raised(p: Array, power: float) -> Array:
    """Probabilities to a power, summing to one again."""
    if power == 1.0:
        return p
    out = np.maximum(p, 1e-12) ** power
    return np.asarray(out / out.sum(1, keepdims=True))


def finished(
    g: Graph,
    parts: Sequence[str],
    weights: Sequence[float],
    source: Source,
    power: float,
    raw: bool = False,
    decision: Sequence[float] | None = None,
) -> bytes:
    """The weighted mean of the parts; of probabilities then their `power`, which calibrates them, and with a `decision` the
    class that is said. `raw`: it takes cells."""
    kind = "float32" if source.n_classes else "float64"
    if len(parts) == 1:
        answer = parts[0]
    else:
        scaled = [g.add("Mul", p, g.constant(w, kind)) for p, w in zip(parts, weights, strict=True)]
        answer = g.add("Sum", *scaled)
    layout = source.train.layout
    if source.n_classes:
        if power != 1.0:
            lifted = g.add("Pow", g.add("Max", answer, g.constant(1e-12, kind)), g.constant(power, kind))
            answer = g.add("Div", lifted, g.total(lifted))
        out = {"probabilities": (answer, TensorProto.FLOAT, source.n_classes)}
        if decision is not None:
            out["label"] = (_label(g, answer, decision, source), TensorProto.STRING, 0)
    else:
        flat = g.add("Reshape", answer, g.constant([-1], "int64"))
        out = {"value": (flat, TensorProto.DOUBLE, 0)}
    if not raw:
        return g.model(out, len(layout.numbers), len(layout.texts))
    schema = source.schema
    read_cells(g, schema, layout)
    lists: dict[str, Sequence[object]] = {
        "columns": [c.name for c in schema.used],
        "classes": schema.target.classes,
    }
    if decision:
        lists["decision"] = [float(w) for w in decision]
    notes = {f"seedleaf.{name}": json.dumps(listed) for name, listed in lists.items()}
    return g.model(out, 0, 0, len(schema.used), notes)


def written_classes(source: Source) -> list[str]:
    """The classes as the graph says them: what no UTF-8 can say is "?" in it."""
    return [c.encode("utf-8", "replace").decode() for c in source.schema.target.classes]


def _label(g: Graph, probabilities: str, decision: Sequence[float], source: Source) -> str:
    """String (N): the class whose probability, weighed by the decision, is largest."""
    weighed = (
        g.add("Mul", probabilities, g.constant(list(decision), "float32")) if decision else probabilities
    )
    place = g.add("ArgMax", weighed, axis=1, keepdims=0)
    return g.add("Gather", g.text(*source.schema.target.classes), place, axis=0)
