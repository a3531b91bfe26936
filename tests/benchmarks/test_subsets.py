"""The benchmark of subsets: its configs differ and can be ranked, its table counts what it says."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf.data.subset import PICKERS
from tables.subsets import configs, scores, summary


@pytest.mark.parametrize("regression", [False, True])
def test_configs_are_as_many_for_both_tasks_and_score_differently(regression: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 3))
    y = x[:, 0] + x[:, 1] ** 2 if regression else (x[:, 0] * x[:, 1] > 0).astype(int)
    made = configs(regression)
    assert len(made) == 21
    found = scores(made[6:13], x[:100], y[:100], x[100:], y[100:])  # neighbours and trees, the quick ones
    assert np.isfinite(found).all()
    assert len(set(found.round(6))) > 4
    assert found.max() > 0.5


def test_a_config_that_cannot_be_fitted_is_last() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    found = scores(configs(False)[6:10], x[:20], y[:20], x[20:], y[20:])  # 40 neighbours of 20 rows
    assert found.min() == -1


def test_the_table_counts_wins_against_chance() -> None:
    rows = [
        {
            "table": table,
            "seed": seed,
            "how": how,
            "tau": 0.5 + 0.1 * (how == "herding") + 0.01 * k + 0.001 * (k + 1) * (how != "random"),
            "lost": 0.0,
        }
        for k, table in enumerate(("p", "q"))
        for seed in range(2)
        for how in PICKERS
    ]
    lines = summary(rows).splitlines()
    assert lines[0] == "| table | random | stratified | k-centre | herding | facility |"
    assert lines[2] == "| p | 0.500 | 0.501 | 0.501 | 0.601 | 0.501 |"
    assert lines[5] == "| tables won against random | 0 | 2 | 2 | 2 | 2 |"
