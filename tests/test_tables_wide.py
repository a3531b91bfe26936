"""A table with many more columns than rows, from the file to predictions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import seedleaf

ROWS, HALF = 60, 1_500


def test_thousands_of_columns_come_to_a_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, HALF)).round(3)
    texts = np.array(["blue", "green", "red"])[rng.integers(0, 3, (ROWS, HALF))]
    y = np.where(numbers[:, 5] > 0, "yes", "no")
    texts[:, 700] = np.where(numbers[:, 5] > 0.5, "red", "blue")
    names = [f"{kind}{j}" for kind in "nt" for j in range(HALF)]
    rows = [[*map(str, a), *b, c] for a, b, c in zip(numbers, texts, y, strict=True)]
    file = tmp_path / "wide.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([[*names, "y"], *rows])
    result = seedleaf.fit(
        file, time_limit="20s", families="linear", folds=2, workers=1, out=tmp_path / "run", seed=0
    )
    best = result.best
    assert best.metrics["test"]["n"] == ROWS // 5
    assert best.metrics["onnx_max_difference"] < 1e-4
    assert set(result.predict(file)) <= {"no", "yes"}
    one = dict(zip(names, rows[0], strict=False))
    assert list(result.predict(one)) == list(result.predict(file)[:1])
