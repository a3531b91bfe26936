"""A first look at the original, as a worker takes it: does it run as a graph, what does it cost, what could be reached."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seedleaf.compression.allocate import least
from seedleaf.compression.bench import ANALYSIS, counted
from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.decompose import replaceable
from seedleaf.compression.deploy import graph_of, numbers_bytes, probabilities, ratio, sketch, times, wrapping
from seedleaf.compression.distil import DistilTrainer
from seedleaf.compression.original import DELIVERED, open_original
from seedleaf.compression.own import OwnNet
from seedleaf.compression.pricing import Pricer, scale_of
from seedleaf.compression.quantise import MODES, write_int8
from seedleaf.compression.skeleton import DROPPED
from seedleaf.compression.space import training_of
from seedleaf.compression.subject import Subject
from seedleaf.core import Context
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import RunError, first_line
from seedleaf.export import export_onnx
from seedleaf.learners.blocks import Net
from seedleaf.learners.images import Source, open_source
from seedleaf.learners.trial import prepare_process, usable
from seedleaf.train.feed import Feed

TABLE_SHARE = 0.4  # of the time for the look, that measuring layers may take, in float and again in int8
TABLES = "tables.json"
DELIVERED8 = "delivered8.onnx"
PROBED = {"lr": 0.01}
PROBE_SECONDS, MOST_PROBED = 0.5, 100  # for timing batches: a time slice of a busy machine is 0.1 s
NOTHING = 1.2  # times smaller, below which int8 of the linear layers alone is not worth a look


def analyse(setup: Mapping[str, Any], seconds: float, device: str = "cpu") -> dict[str, Any]:
    """Write analysis.json beside the original and return it without the block table.

    costs {params, macs, bytes, latency_ms}, p90, valid and test error, epoch_seconds (the original as student and
    teacher), int8 {metric: gain} in mode8 or why there is none, floors and floors8 (in int8) {order: {metric:
    least}}, refused {group: why}, blocks, groups. Times of graphs are the CPU's; epochs are timed on
    `device`, or on the CPU where the model makes tensors of its own there: "on" says which.
    """
    prepare_process()
    torch.manual_seed(0)
    began = time.time()
    source, original = open_source(setup), open_original(setup)
    spec, folder = source.data.spec, Path(setup["original"])
    sample = np.asarray(source.data.x_train[: 2 * spec.n_classes])
    graph = folder / "original.onnx"
    sketch(original.net, spec, graph)
    [timed] = times([graph], sample)
    params, macs = counted(original.net, sample)
    delivered = folder / DELIVERED
    if not delivered.exists():
        export_onnx(original.net, spec, delivered)
    size = delivered.stat().st_size
    costs = {"params": params, "macs": macs, "bytes": size, "latency_ms": timed["median"]}
    mode8, int8, why_not = _int8_gain(graph, folder, source)
    on, epoch = _epoch(original, source, setup, usable(device))
    layers = [x for x in original.skeleton.layers if x.kind != "norm"]
    table, table8 = (BlockTable.from_json(times, i == 1) for i, times in enumerate(_tables(folder)))
    table.fill(layers, began + TABLE_SHARE * seconds)
    numbers = numbers_bytes(delivered)
    scale = scale_of(original.skeleton, table, costs, call_ms(spec, folder, source), numbers)
    floors = _floors(original, Pricer(original.skeleton, table, scale))
    scale8, floors8 = scale, dict[str, dict[str, float]]()
    if int8 and setup.get("int8") != "never":
        if mode8 == "static":
            table8.fill(layers, time.time() + TABLE_SHARE * seconds)
        else:  # no table of these: what it gains is in the scale
            table8 = table
        costs8 = {**costs, **{m: costs[m] / gain for m, gain in int8.items()}}
        call8, numbers8 = call_ms(spec, folder, source, mode8), numbers_bytes(folder / DELIVERED8)
        scale8 = scale_of(original.skeleton, table8, costs8, call8, numbers8)
        floors8 = _floors(original, Pricer(original.skeleton, table8, scale8))
    found = {
        "graph": str(graph.resolve()),
        "delivered": str(delivered.resolve()),
        "ours": isinstance(original, OwnNet),
        "costs": costs,
        "latency_ms": costs["latency_ms"],
        "p90": timed["p90"],
        "scale": scale,
        "scale8": scale8,
        "wrapping": wrapping(graph, delivered),
        "wrapping8": wrapping(folder / "original8.onnx", folder / DELIVERED8) if int8 else 1.0,
        "int8": int8,
        "mode8": mode8,
        "no_int8": why_not,
        "valid_error": _error(graph, source.data.x_train, source.data.y_train, source.valid),
        "test_error": _error(graph, source.data.x_test, source.data.y_test, None),
        "epoch_seconds": epoch,
        "on": on,
        "floors": floors,
        "floors8": floors8,
        "refused": {g.id: g.refused for g in original.skeleton.groups if g.refused},
        "groups": [g.id for g in original.skeleton.free],
        "blocks": [b.name for b in original.skeleton.blocks],
        "decomposable": list(replaceable(original)),
        "seconds": time.time() - began,
    }
    (folder / ANALYSIS).write_text(
        json.dumps({**found, "table": table.to_json(), "table8": table8.to_json()}), encoding="utf-8"
    )
    return found


class Blank(nn.Module):
    """Any network without its layers: pixels are scaled and averaged.

    With a `first` layer, of next to no work, it begins as int8 graphs do, where the scaling goes into that layer.
    """

    def __init__(self, channels: int, classes: int, first: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1, 8) if first else nn.Identity()
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.first(x).mean((2, 3)))
        return out


def call_ms(spec: ImageSpec, folder: Path, source: Source, int8: str = "") -> float:
    """What a graph for such images takes without any layer, in float32 or in that mode of int8."""
    halves = [127.5] * spec.channels
    net = Net(Blank(spec.channels, spec.n_classes, int8 == "static"), halves, halves)
    mode = {"mode": int8} if int8 else {}
    images = np.take(source.data.x_train, source.train[:64], 0)
    place = folder / "blank"
    [timed] = times([graph_of(net.eval(), spec, place, mode, images)], images, 0.2)
    shutil.rmtree(place, ignore_errors=True)
    return timed["median"]


def _tables(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Times of layers, in float and in int8, that were measured on this machine before; none as a rule."""
    path = folder / TABLES
    if not path.exists():
        return {}, {}
    body = json.loads(path.read_text(encoding="utf-8"))
    return body["table"], body["table8"]


def _int8_gain(graph: Path, folder: Path, source: Source) -> tuple[str, dict[str, float], str]:
    """The first mode of int8 that works, how many times faster and smaller the original becomes in it; nothing, and why,
    where none does. Sketch and delivered graph are both written in it."""
    quantised, delivered = folder / "original8.onnx", folder / DELIVERED
    images = np.take(source.data.x_train, source.train[:64], 0)
    why_not = ""
    for mode in MODES:
        try:
            write_int8(graph, quantised, mode, images)
            write_int8(delivered, folder / DELIVERED8, mode, images)
            answered = probabilities(quantised, images)
            faster = ratio(quantised, graph, images)
        except RunError as error:
            why_not = why_not or str(error)
            continue
        except Exception as error:  # ONNX Runtime's own have no base in common
            why_not = why_not or f"the quantised original does not run ({mode}): {first_line(error)}"
            continue
        smaller = delivered.stat().st_size / (folder / DELIVERED8).stat().st_size
        if not np.isfinite(answered).all():
            why_not = why_not or "the quantised original answers no numbers"
        elif mode != "dynamic" or smaller >= NOTHING:
            return mode, {"latency_ms": faster, "bytes": smaller}, ""
    return MODES[0], {}, why_not


def _error(graph: Path, x: Any, y: Any, rows: Any) -> float:
    x, y = (x, np.asarray(y)) if rows is None else (np.take(x, rows, 0), np.take(y, rows))
    return float((probabilities(graph, x).argmax(1) != y).mean())


def _epoch(original: Subject, source: Source, setup: Mapping[str, Any], device: str) -> tuple[str, float]:
    try:
        return device, epoch_seconds(original, source, setup, device)
    except RuntimeError as error:
        if device == "cpu":
            raise
        print(f"the model does not run on {device}, so it is fine-tuned on the CPU: {first_line(error)}")
        return "cpu", epoch_seconds(original, source, setup, "cpu")


def epoch_seconds(
    subject: Subject, source: Source, setup: Mapping[str, Any], device: str, batches: int = 4
) -> float:
    """About how long an epoch of fine-tuning takes at most: with the original as its own student."""
    import copy

    data, config = source.data, training_of(PROBED, setup["training"])
    feed = Feed.on(device, data.x_train, data.y_train, source.train)
    ctx = Context(0, 0, 1, 10**6, 0, Path(), device, {"steps_per_epoch": 1})
    body = {"weight": 0.5, "temperature": 2.0}
    trainer = DistilTrainer(copy.deepcopy(subject.net).to(device), config, feed, ctx, subject.net, body)
    trainer.generator.manual_seed(0)
    spent = list[float]()
    while len(spent) <= batches or (sum(spent) < PROBE_SECONDS and len(spent) < MOST_PROBED):
        rows = next(trainer.loader.step(len(spent) + 1))
        begun = time.perf_counter()
        trainer.model.train()
        float(trainer.optimise(*feed.batch(rows)))  # a GPU answers when it is done
        spent.append(time.perf_counter() - begun)
    # The first ones warm up. A mean: on a busy machine most batches are quick and some wait for a long while.
    return float(np.mean(spent[len(spent) // 2 :])) * trainer.loader.per_epoch


def _floors(original: Subject, pricer: Pricer) -> dict[str, dict[str, float]]:
    """The least that pruning and leaving blocks out can bring each cost to, by prediction."""
    found = {}
    if original.skeleton.free:
        found["prune"] = least(pricer)
    blocks = [b.name for b in original.skeleton.blocks]
    if blocks:
        droppable = sorted(blocks, key=lambda b: pricer.price(None, [b])["latency_ms"])[
            : int(DROPPED * len(blocks))
        ]
        found["drop"] = dict(pricer.price(None, droppable))
        if "prune" in found:
            found["drop_prune"] = least(pricer, droppable)
    return found
