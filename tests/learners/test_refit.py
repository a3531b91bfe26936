"""The last training: on as many threads as are faster here and now, and judged by what it learned."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.learners import refit as module
from seedleaf.learners.base import learner_named
from seedleaf.learners.refit import pace, refit

Digits = tuple[Path, ImageSpec]


def config_and_setup(digits: Digits) -> tuple[dict[str, object], dict[str, object]]:
    config = learner_named("convnet").default(digits[1], [Limit("params", 4000.0)])
    return dict(config), {"data": str(digits[0]), "learner": "convnet", "seed": 0}


@pytest.mark.parametrize("slow", [1, 2])
def test_the_faster_number_of_threads_is_taken(
    digits: Digits, slow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, setup = config_and_setup(digits)
    monkeypatch.setattr(module, "batch_seconds", lambda *_: 2.0 if torch.get_num_threads() == slow else 0.5)
    found = pace(config, setup, threads=2, seconds=0.1)
    assert found["threads"] == 3 - slow
    assert found["step_seconds"] > 0.5
    assert torch.get_num_threads() == 1


def test_a_refit_tells_what_it_learned(digits: Digits, tmp_path: Path) -> None:
    config, setup = config_and_setup(digits)
    assert pace(config, setup, threads=1, seconds=0.1)["threads"] == 1
    short = refit(config, setup, str(tmp_path / "a"), steps=1, deadline=time.time() + 60)
    longer = refit(config, setup, str(tmp_path / "b"), steps=4, deadline=time.time() + 60)
    assert longer["valid_error"] < short["valid_error"] <= 1
    assert longer["valid_images"] == short["valid_images"] > 100
