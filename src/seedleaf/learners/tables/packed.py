"""An ONNX model as bytes, its lists of whole numbers written without a tag before each of them.

ONNX declares `AttributeProto.ints` unpacked, and that is how protobuf's serialiser writes it; but every parser must take
both forms (Protocol Buffers, "Encoding": packed repeated fields). The splits of trees are such lists: a file of trees loses
a quarter.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx

BYTES = 2  # protobuf's wire type of what is preceded by its length
GRAPH = onnx.ModelProto.GRAPH_FIELD_NUMBER
NODE = onnx.GraphProto.NODE_FIELD_NUMBER
ATTRIBUTE = onnx.NodeProto.ATTRIBUTE_FIELD_NUMBER
INTS = onnx.AttributeProto.INTS_FIELD_NUMBER


def serialised(model: onnx.ModelProto) -> bytes:
    """What `model.SerializeToString()` means, in fewer bytes. `model` stays as it is."""
    around = onnx.ModelProto()
    around.CopyFrom(model)
    nodes = b"".join(_field(NODE, _node(node)) for node in around.graph.node)
    around.graph.ClearField("node")
    graph = _field(GRAPH, nodes + around.graph.SerializeToString())
    around.ClearField("graph")
    return bytes(around.SerializeToString()) + graph


def _node(node: onnx.NodeProto) -> bytes:
    """Takes the node apart."""
    parts = [_field(ATTRIBUTE, _attribute(a)) for a in node.attribute]
    node.ClearField("attribute")
    return bytes(node.SerializeToString()) + b"".join(parts)


def _attribute(attribute: onnx.AttributeProto) -> bytes:
    numbers = np.array(attribute.ints, np.int64)
    if not len(numbers):
        return bytes(attribute.SerializeToString())
    attribute.ClearField("ints")
    return bytes(attribute.SerializeToString()) + _field(INTS, varints(numbers))


def _field(number: int, body: bytes) -> bytes:
    return varints([number << 3 | BYTES]) + varints([len(body)]) + body


def varints(numbers: Iterable[int]) -> bytes:
    """Each in groups of seven bits, the least first, with a bit before each group that says whether more come; negative
    numbers as 64 bits in two's complement."""
    left = np.array(numbers, np.int64).view(np.uint64)
    groups = np.zeros((len(left), 10), np.uint8)  # 64 bits are ten groups
    for k in range(10):
        groups[:, k] = left & np.uint64(127)
        left = left >> np.uint64(7)
    more = np.maximum.accumulate(groups[:, ::-1] > 0, axis=1)[:, ::-1]  # is there something from here on?
    groups[:, :-1] |= np.where(more[:, 1:], np.uint8(128), np.uint8(0))
    more[:, 0] = True
    return groups[more].tobytes()
