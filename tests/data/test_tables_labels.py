"""Wrong labels are found where nothing else explains them, and overlap is no error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Finding, TableData, load_table


def found(data: TableData, kind: str) -> list[Finding]:
    return [f for f in data.schema.findings if f.kind == kind]


def some(n: int, share: float) -> np.ndarray:
    return np.random.default_rng(5).random(n) < share


def apart(seed: int = 0, n: int = 1000) -> pd.DataFrame:
    """Three classes that hardly overlap, and a number that the features settle up to a little noise."""
    rng = np.random.default_rng(seed)
    k = rng.integers(0, 3, n)
    a, b, c = rng.normal(size=(3, n)) + np.asarray([[0, 3, 0], [0, 0, 3], [0, 0, 0]])[:, k]
    return pd.DataFrame(
        {"a": a, "b": b, "c": c, "size": 100 + 10 * a + b**2 + rng.normal(size=n), "y": [f"k{v}" for v in k]}
    )


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_are_found(seed: int) -> None:
    table = apart(seed).drop(columns="size")
    wrong = some(1000, 0.05)
    spoilt = table.assign(y=table["y"].where(~wrong, table["y"].map({"k0": "k1", "k1": "k2", "k2": "k0"})))
    assert not found(load_table(table), "label")
    [finding] = found(load_table(spoilt), "label")
    assert len(set(finding.rows) & set(np.flatnonzero(wrong) + 1)) >= 4  # of five
    assert 3 <= finding.count <= wrong.sum()


def test_wrong_labels_are_found_beside_a_column_that_repeats_them() -> None:
    table, wrong = apart().drop(columns="size"), some(1000, 0.05)
    y = table["y"].where(~wrong, table["y"].map({"k0": "k1", "k1": "k2", "k2": "k0"}))
    noise = np.random.default_rng(7).normal(size=1000) * 0.1
    spoilt = table.assign(leak=y.map({"k0": 0, "k1": 1, "k2": 2}) + noise, y=y)
    [leak] = found(load_table(spoilt), "leak")
    assert leak.action.startswith("kept")  # a measurement, for all that is known
    [finding] = found(load_table(spoilt), "label")
    assert len(set(finding.rows) & set(np.flatnonzero(wrong) + 1)) >= 4  # of five


def test_targets_with_a_slipped_decimal_point_are_found() -> None:
    table = apart()[["a", "b", "c", "size"]]
    wrong = some(1000, 0.02)
    assert not found(load_table(table), "label")
    [finding] = found(load_table(table.assign(size=table["size"].where(~wrong, table["size"] * 10))), "label")
    assert set(finding.rows) <= set(np.flatnonzero(wrong) + 1)
    assert finding.count >= 0.7 * wrong.sum() * 0.8  # a fifth is held out


@pytest.mark.parametrize("seed", range(3))
def test_classes_that_overlap_are_no_label_errors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, 3))
    y = np.where(x[:, 0] + rng.normal(size=800) * 0.7 > 0, "yes", "no")
    assert not found(load_table(pd.DataFrame(x, columns=list("abc")).assign(y=y)), "label")
    rare = np.where(x[:, 0] + rng.normal(size=800) * 2 > 2.6, "yes", "no")  # one in eight, hardly foretold
    assert not found(load_table(pd.DataFrame(x, columns=list("abc")).assign(y=rare)), "label")
    many = (x[:, 0] + rng.normal(size=800) * 2).round().clip(-4, 4).astype(int)
    assert not found(
        load_table(pd.DataFrame(x, columns=list("abc")).assign(y=many), task="classification"), "label"
    )
    heavy = x[:, 0] + rng.standard_t(2.5, 800)
    assert not found(load_table(pd.DataFrame(x, columns=list("abc")).assign(y=heavy)), "label")
