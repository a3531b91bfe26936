"""Eight-bit weights and activations in the graph that is delivered: `quantise`."""

from __future__ import annotations

import itertools
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.compression.pixels import Start, fold, shorten
from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.errors import RunError, first_line

Pixels = npt.NDArray[np.uint8]
# In the order in which they are tried: ranges that are taken as they come are those of a whole batch, so that an image's
# answer hangs on its neighbours.
MODES = ("static", "dynamic")
OPS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Relu",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "ReduceMean",
    "Concat",
)
IMAGES, BATCH = 256, 32
# Seven bits of weights: without a dot product of bytes (VNNI) a processor adds products up in 16 bits, which eight overflow;
# a network of 83 % was right in 63 % of its answers then.
REDUCED = True


@dataclass(frozen=True)
class Quantise:
    """Body: {"mode": "static" or "dynamic"}; {} leaves the graph in float32."""

    name: str = "quantise"
    cites: str = "Jacob et al. 2018"

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        mode = str(options.get("mode", "off"))
        return {"mode": mode} if mode in MODES else {}

    def apply(self, work: Work, body: Body) -> Work:
        return replace(work, quantise=dict(body))

    def told(self, body: Body) -> list[dict[str, Any]]:
        if not body:
            return []
        how = (
            "weights per channel, activations by calibration images"
            if body["mode"] == "static"
            else "weights; activations as they come"
        )
        return [{"layer": "graph", "what": f"int8, {body['mode']}", "why": how}]


class _Reader:
    """Calibration images in batches, as onnxruntime.quantization reads them."""

    def __init__(self, name: str, images: Pixels) -> None:
        self.name = name
        self.rest: Iterator[Pixels] = iter([images[i : i + BATCH] for i in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self.rest, None)
        return None if batch is None else {self.name: np.ascontiguousarray(batch)}


def write_int8(source: Path, target: Path, mode: str, images: Pixels) -> None:
    """The graph of `source` in int8 at `target`; `images` uint8 (N, H, W, C) give the ranges of activations.

    "static" fixes the ranges beforehand (faster for convolutions), "dynamic" quantises linear layers alone and measures
    ranges as they come. RunError where ONNX Runtime cannot quantise the graph.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            if mode == "dynamic":
                linear = ["MatMul", "Gemm"]
                quantize_dynamic(str(prepared), str(target), linear, per_channel=True, reduce_range=REDUCED)
                _tidy(target, None)
                return
            left, start = _prepare(prepared)
            reader: Any = _Reader("images", images[:IMAGES])
            quantize_static(
                str(prepared),
                str(target),
                reader,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPS),
                nodes_to_exclude=left,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=REDUCED,
                extra_options={"TensorQuantOverrides": start.overrides} if start else {},
            )
            _tidy(target, start)
        except Exception as error:  # it raises whatever its steps raise
            raise RunError(f"the graph cannot be quantised ({mode}): {first_line(error)}") from error


def _prepare(path: Path) -> tuple[list[str], Start | None]:
    """Means over whole maps as pools, which have an int8 kernel; the names of the nodes that scale the pixels; and how the
    graph begins, where that scaling could be folded into the first layer.

    Where it could not, those stay in float: in int8 the runtime turns them back into sums of threes, which took as long
    as the first layer. That layer is better in int8 although it is slower by itself: what follows a float one is reordered
    again and again.
    """
    import onnx

    model = onnx.load(str(path))
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    pooled(model)
    start = fold(model)
    onnx.save(model, str(path))
    before = itertools.takewhile(lambda n: n.op_type not in ("Conv", "Gemm", "MatMul"), model.graph.node)
    return [node.name for node in before], start


def _tidy(path: Path, start: Start | None) -> None:
    """The file without the steps of its beginning that `start` made needless, and without what no runtime reads."""
    import onnx

    from seedleaf.learners.bare import bare, short_names

    model = onnx.load(str(path))
    if start:
        shorten(model, start)
    short_names(bare(model).graph)
    onnx.save(model, str(path))


def pooled(model: Any) -> None:
    """In place: means over both sides of maps (N, C, H, W) become global pools, which take maps in any order."""
    from onnx import helper, numpy_helper

    constants = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    for at, node in reversed(list(enumerate(model.graph.node))):
        if node.op_type != "ReduceMean":
            continue
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axes = given.get("axes", constants.get(node.input[1]) if len(node.input) > 1 else None)
        if axes is None or sorted(int(a) for a in axes) not in ([2, 3], [-2, -1]):
            continue
        keep = bool(given.get("keepdims", 1))
        pool = helper.make_node(
            "GlobalAveragePool", [node.input[0]], [node.output[0] if keep else f"{node.output[0]}.pool"]
        )
        pool.name = f"{node.name}.pool"
        new = [pool]
        if not keep:
            new.append(
                helper.make_node("Flatten", list(pool.output), list(node.output), name=f"{node.name}.flat")
            )
        model.graph.node.remove(node)
        for offset, each in enumerate(new):
            model.graph.node.insert(at + offset, each)


class _quiet:
    """The quantiser logs warnings on the root logger for every model."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
