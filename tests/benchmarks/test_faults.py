"""The benchmark of the audit plants what it says, and counts honestly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tables.audit import findings, is_found, summary
from tables.faults import FAULTS, Table


def clean(regression: bool) -> Table:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 4))
    y = (
        50 + 5 * x[:, 0] + x[:, 1] + rng.normal(size=900) * 0.3
        if regression
        else np.digitize(x[:, 0], [-0.4, 0.4])
    )
    frame = pd.DataFrame(x, columns=list("abcd")).assign(y=y)
    return Table(frame[:600], frame[600:], regression)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_changes_the_table_and_is_found(kind: str, tmp_path: Path) -> None:
    table = clean(regression=False)
    before = table.train.copy()
    assert not is_found(findings(table, tmp_path), kind, "")
    spoilt, column = FAULTS[kind](table, np.random.default_rng(1))
    assert column == "" or column in spoilt.train
    changed = spoilt.test if kind == "shift" else spoilt.train
    assert not changed.equals(table.test if kind == "shift" else before)
    pd.testing.assert_frame_equal(table.train, before)  # the clean one is left alone
    assert is_found(findings(spoilt, tmp_path), kind, column)


def test_faults_fit_numbers_to_be_predicted_too(tmp_path: Path) -> None:
    table = clean(regression=True)
    assert findings(table, tmp_path) == []
    for kind in ("leak", "label"):
        spoilt, column = FAULTS[kind](table, np.random.default_rng(1))
        assert is_found(findings(spoilt, tmp_path), kind, column)


def test_what_is_not_found_is_named() -> None:
    row = {
        "table": "t",
        "alone": {"id": True, "leak": False},
        "together": {"id": False, "leak": True},
        "false": ["x"],
    }
    lines = summary([row]).splitlines()
    assert lines[2] == "| t | 2 | 1 (not leak) | 1 (not id) | 1 |"
    assert lines[3] == "| **all** | 2 | 1 (50.0 %) | 1 (50.0 %) | 1 |"
