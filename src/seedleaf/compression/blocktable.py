"""What layers cost on this machine: milliseconds in ONNX Runtime on one thread, measured once and kept.

Multiply-adds mislead: of two layers with as many, one may take three times as long. So a layer's time at other widths is
read off a small grid that was measured, and a decomposed layer is measured as the chain that it would become.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from seedleaf.compression.skeleton import Layer
from seedleaf.errors import first_line
from seedleaf.predicting.images import session_of

SHARES = (0.125, 0.25, 0.5, 0.75, 1.0)  # of a layer's channels, at which it is measured
RUN_SECONDS = 0.012  # of each measurement, after the warm-up
LEAST_SHARE = 0.05  # of what a graph of one layer takes, that the layer is held to take at least
QUANTILE = 0.25  # robust against what else the machine does


@dataclass
class BlockTable:
    """Times by the shapes of a chain of layers, of one arithmetic; `ms` measures what is not there yet."""

    times: dict[str, float] = field(default_factory=dict)
    int8: bool = False

    def ms(self, chain: Sequence[Layer]) -> float:
        """Milliseconds of the layers one after the other, for one image."""
        key = ";".join(map(_key, chain))
        if key not in self.times:
            self.times[key] = self._measured(chain)
        return self.times[key]

    def _measured(self, chain: Sequence[Layer]) -> float:
        """Inside a network: the lower quartile of some runs, less that of the same graph without it.

        Calling a graph costs some hundredths of a millisecond, as much as a small layer. 0 for what is folded away.
        """
        timed = [x for x in chain if x.kind != "norm"]
        if not timed:
            return 0.0
        last = timed[-1]
        call = f"call {last.kind} {last.cout} {last.height}x{last.width}"
        if call not in self.times:
            self.times[call] = 1000 * _seconds([last], self.int8, empty=True)
        whole = 1000 * _seconds(timed, self.int8)
        return max(whole - self.times[call], LEAST_SHARE * whole)

    @property
    def block(self) -> int:
        """Channels that cost as much as the next full vector does: 16 with AVX-512, 8 with AVX2. Measured, not asked for."""
        if "block" not in self.times:
            narrow, wide = (self.ms([Layer("", "conv", 64, c, (3, 3), 1, 1, 16, 16)]) for c in (24, 32))
            self.times["block"] = 16.0 if narrow > 0.9 * wide else 8.0
        return int(self.times["block"])

    def at(self, layer: Layer, cin: int, cout: int) -> float:
        """The time of `layer` with so many channels, between the measured points of its grid."""
        block = self.block if layer.kind == "conv" else 1
        cin, cout = (_up(n, block) if n > block else n for n in (cin, cout))
        outs = _points(layer.cout, block)
        if layer.depthwise:
            return float(np.interp(cout, outs, [self.ms([_sized(layer, o, o)]) for o in outs]))
        ins = _points(layer.cin, block)
        rows = [np.interp(cout, outs, [self.ms([_sized(layer, i, o)]) for o in outs]) for i in ins]
        return float(np.interp(cin, ins, rows))

    def fill(self, layers: Sequence[Layer], deadline: float) -> int:
        """Measure the grids of `layers` as long as there is time; how many points are missing in the end."""
        missing = 0
        for layer in layers:
            block = self.block if layer.kind == "conv" else 1
            outs = _points(layer.cout, block)
            widths = [(o, o) for o in outs] if layer.depthwise else product(_points(layer.cin, block), outs)
            for cin, cout in widths:
                chain = [_sized(layer, cin, cout)]
                if _key(chain[0]) in self.times:
                    continue
                if time.time() > deadline:
                    missing += 1
                    continue
                self.ms(chain)
        return missing

    def to_json(self) -> dict[str, float]:
        return dict(self.times)

    @classmethod
    def from_json(cls, body: Mapping[str, Any], int8: bool = False) -> BlockTable:
        return cls({str(k): float(v) for k, v in body.items()}, int8)


def _key(x: Layer) -> str:
    return (
        f"{x.kind} {x.cin}>{x.cout} {x.kernel[0]}x{x.kernel[1]}/{x.stride} g{x.groups} {x.height}x{x.width}"
    )


def _up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


def _points(channels: int, block: int) -> list[int]:
    """Widths of the grid, ascending: whole blocks, and two below the first one. The layer's own width among them."""
    shares = {min(_up(max(round(channels * s), 1), block), _up(channels, block)) for s in SHARES}
    return sorted({min(n, channels) for n in shares} | {n for n in (4, 8) if n < min(channels, block)})


def _sized(layer: Layer, cin: int, cout: int) -> Layer:
    groups = cout if layer.depthwise else layer.groups
    if layer.groups > 1 and not layer.depthwise:
        cin, cout = layer.cin, layer.cout  # grouped convolutions stay as they are
    return Layer(
        layer.name, layer.kind, cin, cout, layer.kernel, layer.stride, groups, layer.height, layer.width
    )


def _seconds(chain: Sequence[Layer], int8: bool, empty: bool = False) -> float:
    """Of one call: the lower quartile. `empty`: of the graph that only hands on what the last layer of the chain gives."""
    try:
        session, feed = _session(chain, int8, empty)
        session.run(None, feed)
    except Exception as error:
        raise RuntimeError(
            f"{'; '.join(map(_key, chain))} cannot be measured: {first_line(error)}"
        ) from error
    times: list[float] = []
    end = time.perf_counter() + RUN_SECONDS
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 200):
        begun = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - begun)
    return float(np.quantile(times, QUANTILE))


def _session(chain: Sequence[Layer], int8: bool, empty: bool) -> tuple[Any, dict[str, Any]]:
    """The chain as a graph of its own, `int8` with the marks that ONNX Runtime computes by in eight bits.

    It ends in a pool, so that no large output is put into another order.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng, first = np.random.default_rng(0), chain[0]
    conv = first.kind == "conv"
    shape = (
        [1, first.cin, first.height * first.stride, first.width * first.stride]
        if conv
        else [first.width, first.cin]
    )
    if empty:
        shape = [1, first.cout, first.height, first.width] if conv else [first.width, first.cout]
    nodes, weights, at = [], [], "x"

    def marked(name: str) -> str:
        """The tensor through eight bits and back, which is where the runtime joins what lies between two of these."""
        if not int8:
            return name
        marks = ["mark.scale", "mark.zero"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *marks], [f"{name}.q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}.q", *marks], [f"{name}.d"]))
        return f"{name}.d"

    if int8:
        weights.append(numpy_helper.from_array(np.asarray(0.03, np.float32), "mark.scale"))
        weights.append(numpy_helper.from_array(np.asarray(0, np.uint8), "mark.zero"))
        at = marked(at)
    for i, x in enumerate([] if empty else chain):
        size = [x.cout, x.cin // x.groups, *x.kernel] if conv else [x.cin, x.cout]
        if int8:
            weights.append(numpy_helper.from_array(rng.integers(-60, 60, size).astype(np.int8), f"w{i}.q"))
            weights.append(numpy_helper.from_array(np.full(x.cout, 1e-3, np.float32), f"w{i}.s"))
            weights.append(numpy_helper.from_array(np.zeros(x.cout, np.int8), f"w{i}.z"))
            given = [f"w{i}.{part}" for part in "qsz"]
            nodes.append(helper.make_node("DequantizeLinear", given, [f"w{i}"], axis=0 if conv else 1))
        else:
            weights.append(numpy_helper.from_array(rng.normal(0, 0.05, size).astype(np.float32), f"w{i}"))
        if conv:
            pads = [x.kernel[0] // 2, x.kernel[1] // 2] * 2
            shape_of: Any = {
                "kernel_shape": list(x.kernel),
                "pads": pads,
                "strides": [x.stride] * 2,
                "group": x.groups,
            }
            nodes.append(helper.make_node("Conv", [at, f"w{i}"], [f"c{i}"], **shape_of))
        else:
            nodes.append(helper.make_node("MatMul", [at, f"w{i}"], [f"c{i}"]))
        at = f"c{i}" if i == len(chain) - 1 else marked(f"c{i}")
    nodes.append(helper.make_node("Relu", [at], ["relu"]))
    at = "relu" if empty else marked("relu")
    nodes.append(
        helper.make_node("GlobalAveragePool", [at], ["y"])
        if conv
        else helper.make_node("Identity", [at], ["y"])
    )
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=onnx.IR_VERSION_2023_5_5
    )
    session = session_of(model.SerializeToString(), "a chain of blocks")
    return session, {"x": rng.normal(0, 1, shape).astype(np.float32)}
