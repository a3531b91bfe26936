"""What the tests of prediction share: rows as people write them, files of them, and a small model that was delivered."""

from __future__ import annotations

import csv
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.deliver import deliver, refit
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import open_source, save
from seedleaf.predicting.tables import TablePredictor

NAMES = ["code", "size", "when", "x", "note", "y"]


def rows_of(n: int, seed: int = 0) -> list[list[str]]:
    """Codes with leading zeros, decimal commas, German dates, plain numbers; a row's answer is all its own by x."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        code, size, x = rng.integers(1, 10), rng.normal() * 3, rng.normal()
        day = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.2023"
        hit = rng.random() < 1 / (1 + np.exp(-2 * x - size / 2 - (code - 5) / 3))
        cells = [f"{code:03d}", f"{size:.3f}".replace(".", ","), day, f"{x:.4f}", rng.choice(["a", "b", "c"])]
        rows.append([*cells, "yes" if hit else "no"])
    return rows


def write(path: Path, rows: list[list[str]], names: list[str] | None = NAMES, mark: str = ";") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([*([names] if names else []), *rows])
    return path


def model_of(source: Path, folder: Path) -> TablePredictor:
    data = load_table(source, target=None if source.stem == "bare" else "y")
    save(data, folds(data, 3), folder / "cache")
    setup = {"data": str(folder / "cache"), "metric": "logloss", "seed": 0}
    config = space_of(open_source(setup["data"]).kind).complete({"learner": "linear"})
    refit(config, setup, str(folder / "model"), 0, time.time() + 60)
    deliver([str(folder / "model")], [1.0], setup, str(folder / "best"))
    return TablePredictor.open(folder / "best")


def answers(model: TablePredictor, source: Any) -> tuple[Any, list[str]]:
    """The answers, and the lines that came with them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model.answers(source)
    assert len(caught) <= 1, "once a call"
    return found, str(caught[0].message).splitlines() if caught else []
