"""From a trained network to an ONNX graph, written module by module with BatchNorm folded into the convolutions.

torch's own exporter traces any network but takes 8 CPU seconds the first time; a run of a minute has better uses for them.
This one knows the few modules that our networks are made of. `write` answers None for any other: then torch's is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from seedleaf.data.spec import ImageSpec
from seedleaf.learners.blocks import Gate, Joined, Net, Pool, Resized, Skip
from seedleaf.learners.fold import RepConv

OPSET, IR = 20, 9  # the first with Gelu; what ONNX Runtime reads since 1.17
Floats = npt.NDArray[np.float32]


class Unknown(Exception):
    """A module that no row of WRITERS stands for."""


@dataclass
class Graph:
    """Nodes and weights so far. Every method that adds a node returns the name of its output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, values: npt.NDArray[Any]) -> str:
        name = f"w_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def walk(self, module: nn.Module, x: str) -> str:
        """Write `module` applied to the tensor named `x`."""
        writer = WRITERS.get(type(module))
        if writer is None:
            raise Unknown(type(module).__name__)
        return writer(self, module, x)


def write(network: nn.Module, spec: ImageSpec) -> onnx.ModelProto | None:
    """The graph of `network` (in eval mode) with a softmax: uint8 (N, H, W, C) -> probabilities (N, n_classes).

    None where it is no `Net` or holds a module that no row of WRITERS stands for.
    """
    if not isinstance(network, Net):
        return None
    graph = Graph()
    try:
        graph.add("Softmax", graph.walk(network, "images"), axis=1)
    except Unknown:
        return None
    graph.nodes[-1].output[0] = "probabilities"
    shape: list[str | int | None] = ["batch", spec.height, spec.width, spec.channels]
    body = helper.make_graph(
        graph.nodes,
        "seedleaf",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", spec.n_classes])],
        graph.weights,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="seedleaf")
    model.ir_version = IR
    onnx.checker.check_model(model)
    return model


# --- one writer per kind of module ---


def _net(graph: Graph, net: Net, x: str) -> str:
    # Turned first: the runtime multiplies whole planes by one number ten times as fast as threes by threes.
    x = graph.add("Cast", graph.add("Transpose", x, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    x = graph.add("Mul", x, graph.weight(_array(net.scale)[:, None, None]))
    return graph.walk(net.body, graph.add("Add", x, graph.weight(_array(net.shift)[:, None, None])))


def _sequential(graph: Graph, chain: nn.Sequential, x: str) -> str:
    for module, norm in _with_norms(chain):
        x = graph.walk(module, x) if norm is None else _convolution(graph, module, x, norm)
    return x


def _with_norms(chain: nn.Sequential) -> Iterator[tuple[Any, nn.BatchNorm2d | None]]:
    """The modules of `chain`; a convolution with the BatchNorm that follows it, if one does, as a pair."""
    folded = False
    for module, following in pairwise([*chain, None]):
        if folded:
            folded = False
            continue
        folded = isinstance(module, nn.Conv2d) and isinstance(following, nn.BatchNorm2d)
        yield module, following if folded else None


def _convolution(graph: Graph, conv: nn.Conv2d, x: str, norm: nn.BatchNorm2d | None = None) -> str:
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise Unknown(f"padding {conv.padding_mode} {conv.padding}")
    weight = conv.weight.detach().double()
    bias = torch.zeros(len(weight), dtype=torch.float64) if conv.bias is None else conv.bias.detach().double()
    if norm is not None:
        scale, shift = affine(norm)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    return graph.add(
        "Conv",
        x,
        graph.weight(_array(weight)),
        graph.weight(_array(bias)),
        kernel_shape=list(conv.kernel_size),
        strides=list(conv.stride),
        pads=[*conv.padding, *conv.padding],
        dilations=list(conv.dilation),
        group=conv.groups,
    )


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a BatchNorm does in eval mode: (scale, shift) per channel, in float64."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise Unknown("a BatchNorm without running statistics")
    scale = torch.rsqrt(variance.double() + norm.eps)
    shift = -mean.double() * scale
    if norm.affine:
        gamma = norm.weight.detach().double()
        scale, shift = scale * gamma, shift * gamma + norm.bias.detach().double()
    return scale, shift


def _norm(graph: Graph, norm: nn.BatchNorm2d, x: str) -> str:
    scale, shift = (_array(v)[:, None, None] for v in affine(norm))
    return graph.add("Add", graph.add("Mul", x, graph.weight(scale)), graph.weight(shift))


def _linear(graph: Graph, linear: nn.Linear, x: str) -> str:
    inputs = [x, graph.weight(_array(linear.weight))]
    if linear.bias is not None:
        inputs.append(graph.weight(_array(linear.bias)))
    return graph.add("Gemm", *inputs, transB=1)


def _pool(graph: Graph, pool: nn.Module, x: str) -> str:
    return graph.add("Flatten", graph.add("GlobalAveragePool", x), axis=1)


def _gate(graph: Graph, gate: Gate, x: str) -> str:
    hidden = graph.add("Relu", graph.walk(gate.squeeze, _pool(graph, gate, x)))
    opened = graph.add("HardSigmoid", graph.walk(gate.excite, hidden), alpha=1.0 / 6.0, beta=0.5)
    axes = graph.weight(np.array([2, 3], np.int64))
    return graph.add("Mul", x, graph.add("Unsqueeze", opened, axes))


def _skip(graph: Graph, skip: Skip, x: str) -> str:
    out = graph.add("Add", graph.walk(skip.body, x), x)
    return out if skip.act is None else graph.walk(skip.act, out)


def _joined(graph: Graph, joined: Joined, x: str) -> str:
    parts = []
    for (first, stop), body in zip(joined.spans, joined.bodies, strict=True):
        part = x if (first, stop) == (0, joined.cin) else _channels(graph, x, first, stop)
        parts.append(graph.walk(body, part))
    out = graph.add("Concat", *parts, axis=1)
    if joined.shuffle == 1:
        return out
    # One copy in the new order: the usual reshape, transpose, reshape would need the map's size.
    order = np.arange(joined.cout, dtype=np.int64).reshape(joined.shuffle, -1).T.ravel()
    return graph.add("Gather", out, graph.weight(order), axis=1)


def _channels(graph: Graph, x: str, first: int, stop: int) -> str:
    """The channels from `first` to `stop` of the tensor named `x`."""
    return graph.add("Slice", x, *(graph.weight(np.array([v], np.int64)) for v in (first, stop, 1)))


def _resized(graph: Graph, resized: Resized, x: str) -> str:
    """Bilinear, as torch does it with align_corners=False."""
    sizes = graph.weight(np.array(resized.size, np.int64))
    return graph.add(
        "Resize", x, "", "", sizes, axes=[2, 3], mode="linear", coordinate_transformation_mode="half_pixel"
    )


def _silu(graph: Graph, act: nn.SiLU, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _array(values: Tensor) -> Floats:
    return values.detach().cpu().float().numpy()


Writer = Callable[[Graph, Any, str], str]
WRITERS: Mapping[type[nn.Module], Writer] = {
    Net: _net,
    nn.Sequential: _sequential,
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _norm,
    nn.Linear: _linear,
    Pool: _pool,
    Gate: _gate,
    Skip: _skip,
    Joined: _joined,
    Resized: _resized,
    RepConv: lambda graph, conv, x: _convolution(graph, conv.merged(), x),
    nn.Dropout: lambda graph, module, x: x,
    nn.Identity: lambda graph, module, x: x,
    nn.ReLU: lambda graph, module, x: graph.add("Relu", x),
    nn.Hardswish: lambda graph, module, x: graph.add("HardSwish", x),
    nn.LeakyReLU: lambda graph, act, x: graph.add("LeakyRelu", x, alpha=act.negative_slope),
    nn.GELU: lambda graph, act, x: graph.add("Gelu", x, approximate=act.approximate),
    nn.SiLU: _silu,
}
