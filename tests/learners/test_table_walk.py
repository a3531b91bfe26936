"""Trees as a walk level by level: the same answers as the operator, in fewer bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier

from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.rounded import as_bytes, in_bytes
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.trees import (
    Tree,
    ensemble_graph,
    from_boosting,
    from_forest,
    leaf_values,
    shares_graph,
)
from seedleaf.learners.tables.walk import walk

Array = npt.NDArray[Any]


def boosted(x: Array, y: Array, seed: int, leaves: int = 12) -> list[Tree]:
    """Trees of three classes, with leaves such as a file keeps."""
    made = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=leaves, random_state=seed).fit(x, y)
    trees = [from_boosting(t.nodes, k) for row in made._predictors for k, t in enumerate(row)]
    for tree in trees:
        tree.value[:] = leaf_values(tree.value)
    return trees


def alone(feature: int, threshold: float, gap_left: bool) -> Tree:
    """One split; what goes left is told 1, the rest 2."""
    return Tree(
        np.array([feature, 0, 0]),
        np.array([threshold, 0, 0], np.float32),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([gap_left, False, False]),
        np.array([False, True, True]),
        np.array([[0.0], [1.0], [2.0]]),
    )


def models(g: Graph, parts: list[str], width: int, columns: int) -> tuple[bytes, bytes]:
    """With the operator, and walked."""
    out = {"value": (g.concat(parts), onnx.TensorProto.FLOAT, width)}
    before = g.model(out, columns, 0)
    walk(g)
    assert not any(n.op_type == "TreeEnsemble" for n in g.nodes)
    return before, g.model(out, columns, 0)


def alike(one: bytes, other: bytes, rows: Array) -> None:
    a, b = (session(m).run(None, {"numbers": rows})[0] for m in (one, other))
    np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * np.abs(a).max())
    single = session(other).run(None, {"numbers": rows[:1]})[0]
    np.testing.assert_allclose(single, b[:1], rtol=0, atol=3e-6 * np.abs(a).max())


@pytest.mark.parametrize("shed", [0.0, 0.8, 1.0])
def test_several_ensembles_answer_alike_in_less_than_half_the_bytes(
    shed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.learners.tables.walk.SHED", shed)
    x, y = make_classification(1_500, 8, n_informative=6, n_classes=3, random_state=1)
    rng = np.random.default_rng(0)
    x[rng.random(x.shape) < 0.1] = np.nan
    g = Graph()
    whole = g.cast(g.numbers, "float32")
    some = g.gather(whole, [3, 1, 0, 5, 7])
    parts = [
        ensemble_graph(g, whole, boosted(x, y, 1), 3),
        ensemble_graph(g, some, boosted(x[:, [3, 1, 0, 5, 7]], y, 2, leaves=4), 3),
        ensemble_graph(g, whole, boosted(x, y, 3), 3),
    ]
    before, after = models(g, parts, 9, 8)
    assert len(after) < 0.45 * len(before)
    alike(before, after, np.vstack([x, np.full((1, 8), np.nan), np.full((1, 8), np.inf)]))


def test_leaves_keep_their_own_precision_beside_others() -> None:
    x, y = make_classification(800, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=3)
    ours, theirs = boosted(x, y, 1), boosted(x, y, 2)
    for tree in theirs:
        tree.value[:] = np.float32(tree.value * 1.000123)
    few = [alone(0, 0.5, True)]
    few[0].value[:, 0] = 0.1, 1e6, np.float32(1 / 3)

    def walked(*ensembles: list[Tree]) -> tuple[bytes, int]:
        g = Graph()
        name = g.cast(g.numbers, "float32")
        parts = [ensemble_graph(g, name, trees, 3) for trees in ensembles]
        before, after = models(g, parts, 3 * len(ensembles), 6)
        alike(before, after, x)
        halves = [t.dims[0] for t in g.constants.values() if t.data_type == onnx.TensorProto.FLOAT16]
        return after, sum(halves)

    leaves = sum(int(tree.leaf.sum()) for tree in ours)
    assert walked(ours)[1] == leaves, "all of them"
    assert walked(theirs)[1] == 0, "too few of them to be worth it"
    mixed, halves = walked(ours, theirs)
    assert leaves <= halves < 1.1 * leaves
    assert len(mixed) < len(walked(theirs, theirs[1:])[0])
    assert walked(ours, few)[1] == leaves, "beyond what half precision reaches, too"


@pytest.mark.parametrize("classes", [True, False], ids=["shares", "values"])
def test_forests_answer_alike(classes: bool) -> None:
    x, y = make_classification(900, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=2)
    g = Graph()
    name = g.cast(g.numbers, "float32")
    if classes:
        some = ExtraTreesClassifier(20, random_state=0).fit(x, y).estimators_
        trees = [from_forest(e.tree_, np.square(np.round(255 * np.sqrt(e.tree_.value[:, 0])))) for e in some]
        part = shares_graph(g, name, trees)
    else:
        some = ExtraTreesRegressor(20, random_state=0).fit(x, y).estimators_
        part = ensemble_graph(g, name, [from_forest(e.tree_, e.tree_.value[:, 0] / 20) for e in some], 1)
    before, after = models(g, [part], 3 if classes else 1, 6)
    assert len(after) < 0.7 * len(before)
    alike(before, after, x)


def test_gaps_and_the_infinite_go_where_the_operator_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.learners.tables.walk.FEWEST", 0)
    rows = np.array([[np.nan], [np.inf], [-np.inf], [0.0], [1.0], [3e38]])
    g = Graph()
    name = g.cast(g.numbers, "float32")
    trees = [alone(0, t, left) for t in (0.5, np.inf) for left in (False, True)]
    before, after = models(g, [ensemble_graph(g, name, [t], 1) for t in trees], 4, 1)
    a, b = (session(m).run(None, {"numbers": rows})[0] for m in (before, after))
    np.testing.assert_array_equal(a, b)
    assert set(b.ravel()) == {1.0, 2.0}


def test_few_trees_and_deep_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    g = Graph()
    ensemble_graph(g, g.cast(g.numbers, "float32"), [alone(0, 0.5, True)], 1)
    walk(g)
    assert [n.op_type for n in g.nodes] == ["Cast", "TreeEnsemble"]
    monkeypatch.setattr("seedleaf.learners.tables.walk.FEWEST", 0)
    monkeypatch.setattr("seedleaf.learners.tables.walk.DEEPEST", 0)
    walk(g)
    assert [n.op_type for n in g.nodes] == ["Cast", "TreeEnsemble"]


def test_weights_in_bytes_are_found_again() -> None:
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(40, 9)) * 10.0 ** rng.integers(-6, 6, 9)).astype(np.float32)
    weight[:, 0] = 0.0
    kept = as_bytes(weight)
    whole, scale = in_bytes(kept)
    assert np.abs(kept - weight).max(0) == pytest.approx(np.abs(weight).max(0) / 254, rel=0.2)
    np.testing.assert_array_equal(whole, in_bytes(weight)[0])
    np.testing.assert_allclose(whole * scale, kept, rtol=3e-7)
    assert np.isnan(as_bytes(np.array([[np.nan, 1.0]]))).any()
