"""A small table with everything in it, for the tests of learners and of whole runs."""

from __future__ import annotations

from typing import Any

import numpy as np

COLOURS = ("red", "green", "blue", "grün", "")
WORDS = ("good", "bad", "late", "parcel", "again")


def messy(task: str, n: int = 240, seed: int = 0) -> dict[str, list[Any]]:
    """Numbers with gaps, categories, dates and free text, all of which say something about y."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.exponential(100.0, n)
    colour = rng.integers(0, len(COLOURS), n)
    day = rng.integers(0, 2_000, n)
    said = [" ".join(rng.choice(WORDS, 5)) + f" n{i}" for i in range(n)]
    signal = a + 0.01 * b + (colour == 1) + 0.5 * np.array(["good" in s for s in said]) + day / 2_000
    noise = signal + 0.3 * rng.normal(size=n)
    if task == "regression":
        y: list[Any] = [f"{v:.5f}" for v in 1e3 + 50 * noise]
    else:
        edges = np.quantile(noise, [0.6] if task == "binary" else [0.3, 0.7])
        y = [("low", "mid", "high")[k] for k in np.digitize(noise, edges)]
    dates = np.datetime64("2019-03-01") + day.astype("timedelta64[D]")
    return {
        "a": ["?" if rng.random() < 0.1 else f"{v:.4f}" for v in a],
        "b": [f"{v:.3f}" for v in b],
        "c": [f"{v:.3f}" for v in rng.normal(size=n)],
        "colour": [COLOURS[k] for k in colour],
        "size": [("S", "M", "L")[k] for k in rng.integers(0, 3, n)],
        "when": [str(d) for d in dates],
        "said": said,
        "y": y,
    }
