"""How a control is trained, whose network nobody has trained here before: a short test of a few learning rates.

The rate of our own networks suits layers with BatchNorm; without it they may learn nothing at that rate, and a control that
learns nothing is no measure of inherited weights.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import nn

from seedleaf.core import Config, Context
from seedleaf.errors import TrialError
from seedleaf.train.feed import Feed
from seedleaf.train.optim import check_finite
from seedleaf.train.trainer import Trainer

SHARE = 0.1  # of the control's time, for the test
MOST = 100  # batches of each; a LeNet on Fashion-MNIST has left its plateau by then
LOWER = 5.0  # times; the rates of the test lie so far apart
ADAM: Config = {
    "optimizer": "adamw",
    "optimizer.lr": 2e-3,
    "optimizer.beta1": 0.9,
    "optimizer.beta2": 0.999,
    "optimizer.weight_decay": 0.01,
}


def learnable(net: nn.Module, training: Config, feed: Feed, ctx: Context) -> Config:
    """`training` at the rate at which `net` learns fastest at first: its own, a fifth of it, or AdamW at its usual one.

    They are tried in turns on copies of `net`, for at most SHARE of the time to `ctx.deadline`.
    """
    now, given = time.time(), float(training["optimizer.lr"] or 0.0)
    end = now + SHARE * ((ctx.deadline or math.inf) - now)
    rest = {k: v for k, v in training.items() if k.partition(".")[0] != "optimizer"}
    able: list[Config] = [training, {**training, "optimizer.lr": given / LOWER}, {**rest, **ADAM}]
    tries = [_losses(net, config, feed, ctx) for config in able]
    rows: list[tuple[float, ...]] = []
    while len(rows) < MOST and (not rows or time.time() < end):
        rows.append(tuple(next(losses) for losses in tries))
    late = np.array(rows[-math.ceil(len(rows) / 4) :])
    return able[int(late.mean(0).argmin())]


def _losses(net: nn.Module, config: Config, feed: Feed, ctx: Context) -> Iterator[float]:
    """The loss of batch after batch at a constant rate; infinite from where it is no number on."""
    constant = {k: v for k, v in config.items() if k.partition(".")[0] not in ("schedule", "ema")}
    alone = replace(ctx, deadline=None, full=10**6)  # it ends when it is not asked any more
    trainer = Trainer(copy.deepcopy(net), {**constant, "schedule": "constant", "ema": "off"}, feed, alone)
    trainer.generator.manual_seed(ctx.seed)
    trainer.model.train()
    for rows in itertools.chain.from_iterable(map(trainer.loader.step, itertools.count(1))):
        try:
            yield check_finite(float(trainer.optimise(*feed.batch(rows))), "")
        except TrialError:
            break
    yield from itertools.repeat(math.inf)
