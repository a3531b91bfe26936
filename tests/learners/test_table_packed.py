"""Files of tables: the same model in fewer bytes, for every reader of protobuf."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier

from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.packed import serialised, varints
from seedleaf.learners.tables.trees import ensemble_graph, from_boosting


def plain(numbers: list[int]) -> bytes:
    """As protobuf writes them, one by one and each with its tag (one byte, 64)."""
    return onnx.AttributeProto(ints=numbers).SerializeToString()


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_written_as_protobuf_reads_them(numbers: list[int]) -> None:
    body = varints(numbers)
    read = onnx.AttributeProto.FromString(varints([8 << 3 | 2]) + varints([len(body)]) + body)
    assert list(read.ints) == numbers
    assert len(body) == len(plain(numbers)) - len(numbers)


def test_a_model_means_the_same_and_stays_as_it_is() -> None:
    node = helper.make_node(
        "Op", ["x"], ["y"], name="one", a=[1, -1, 300], b=2, c="text", d=[0.5, 1.5], e=["p", "q"]
    )
    inner = helper.make_node("Transpose", ["y"], ["z"], perm=[1, 0])
    graph = helper.make_graph([node, inner], "g", [], [], doc_string="said")
    model = helper.make_model(graph, producer_name="someone")
    before = model.SerializeToString()
    packed = serialised(model)
    assert model.SerializeToString() == before
    assert onnx.load_from_string(packed) == model
    assert len(packed) < len(before)


def test_trees_lose_a_fifth_of_their_file_and_answer_alike() -> None:
    x, y = load_iris(return_X_y=True)
    fitted = HistGradientBoostingClassifier(max_iter=40).fit(x, y)
    trees = [from_boosting(t.nodes, k) for row in fitted._predictors for k, t in enumerate(row)]
    g = Graph()
    x_name = g.cast("numbers", "float32")
    g.uses_numbers = True
    out = ensemble_graph(g, x_name, trees, 3)
    packed = g.model({"value": (out, onnx.TensorProto.FLOAT, 3)}, 4, 0)
    loose = onnx.load_from_string(packed).SerializeToString()
    assert len(packed) < 0.8 * len(loose)
    rows = {"numbers": x.astype(np.float64)}
    one, other = (onnxruntime.InferenceSession(m).run(None, rows)[0] for m in (packed, loose))
    np.testing.assert_array_equal(one, other)
