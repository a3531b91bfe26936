"""Eight-bit weights and activations in the graph that is delivered: `quantise`."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.errors import RunError, first_line

Pixels = npt.NDArray[np.uint8]
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
                quantize_dynamic(
                    str(prepared), str(target), per_channel=True, op_types_to_quantize=["MatMul", "Gemm"]
                )
                return
            reader: Any = _Reader("images", images[:IMAGES])
            quantize_static(
                str(prepared),
                str(target),
                reader,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPS),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # it raises whatever its steps raise
            raise RunError(f"the graph cannot be quantised ({mode}): {first_line(error)}") from error


class _quiet:
    """The quantiser logs warnings on the root logger for every model."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
