"""What a network answers on a feed: its errors, its loss, its probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.errors import TrialError
from seedleaf.train.feed import Feed

EVAL_BATCH = 256
GPU_EVAL_BATCH, GPU_EVAL_VALUES = 2048, 2048 * 64 * 64 * 3  # images, and numbers in them, at most


def batch_of(feed: Feed) -> int:
    """How many images of `feed` are answered at once: on a GPU many, as long as they are small."""
    if feed.resident is None:
        return EVAL_BATCH
    return min(max(GPU_EVAL_VALUES // max(math.prod(feed.x.shape[1:]), 1), 1), GPU_EVAL_BATCH)


@torch.inference_mode()
def evaluate(model: nn.Module, feed: Feed, side: float = 1.0) -> dict[str, float]:
    """error (share of wrong classes) and loss (mean negative log likelihood, nats) of `model` on `feed` at `side`."""
    model.eval()
    wrong: Tensor | float = 0.0
    nll: Tensor | float = 0.0
    for x, y in feed.in_order(batch_of(feed), side):
        logits = model(x)
        nll = nll + F.cross_entropy(logits, y, reduction="sum").to(torch.float64)
        wrong = wrong + (logits.argmax(1) != y).sum()
    n = max(len(feed), 1)
    # A network that learned infinities still answers some class; its likelihood says that it is broken.
    loss, wrong = float(nll) / n, float(wrong)
    if not math.isfinite(loss):
        raise TrialError(f"diverged: the validation loss is {loss}")
    return {"error": wrong / n, "loss": loss}


@torch.inference_mode()
def probabilities(model: nn.Module, feed: Feed, side: float = 1.0) -> Tensor:
    """Class probabilities (N, n_classes) on the CPU, in the order of the feed, from pictures at `side`."""
    model.eval()
    return torch.cat([model(x).softmax(1).cpu() for x, _ in feed.in_order(EVAL_BATCH, side)])
