"""What pixels are scaled by is that of all of them, without a copy of them as floating-point numbers."""

from __future__ import annotations

import numpy as np
import pytest

from seedleaf.learners.images import statistics


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_the_pixels(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.learners.images.AT_ONCE", 500)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (150, 9, 7, channels)).astype(np.uint8)
    rows = np.sort(rng.choice(len(x), 110, replace=False))
    mean, std = statistics(x, rows)
    pixels = x[rows].astype(np.float64)
    assert mean == pytest.approx(pixels.mean((0, 1, 2)), rel=1e-12)
    assert std == pytest.approx(pixels.std((0, 1, 2)), rel=1e-9)


def test_a_channel_that_never_changes_is_not_divided_by_nothing() -> None:
    x = np.full((5, 4, 4, 3), 200, np.uint8)
    x[0, 0, 0, 1] = 100
    mean, std = statistics(x, np.arange(5))
    assert mean[0] == 200.0
    assert std[0] == std[2] == 1.0
    assert std[1] > 1.0
