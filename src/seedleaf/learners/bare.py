"""ONNX files without what no runtime reads: where a node came from, shapes that it works out itself, long names."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from onnx import AttributeProto, GraphProto, ModelProto

UNREAD = ("doc_string", "metadata_props", "value_info")


def bare(model: ModelProto) -> ModelProto:
    """`model` itself, everywhere in it without UNREAD.

    torch's exporter keeps of every node the stack trace of the line that it came from: paths of somebody's machine, which
    are nobody else's business, and in a small network more bytes than its weights.
    """
    _bare(model)
    return model


def _bare(message: Any) -> None:
    for name in UNREAD:
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for _, value in message.ListFields():
        inner = [value] if isinstance(value, Message) else value
        if not isinstance(inner, str | bytes | int | float) and len(inner) and isinstance(inner[0], Message):
            for part in inner:
                _bare(part)


def short_names(graph: GraphProto) -> None:
    """In place: tensors between inputs and outputs get names of a few letters, nodes none.

    Eight-bit graphs name three tensors and two nodes after each one that was there: of a small network a third of the file.
    Graphs within graphs, which may read the names of the outer one, are left as they are.
    """
    inner = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    if graph.quantization_annotation or any(a.type in inner for n in graph.node for a in n.attribute):
        return
    stays = {"", *(v.name for v in (*graph.input, *graph.output))}
    given: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in stays else given.setdefault(name, f"_{len(given)}")

    for node in graph.node:
        node.ClearField("name")
        for names in (node.input, node.output):
            names[:] = [short(name) for name in names]
    for weight in graph.initializer:
        weight.name = short(weight.name)
