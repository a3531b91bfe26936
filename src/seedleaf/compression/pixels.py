"""The scaling of pixels folded into the first layer, so that an int8 graph takes the bytes of an image as they are.

Pixels are an eight-bit tensor already: of scale 1 and some zero point. What a graph does to them before its first
convolution (a factor and an offset per channel) goes into that layer's weights and bias, and nothing is computed in float.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# One byte stands for 0 in all channels, and around the image too: the most, in scaled pixels, that this may be off there.
APART = 0.3


@dataclass(frozen=True)
class Start:
    """How a graph begins: `pixels` names the bytes (N, C, H, W), `centred` the tensor that the first layer takes."""

    pixels: str
    centred: str
    zero: int  # the byte that stands for 0

    @property
    def overrides(self) -> dict[str, Any]:
        """The range of `centred`, as onnxruntime.quantization is told it: its steps are whole bytes."""
        low, high = np.float32(-self.zero), np.float32(255 - self.zero)
        return {self.centred: [{"rmin": low, "rmax": high}]}


@dataclass
class _Found:
    """The nodes between the image and the first convolution, which make factor · pixel + offset of every pixel."""

    pixels: str = ""
    nodes: list[Any] = field(default_factory=list)
    factor: Floats = field(default_factory=lambda: np.ones(1))
    offset: Floats = field(default_factory=lambda: np.zeros(1))
    conv: Any = None

    def then(self, op: str, value: Floats) -> None:
        if op in ("Mul", "Div"):
            times = value if op == "Mul" else 1.0 / value
            self.factor, self.offset = self.factor * times, self.offset * times
        else:
            self.offset = self.offset + (value if op == "Add" else -value)


def fold(model: Any) -> Start | None:
    """In place: pixels minus a zero point straight into the first convolution. None, and no change, where `model` begins
    otherwise or its channels have means too far apart for one zero point."""
    from onnx import numpy_helper

    weights = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    found = _walked(model.graph, weights)
    if found is None or any(name not in weights for name in found.conv.input[1:]):
        return None
    kernel, *rest = (weights[name].astype(np.float64) for name in found.conv.input[1:])
    factor, offset = (np.broadcast_to(v, kernel.shape[1]) for v in (found.factor, found.offset))
    if not factor.all():
        return None
    zero = int(np.clip(np.round(np.mean(-offset / factor)), 0, 255))
    left = factor * zero + offset  # what the byte that stands for 0 is really
    if np.abs(left).max() > APART:
        return None
    bias = (kernel.sum((2, 3)) * left).sum(1) + (rest[0] if rest else 0.0)
    _rewrite(model.graph, found, kernel * factor[None, :, None, None], bias, zero)
    return Start(found.pixels, found.conv.input[0], zero)


def _walked(graph: Any, weights: dict[str, npt.NDArray[Any]]) -> _Found | None:
    from onnx import helper

    found, name = _Found(), graph.input[0].name
    while True:
        users = [n for n in graph.node if name in n.input]
        if len(users) != 1 or users[0].input[0] != name:
            return None
        [node] = users
        if node.op_type == "Conv":
            groups = [helper.get_attribute_value(a) for a in node.attribute if a.name == "group"]
            found.conv = node
            return found if found.pixels and groups in ([], [1]) else None
        if node.op_type == "Cast" and not found.pixels:
            found.pixels = name
        elif node.op_type in ("Mul", "Div", "Add", "Sub") and found.pixels:
            value = weights.get(node.input[1])
            if value is None or not _by_channel(value):
                return None
            found.then(node.op_type, value.astype(np.float64).reshape(-1))
        elif node.op_type != "Transpose" or found.pixels:
            return None
        if found.pixels:
            found.nodes.append(node)
        name = node.output[0]


def _by_channel(value: npt.NDArray[Any]) -> bool:
    """One number, or one for each channel of (N, C, H, W)?"""
    return value.size == 1 or (value.ndim in (3, 4) and value.shape[-3] == value.size)


def _rewrite(graph: Any, found: _Found, kernel: Floats, bias: Floats, zero: int) -> None:
    from onnx import helper, numpy_helper

    pixels, conv = found.pixels, found.conv
    at = list(graph.node).index(found.nodes[0])
    for node in found.nodes:
        graph.node.remove(node)
    floats, centred = f"{pixels}.float", f"{pixels}.centred"
    parts = {"kernel": kernel, "bias": bias, "zero": np.asarray(zero)}
    for key, values in parts.items():
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), f"{pixels}.{key}"))
    graph.node.insert(at, helper.make_node("Cast", [pixels], [floats], name=f"{floats}.cast", to=1))
    graph.node.insert(at + 1, helper.make_node("Sub", [floats, f"{pixels}.zero"], [centred], name=centred))
    del conv.input[:]
    conv.input.extend([centred, f"{pixels}.kernel", f"{pixels}.bias"])
    _without_unused(graph)


def shorten(model: Any, start: Start) -> None:
    """In place, once `model` is quantised: its first layer takes the bytes themselves."""
    graph = model.graph
    [quantised] = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == start.centred]
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == quantised.output[0]:
                node.input[i] = start.pixels
    made = {start.centred, f"{start.pixels}.float"}
    for node in [n for n in graph.node if n is quantised or made & {*n.output}]:
        graph.node.remove(node)
    _without_unused(graph)


def _without_unused(graph: Any) -> None:
    used = {name for n in graph.node for name in n.input}
    for weight in [w for w in graph.initializer if w.name not in used]:
        graph.initializer.remove(weight)
