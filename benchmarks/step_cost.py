"""python benchmarks/step_cost.py [ROUNDS]: what our training step costs beside a loop written by hand.

Same network, batch, optimiser and augmentation, in alternating blocks of one run and on one thread. The ratio of CPU
time is printed per config as median and quartiles over the rounds, so another busy process hardly disturbs it. The
loop by hand keeps no average of the weights; the last row shows what ours costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from seedleaf.core import Config, Context
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.base import LEARNERS
from seedleaf.learners.trial import prepare_process
from seedleaf.train.feed import Feed
from seedleaf.train.trainer import Trainer

BATCHES = 8  # per block
CASES: dict[str, tuple[tuple[int, int, int], Config]] = {
    "digits-like, plain": ((8, 8, 1), {"ema": "off", "augment": "none", "batch_size": 64}),
    "digits-like, shifted": ((8, 8, 1), {"ema": "off", "augment.shift": 0.1, "batch_size": 64}),
    "28×28 grey, plain": ((28, 28, 1), {"ema": "off", "augment": "none", "batch_size": 128}),
    "28×28 grey, adamw": (
        (28, 28, 1),
        {"ema": "off", "augment": "none", "batch_size": 128, "optimizer": "sgd"},
    ),
    "32×32 colour, shifted": (
        (32, 32, 3),
        {"ema": "off", "augment.flip": False, "augment.shift": 0.1, "batch_size": 128},
    ),
    "28×28 grey, plain, averaged": ((28, 28, 1), {"augment": "none", "batch_size": 128}),
}


def spec_of(shape: tuple[int, int, int], n: int) -> ImageSpec:
    names = tuple("abcdefghij")
    return ImageSpec("made", *shape, 10, names, n, 10, (n // 10,) * 10, (), "0" * 32)


def by_hand(model: nn.Module, config: Config, feed: Feed) -> Callable[[], None]:
    """The loop as one writes it, with the same distortion of images spelled out."""
    size = int(config["batch_size"] or 1)
    lr = float(config["optimizer.lr"] or 0)
    if config["optimizer"] == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
        )
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=10**6)
    x_all, y_all = torch.from_numpy(feed.x), torch.from_numpy(feed.y)
    reach = round(float(config.get("augment.shift") or 0) * feed.x.shape[1])

    def block() -> None:
        model.train()
        for rows in torch.randperm(len(x_all))[: BATCHES * size].split(size):
            x, y = x_all[rows], y_all[rows]
            if reach:
                n, h, w, _ = x.shape
                padded = F.pad(x, (0, 0, reach, reach, reach, reach))
                top = torch.randint(0, 2 * reach + 1, (n, 1)) + torch.arange(h)
                left = torch.randint(0, 2 * reach + 1, (n, 1)) + torch.arange(w)
                x = padded[torch.arange(n)[:, None, None], top[:, :, None], left[:, None, :]]
            loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    return block


def ratios(shape: tuple[int, int, int], changes: Config, rounds: int) -> tuple[np.ndarray, float]:
    """(ratio ours / by hand for each round, our milliseconds a batch)."""
    learner, spec = LEARNERS["convnet"], spec_of(shape, 4096)
    config = learner.space(spec).complete({**_network(learner.default(spec)), **changes})
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4096, *shape), dtype=np.uint8)
    feed = Feed.on("cpu", x, rng.integers(0, 10, 4096), np.arange(4096))
    per_epoch = 4096 // int(config["batch_size"] or 1)
    ctx = Context(0, 0, 1, 10**6, 0, Path(), setup={"steps_per_epoch": per_epoch // BATCHES})
    torch.manual_seed(0)
    ours = Trainer(learner.build(spec, config), config, feed, ctx)
    theirs = by_hand(learner.build(spec, config), config, feed)
    found, mine = [], []
    for round_ in range(rounds + 2):
        times = []
        for block in (ours.advance, theirs) if round_ % 2 else (theirs, ours.advance):
            begun = time.process_time()
            block()
            times.append(time.process_time() - begun)
        a, b = times if round_ % 2 else times[::-1]
        if round_ >= 2:
            found.append(a / b)
            mine.append(a)
    return np.array(found), 1000 * float(np.median(mine)) / BATCHES


def _network(config: Config) -> Config:
    keep = ("stem_width", "stem_stride", "stage", "activation")
    return {key: value for key, value in config.items() if key.startswith(keep)}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    prepare_process()
    print(f"{'case':30s} {'ratio':>6s}  {'quartiles':>13s}  {'ms/step':>7s}")
    for name, (shape, changes) in CASES.items():
        found, ms = ratios(shape, changes, rounds)
        low, mid, high = np.percentile(found, [25, 50, 75])
        print(f"{name:30s} {mid:6.3f}  {low:6.3f}-{high:6.3f}  {ms:7.2f}", flush=True)


if __name__ == "__main__":
    main()
