"""What passes need beside the network: calibration images, the block table, and what was measured of the original."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.importance import Batches, Signals, listen
from seedleaf.compression.pricing import METRICS, Costs, Pricer
from seedleaf.compression.subject import Subject
from seedleaf.data.spec import ImageData, Labels
from seedleaf.seeds import rng_for

IMAGES, BATCH = 512, 64  # for calibration: statistics and gradients of more change little
Recalibrate = Callable[[nn.Module], None]


@dataclass(frozen=True, eq=False)
class Shop:
    """`scale` is what Pricer takes; `kept` is what was found out about networks that are still there."""

    batches: Batches
    table: BlockTable
    scale: Mapping[str, float]
    seed: int = 0
    device: str = "cpu"  # on which networks are measured; they themselves stay on the CPU
    kept: WeakKeyDictionary[Subject, dict[Hashable, Any]] = field(default_factory=WeakKeyDictionary)

    def pricer(self, subject: Subject) -> Pricer:
        return Pricer(subject.skeleton, self.table, self.scale)

    def signals(self, subject: Subject) -> Signals:
        """Gradients of `subject` on the calibration images."""
        found: Signals = self.once(subject, "signals", lambda: listen(subject, self.batches, self.device))
        return found

    def once(self, subject: Subject, what: Hashable, find: Callable[[], Any]) -> Any:
        """What `find` gives, found out once per network: what is so of the original serves every trial of a worker."""
        known = self.kept.setdefault(subject, {})
        if what not in known:
            known[what] = find()
        return known[what]

    def recalibrate(self, net: nn.Module) -> None:
        recalibrate(net, self.batches, self.device)

    def loss(self, net: nn.Module) -> float:
        """Mean cross-entropy on the calibration images."""
        total, n = 0.0, 0
        there = placed(net, self.device).eval()
        with torch.no_grad():
            for x, y in self.batches():
                logits = there(x.to(self.device))
                total += float(F.cross_entropy(logits, y.to(self.device), reduction="sum"))
                n += len(y)
        return total / max(n, 1)


def calibration(data: ImageData, rows: Labels, seed: int, n: int = IMAGES) -> Batches:
    """Batches of `n` training images, the same ones every time."""
    some = np.sort(rng_for(seed, "calibration").permutation(rows)[:n])
    order = rng_for(seed, "calibration", "order").permutation(some)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for begin in range(0, len(order), BATCH):
            at = order[begin : begin + BATCH]
            if len(at) > 1 or begin == 0:  # BatchNorm cannot take the variance of one image's channels
                yield (
                    torch.from_numpy(np.take(data.x_train, at, 0)),
                    torch.from_numpy(np.take(data.y_train, at)),
                )

    return batches


def recalibrate(net: nn.Module, batches: Batches, device: str = "cpu") -> None:
    """Measure the statistics of every BatchNorm anew, in place; nothing is trained. A pass has changed what they saw.

    It is nearly free and gives back most of what a pass seems to cost before any fine-tuning.
    """
    norms = [
        m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    if not norms:
        return
    before = [(m.momentum, m.training) for m in norms]
    net.eval()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain average over the batches
        m.train()
    with torch.no_grad():
        net.to(device)
        for x, _ in batches():
            net(x.to(device))
        net.to("cpu")
    for m, (momentum, training) in zip(norms, before, strict=True):
        m.momentum = momentum
        m.train(training)
    net.eval()


def placed(net: nn.Module, device: str) -> nn.Module:
    """`net` itself on the CPU, where all networks live; a copy of it elsewhere."""
    return net if device == "cpu" else copy.deepcopy(net).to(device)


def recalibrated(subject: Subject, batches: Batches, device: str = "cpu") -> Subject:
    """The same network with statistics of its own; `subject` is not touched."""
    found = copy.copy(subject)
    object.__setattr__(found, "net", copy.deepcopy(subject.net))
    recalibrate(found.net, batches, device)
    return found


def towards(now: Costs, targets: Mapping[str, float], share: float) -> dict[str, float]:
    """The costs a part of the way (on a log scale) from `now` to the targets; those that are met already stand."""
    return {m: max(limit, limit * (now[m] / limit) ** (1.0 - share)) for m, limit in targets.items()}


__all__ = ["METRICS", "Shop", "calibration", "recalibrate", "recalibrated", "towards"]
