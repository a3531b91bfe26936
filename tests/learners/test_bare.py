"""Delivered files hold what a runtime reads, and nothing of the machine that they were made on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from seedleaf.data.spec import ImageSpec
from seedleaf.export import traced
from seedleaf.learners.bare import bare, short_names
from seedleaf.learners.blocks import Net
from seedleaf.predicting.images import session_of

SPEC = ImageSpec("made", 8, 8, 1, 7, tuple("abcdefg"), 700, 70, (100,) * 7, (), "0" * 32)


class Somebodys(nn.Module):
    """Of none of our modules, in a file whose path nobody is to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 7)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.two(nn.functional.softplus(self.one(x)).flatten(1))
        return out


def test_no_path_and_no_stack_trace_is_in_what_torch_traces() -> None:
    torch.manual_seed(0)
    model = traced(Net(Somebodys(), [0.0], [255.0]).eval(), SPEC)
    written = model.SerializeToString()
    places = (str(Path(__file__).parent), str(Path(torch.__file__).parent), str(Path.cwd()), str(Path.home()))
    for place in places:
        assert place.encode() not in written
    assert not re.search(rb'stack_trace|File "|\.py\b|Somebodys', written)
    weights = sum(4 * int(np.prod(w.dims)) for w in model.graph.initializer)
    assert len(written) < weights + 3000, "its names and nodes, no more"


def with_notes() -> onnx.ModelProto:
    """A graph with a branch in it, and remarks everywhere that there may be any."""
    float_, value = TensorProto.FLOAT, helper.make_tensor_value_info
    inner = helper.make_graph(
        [helper.make_node("Neg", ["middle"], ["out"])], "no", [], [value("out", float_, [1])]
    )
    other = helper.make_graph(
        [helper.make_node("Abs", ["middle"], ["out"])], "yes", [], [value("out", float_, [1])]
    )
    nodes = [
        helper.make_node("Add", ["x", "w"], ["middle"], name="add"),
        helper.make_node("If", ["which"], ["y"], name="if", then_branch=other, else_branch=inner),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", float_, [1]), value("which", TensorProto.BOOL, [])],
        [value("y", float_, [1])],
        [helper.make_tensor("w", float_, [1], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    for part in (model, graph, inner, other):
        part.doc_string = "/home/somebody/model.py"
    for part in (model.graph, model.graph.node[1].attribute[0].g):
        for each in (part, part.node[0], part.output[0]):
            each.doc_string = "/home/somebody/model.py"
            helper.set_model_props(each, {"stack_trace": "/home/somebody/model.py"})
    model.graph.value_info.append(value("middle", float_, [1]))
    return model


def test_remarks_go_from_every_corner_and_nothing_else() -> None:
    model = with_notes()
    assert b"somebody" in model.SerializeToString()
    assert bare(model) is model
    assert b"somebody" not in model.SerializeToString()
    assert not model.graph.value_info
    onnx.checker.check_model(model)
    run = session_of(model.SerializeToString(), "here").run
    feed = {"x": np.asarray([-3.0], np.float32)}
    assert run(None, {**feed, "which": np.asarray(True)})[0] == 2.0
    assert run(None, {**feed, "which": np.asarray(False)})[0] == 2.0


def test_names_are_shortened_where_no_inner_graph_reads_them() -> None:
    nested = with_notes().graph
    before = nested.SerializeToString()
    short_names(nested)
    assert nested.SerializeToString() == before
    float_, value = TensorProto.FLOAT, helper.make_tensor_value_info
    nodes = [
        helper.make_node("Add", ["x", "a weight with a long name"], ["a sum with a long name"], name="add"),
        helper.make_node("Clip", ["a sum with a long name", "", "x"], ["y"], name="clip"),
    ]
    weights = [helper.make_tensor("a weight with a long name", float_, [], [1.0])]
    graph = helper.make_graph(nodes, "g", [value("x", float_, [])], [value("y", float_, [])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    short_names(model.graph)
    assert b"long" not in model.SerializeToString()
    assert [list(n.input) for n in model.graph.node][1][1:] == ["", "x"]
    assert (
        session_of(model.SerializeToString(), "here").run(None, {"x": np.asarray(2.0, np.float32)})[0] == 2.0
    )
