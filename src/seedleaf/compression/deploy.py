"""Graphs as they will be run: a quick sketch for measuring in trials, and times beside the original in one run."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seedleaf.compression.quantise import write_int8
from seedleaf.errors import RunError, first_line
from seedleaf.export import AGAIN
from seedleaf.learners.graph import write
from seedleaf.predicting.images import open_session

if TYPE_CHECKING:
    from seedleaf.compression.recipe import Body
    from seedleaf.data.spec import ImageSpec

Pixels = npt.NDArray[np.uint8]
BATCH = 256


def sketch(net: nn.Module, spec: ImageSpec, path: Path) -> None:
    """Write `net` as ONNX: our own networks as they are delivered, others by torch's older exporter.

    That one takes 0.2 s where the newer takes 4, and gives as fast a graph. What is delivered is written by
    `export.export_onnx`; this one serves to measure a candidate.
    """
    if (model := write(net.eval(), spec)) is not None:
        path.write_bytes(model.SerializeToString())
        return
    example = torch.zeros((2, spec.height, spec.width, spec.channels), dtype=torch.uint8)
    whole = nn.Sequential(net, nn.Softmax(1)).eval()
    torch._C._jit_set_onnx_log_enabled(False)  # or a failure prints the whole graph past Python's stdout
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), _without_fast_path():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                whole,
                (example,),
                str(path),
                input_names=["images"],
                output_names=["probabilities"],
                dynamic_axes={"images": {0: "batch"}, "probabilities": {0: "batch"}},
                dynamo=False,
            )
        except Exception as error:
            raise RunError(f"the network cannot be written as a graph: {first_line(error)}") from error


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Attention by its ordinary operators: the fused one, taken in eval mode, is none that ONNX knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def graph_of(net: nn.Module, spec: ImageSpec, folder: Path, quantise: Body, images: Pixels) -> Path:
    """A sketch in `folder`, in int8 where `quantise` says so; `images` calibrate it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sketch.onnx"
    sketch(net, spec, path)
    if not quantise:
        return path
    write_int8(path, folder / "sketch8.onnx", str(quantise["mode"]), images)
    return folder / "sketch8.onnx"


def numbers_bytes(path: Path) -> int:
    """What the numbers in a graph take, without its nodes and names."""
    import onnx

    return sum(math.prod(w.dims) * _width(w) for w in onnx.load(str(path)).graph.initializer)


def _width(weight: Any) -> int:
    from onnx import helper

    return int(helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize)


def wrapping(sketched: Path, delivered: Path) -> float:
    """How many times as much nodes and names take in the graph that is delivered as in the sketch of the same network.

    1 for our own networks, whose sketch is what is delivered. Two exporters write the same numbers in other nodes.
    """
    numbers, size = numbers_bytes(sketched), sketched.stat().st_size
    return max((delivered.stat().st_size - numbers) / max(size - numbers, 1), 0.0)


def delivered_bytes(sketched: Path, wrapped: float) -> float:
    """What a network will take when it is delivered, by its sketch and what `wrapping` said of the original."""
    numbers = numbers_bytes(sketched)
    return numbers + wrapped * (sketched.stat().st_size - numbers)


def times(paths: Sequence[Path], image: Pixels, seconds: float = 0.6) -> list[dict[str, float]]:
    """Milliseconds for one image on one thread, warm: median and p90 of each graph, taken in turns in one run.

    In turns, so that what else the machine does falls on all alike.
    """
    sessions = [open_session(p) for p in paths]
    feeds = [{s.get_inputs()[0].name: np.ascontiguousarray(image[:1])} for s in sessions]
    for session, feed in zip(sessions, feeds, strict=True):
        for _ in range(5):
            session.run(None, feed)
    rows: list[list[float]] = [[] for _ in paths]
    end = time.perf_counter() + seconds * len(paths)
    while len(rows[0]) < 30 or (time.perf_counter() < end and len(rows[0]) < 2000):
        for session, feed, row in zip(sessions, feeds, rows, strict=True):
            for i in range(6):
                begun = time.perf_counter()
                session.run(None, feed)
                if i:  # the first finds the caches full of the other graph
                    row.append(1000 * (time.perf_counter() - begun))
    return [{"median": float(np.median(r)), "p90": float(np.quantile(r, 0.9))} for r in rows]


def times_within(
    path: Path, original: Path, image: Pixels, bounds: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """`times` of a graph and the original. While `bounds` (latency_ms, speedup) seem broken both are measured again, up to
    AGAIN times, and the shortest of each counts: what else runs can only make them longer."""
    mine, theirs = times([path, original], image, seconds=2.0)
    for _ in range(AGAIN):
        faster = theirs["median"] / mine["median"]
        if mine["median"] <= bounds.get("latency_ms", math.inf) and faster >= bounds.get("speedup", 0.0):
            break
        pairs = zip((mine, theirs), times([path, original], image), strict=True)
        mine, theirs = (min(pair, key=lambda told: told["median"]) for pair in pairs)
    return mine, theirs


def ratio(path: Path, other: Path, image: Pixels) -> float:
    """How many times faster `path` is than `other`, in turns in one run."""
    mine, theirs = times([path, other], image)
    return theirs["median"] / mine["median"]


def probabilities(path: Path, images: Any) -> npt.NDArray[np.float32]:
    """(N, classes) of a graph on uint8 images."""
    session = open_session(path)
    name = session.get_inputs()[0].name
    parts = [
        session.run(None, {name: np.ascontiguousarray(images[i : i + BATCH])})[0]
        for i in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)
