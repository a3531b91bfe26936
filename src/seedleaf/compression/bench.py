"""What all trials of one worker share, and how a candidate is measured on it: beside the original, as it would be delivered.

`setup` is plain JSON: {"data": folder of mapped images, "original": folder with the model (and "module", "example" for
somebody's), "targets": {metric: at most}, "training": the base config of training, "seed"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.deploy import delivered_bytes, graph_of, probabilities, ratio
from seedleaf.compression.original import open_original
from seedleaf.compression.quantise import write_int8
from seedleaf.compression.recipe import Work, fingerprint
from seedleaf.compression.shop import Shop, calibration
from seedleaf.compression.subject import Subject
from seedleaf.errors import RunError, TrialError
from seedleaf.export import export_onnx
from seedleaf.learners.images import Source, open_source
from seedleaf.learners.trial import usable

ANALYSIS = "analysis.json"
COMPARED = 64  # images on which a delivered graph is held against its network
APART = 1e-3  # the most that two exporters' graphs of one float network may differ in a probability


@dataclass(frozen=True, eq=False)
class Bench:
    """All that trials of one process share: images, the original, and what was found out about it."""

    source: Source
    original: Subject
    shop: Shop
    shop8: Shop  # the same for graphs in int8, whose layers take other times
    found: Mapping[str, Any]  # analysis.json
    groups: tuple[str, ...]  # of channels that may be pruned
    layers: tuple[str, ...]  # that may be decomposed
    start: str  # the original's fingerprint


def open_bench(setup: Mapping[str, Any], device: str = "cpu") -> Bench:
    """The bench of this process; what passes measure of a network (statistics, gradients, losses) runs on `device`."""
    return _bench(json.dumps(dict(setup), sort_keys=True), device)


@lru_cache(maxsize=2)
def _bench(text: str, device: str) -> Bench:
    setup = json.loads(text)
    source, original = open_source(setup), open_original(setup)
    found = json.loads((Path(setup["original"]) / ANALYSIS).read_text(encoding="utf-8"))
    seed = int(setup.get("seed", 0))
    batches = calibration(source.data, source.train, seed)
    shop = Shop(batches, BlockTable.from_json(found["table"]), found["scale"], seed, device)
    table8 = BlockTable.from_json(found["table8"], int8=found["mode8"] == "static")
    shop8 = replace(shop, table=table8, scale=found["scale8"])
    groups = tuple(g.id for g in original.skeleton.free)
    layers = tuple(found["decomposable"])
    return Bench(source, original, shop, shop8, found, groups, layers, fingerprint(original.net))


def device_of(device: str, setup: Mapping[str, Any]) -> str:
    """Where networks are fine-tuned: `device`, or the CPU where this torch or this model cannot use it."""
    return usable(device) if setup.get("on") != "cpu" else "cpu"


def measured(work: Work, bench: Bench, folder: Path) -> dict[str, float]:
    """What a network costs: params and macs counted, bytes (as delivered) and time by its graph beside the original's."""
    spec = bench.source.data.spec
    sample = np.asarray(bench.source.data.x_train[: 2 * len(spec.class_names)])
    graph = graph_of(work.subject.net, spec, folder, work.quantise, sample)
    if not work.quantise:
        _same(graph, work.subject.net, sample)
    faster = ratio(graph, Path(bench.found["graph"]), sample)
    params, macs = counted(work.subject.net, sample)
    size = delivered_bytes(graph, bench.found["wrapping8" if work.quantise else "wrapping"])
    for name in ("sketch.onnx", "sketch8.onnx"):
        (folder / name).unlink(missing_ok=True)
    return {
        "params": float(params),
        "macs": float(macs),
        "bytes": size,
        "latency_ms": bench.found["latency_ms"] / faster,
        "speedup": faster,
    }


def _same(graph: Path, net: nn.Module, images: npt.NDArray[np.uint8]) -> None:
    """TrialError where a float graph does not answer as its network: what is measured must be what is trained."""
    apart = difference(net, probabilities(graph, images), images)
    if not apart <= APART:
        raise TrialError(f"the graph differs from the network by {apart:.2g}")


def counted(net: nn.Module, images: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Trainable numbers, and multiply-adds for one image, of a network as it stands (torch's flop counter)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.from_numpy(np.array(images[:1])))
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2


def write_delivered(net: nn.Module, bench: Bench, quantise: Mapping[str, Any], path: Path) -> None:
    """The graph that is delivered. In float32 it must answer as the network; in int8 it is judged by its accuracy."""
    spec = bench.source.data.spec
    images = np.take(bench.source.data.x_train, bench.source.train[:256], 0)
    if not quantise:
        export_onnx(net, spec, path)
        apart = difference(net, probabilities(path, images[:COMPARED]), images[:COMPARED])
        if not apart <= APART:
            raise RunError(f"the exported graph differs from the network by {apart:.2g}: it is not delivered")
        return
    whole = path.with_name("float.onnx")
    export_onnx(net, spec, whole)
    write_int8(whole, path, str(quantise["mode"]), images)
    whole.unlink()


def difference(net: nn.Module, answered: npt.NDArray[np.float32], images: Any) -> float:
    """How far a float network's probabilities are from those that its graph `answered` on the same `images`."""
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(np.array(images))).softmax(1).numpy()
    return float(np.abs(answered - expected).max())


def delivered_size(work: Work, bench: Bench, folder: Path) -> float:
    """Bytes of the network's file as it will be delivered, written to be weighed."""
    path = folder / "weighed.onnx"
    try:
        write_delivered(work.subject.net, bench, work.quantise, path)
        return float(path.stat().st_size)
    finally:
        path.unlink(missing_ok=True)
