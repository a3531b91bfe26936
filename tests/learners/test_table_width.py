"""Tables with more columns than rows: nothing grows with the square of the columns, and no column has nodes of its own."""

from __future__ import annotations

import time

import numpy as np
import pytest

from seedleaf.learners.tables.block import Block, Layout
from seedleaf.learners.tables.boosting import FEWEST_BINS, Boosting, bins_within
from seedleaf.learners.tables.categories import encode
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.linear import LinearFamily
from seedleaf.learners.tables.model import Effort, Rows
from seedleaf.learners.tables.running import session


def test_the_ridge_of_more_columns_than_rows_is_that_of_the_columns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 60)).astype(np.float32)
    y = x[:, 0] - 2.0 * x[:, 7] + 5.0
    found = LinearFamily().fit({"penalty": 0.01}, Rows(x, y, 0, 60), None, Effort(time.time() + 60, 0))
    z = x.astype(np.float64) - x.astype(np.float64).mean(0)
    wanted = np.linalg.solve(z.T @ z + (0.01 * 40 + 1e-9) * np.eye(60), z.T @ (y - y.mean()))
    assert np.allclose(found.weight[:, 0], wanted, atol=1e-6)
    assert np.allclose(found.predict(x)[:, 0].mean(), y.mean(), atol=1e-5)


def test_the_ridge_makes_no_matrix_of_all_pairs_of_columns() -> None:
    x = np.zeros((5, 200_000), np.float32)  # whose square would take 320 GB
    x[:, 3] = np.arange(5)
    found = LinearFamily().fit(
        {"penalty": 1e-4}, Rows(x, np.arange(5.0), 0, x.shape[1]), None, Effort(time.time() + 60, 0)
    )
    assert np.allclose(found.predict(x)[:, 0], np.arange(5.0), atol=0.01)


def test_wide_tables_have_fewer_bins_a_column() -> None:
    assert bins_within(255, 10) == bins_within(255, 2_000) == 255
    assert FEWEST_BINS < bins_within(255, 10_000) < 63
    assert bins_within(255, 10_000_000) == FEWEST_BINS


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_boosting_with_the_fewest_bins(monkeypatch: pytest.MonkeyPatch, n_classes: int) -> None:
    monkeypatch.setattr("seedleaf.learners.tables.boosting.MOST_BINS", 10)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 8)).astype(np.float32)
    x[::7, 2] = np.nan
    y = np.arange(90) % n_classes if n_classes else x[:, 0].astype(np.float64)
    x[:, 1] += y
    own = {"rate": 0.2, "leaves": 4, "least": 5, "l2": 1.0, "columns": 1.0, "bins": 255}
    model = Boosting().fit(own, Rows(x, y, n_classes, 8), None, Effort(time.time() + 60, 0, rounds=8))
    g = Graph()
    out = {"out": (model.graph(g, g.cast(g.numbers, "float32")), 1, n_classes or 1)}
    answer = session(g.model(out, 8, 0)).run(None, {"numbers": x.astype(np.float64)})[0]
    assert np.abs(answer - model.predict(x)).max() < 1e-5
    assert np.std(answer[:, 0]) > 0.05, "it has learned something"


@pytest.mark.parametrize("how", ["onehot", "ordinal", "target"])
def test_categories_with_the_same_levels_are_looked_up_together(how: str) -> None:
    """Three kinds of columns in turns, so that none of them stands together in the matrix."""
    rng = np.random.default_rng(0)
    kinds = (("blue", "green", "red"), ("no", "yes"), ("", "high", "low"))
    levels = tuple(kinds[j % 3] for j in range(60))
    codes = np.stack([rng.integers(0, len(names) + 1, 40) for names in levels], axis=1).astype(np.int32)
    codes[:39, 4] = 0  # a column with one level that says something, so of another width
    lookup, _ = encode(levels, codes, np.arange(40) % 3, 3, how, rng)
    g = Graph()
    out = {"out": (lookup.graph(g), 11, lookup.width)}
    names = tuple(f"c{j}" for j in range(60))
    block = Block(Layout((), (), names, levels, ()), np.zeros((40, 0)), codes, ())
    opened = session(g.model(out, 0, 60))
    assert len(g.nodes) < 40, "not one for each column"
    fed = dict(block.feed(["texts"]))
    fed["texts"][0, 0] = "never seen"
    codes[0, 0] = 3
    # A text that is no level is that of a missing cell, unless "" itself is one.
    codes = np.where([names[0] == "" for names in levels] & (codes == 3), 0, codes)
    for rows in (slice(0, 40), slice(0, 1), slice(0, 0)):
        got = opened.run(None, {"texts": fed["texts"][rows]})[0]
        assert np.allclose(got, lookup.apply(codes[rows]), atol=1e-6)
