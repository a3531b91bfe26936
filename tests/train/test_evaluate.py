"""How a network is asked: in batches that fit, with the same answers whatever their size."""

from __future__ import annotations

import numpy as np
import torch

from seedleaf.train.evaluate import EVAL_BATCH, GPU_EVAL_BATCH, GPU_EVAL_VALUES, batch_of
from seedleaf.train.feed import Feed


def feed_of(side: int, resident: bool) -> Feed:
    x, y = np.zeros((2, side, side, 3), np.uint8), np.zeros(2, np.int64)
    kept = (torch.from_numpy(x), torch.from_numpy(y)) if resident else None
    return Feed(x, y, np.arange(2), kept)


def test_batches_shrink_as_images_grow_where_they_lie_on_a_gpu() -> None:
    assert batch_of(feed_of(28, resident=False)) == EVAL_BATCH
    assert batch_of(feed_of(28, resident=True)) == GPU_EVAL_BATCH
    large = batch_of(feed_of(512, resident=True))
    assert 1 <= large < GPU_EVAL_BATCH
    assert large * 512 * 512 * 3 <= GPU_EVAL_VALUES
    assert batch_of(feed_of(6000, resident=True)) == 1
