"""Two trainers of one network: one whose steps are recorded as a CUDA graph, one whose steps are plain."""

from __future__ import annotations

import pytest
import torch

from seedleaf.train.recorded import WARM_UP
from seedleaf.train.trainer import Trainer


def learn_alike(recorded: Trainer, plain: Trainer) -> None:
    """Three steps of each, recorded ones among them, come to the same losses and weights."""
    for _ in range(3):
        losses = [t.advance() for t in (recorded, plain)]
    assert recorded.recorded is not None
    assert recorded.recorded.works
    assert recorded.done > WARM_UP
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    for mine, other in zip(recorded.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.allclose(mine, other, atol=0.05)
