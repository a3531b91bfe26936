"""Dates as features: trees split at days that rows have, and the graph must fall on the same side as Python."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.deliver import deliver
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.numbers import _sine
from seedleaf.learners.tables.registry import family_config, space_of
from seedleaf.learners.tables.source import kind_of, open_source, save
from seedleaf.learners.tables.written import write


def test_the_sine_is_one() -> None:
    turns = np.linspace(-3.0, 60.0, 10_001)
    assert np.abs(_sine(turns) - np.sin(2 * np.pi * turns)).max() < 0.0012
    whole = np.array([-2.0, 0.0, 0.25, 0.5, 0.75, 1.0])
    assert _sine(whole).tolist() == [0.0, 0.0, 1.0, 0.0, -1.0, 0.0]


@pytest.mark.parametrize("family", ["boosting", "forest"])
@pytest.mark.parametrize("days", [300, 1_400])
def test_files_of_tables_with_dates_say_what_python_says(family: str, days: int, tmp_path: Path) -> None:
    """More days than bins, so that thresholds are days; rows share them."""
    rng = np.random.default_rng(days)
    day = rng.integers(0, days, 800)
    frame = pd.DataFrame(
        {
            "when": (pd.Timestamp("2019-03-05") + pd.to_timedelta(day, "D")).strftime("%d.%m.%Y"),
            "x": rng.normal(size=800).round(3),
            "y": np.sin(day / 58.0) + 0.1 * rng.normal(size=800),
        }
    )
    data = load_table(frame, target="y")
    save(data, folds(data, 3), tmp_path / "cache")
    source = open_source(str(tmp_path / "cache"))
    config = space_of(kind_of(source.schema, True)).complete(family_config(family))
    if family == "boosting":
        assert config["learner.dates"] == "parts"
    fitted = fit_config(config, source.train, source.y_train, 0, Effort(time.time() + 60.0, 1, 60))
    write(fitted, source, tmp_path / "m")
    said = deliver(
        [str(tmp_path / "m")],
        [1.0],
        {"data": str(tmp_path / "cache"), "metric": "rmse"},
        str(tmp_path / "best"),
    )
    assert said["onnx_max_difference"] < 1e-5
    assert said["test"]["rmse"] < 0.4
