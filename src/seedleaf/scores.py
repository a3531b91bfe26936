"""Answers on the test part judged: accuracy with its interval, by class, and what is taken for what."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def accuracy_interval(right: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Share of True with its 95 % interval (Wilson 1927)."""
    n, share, z = len(right), float(right.mean()), 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return {"accuracy": share, "error": 1 - share, "low": low, "high": high, "n": n}


def per_class(
    predicted: npt.NDArray[np.int64], y: npt.NDArray[np.int64], names: tuple[str, ...]
) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for k, name in enumerate(names):
        mine = y == k
        rows.append([name, int(mine.sum()), float((predicted[mine] == k).mean()) if mine.any() else None])
    return rows


def confusion(predicted: npt.NDArray[np.int64], y: npt.NDArray[np.int64], n: int) -> list[list[int]]:
    """Rows are the true classes; only for up to 30 classes, where a person can still read it."""
    if n > 30:
        return []
    table = np.zeros((n, n), dtype=int)
    np.add.at(table, (y, predicted), 1)
    return table.tolist()
