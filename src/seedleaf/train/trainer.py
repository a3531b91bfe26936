"""A network in training: one optimiser step after another, and the state from which it goes on bit for bit.

Every random draw of step k comes from streams named after k, so nothing random needs to be saved, and a trial resumed
from any checkpoint goes through exactly the batches that it would have gone through.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seedleaf.core import Config, Context
from seedleaf.errors import CheckpointError
from seedleaf.seeds import seed_for
from seedleaf.space import fingerprint
from seedleaf.train.augment import Mixed, make_augment
from seedleaf.train.ema import make_ema
from seedleaf.train.feed import Feed, Loader, smaller
from seedleaf.train.optim import check_finite, make_loss, make_optimizer, make_schedule
from seedleaf.train.ramp import Ramp
from seedleaf.train.recorded import Recorded, may_record, set_counting

CHECK_EVERY = 8  # batches between looks at the loss: a look makes a GPU wait
DEADLINE_SLACK = 0.2  # seconds kept free for the last checkpoint


@dataclass(frozen=True)
class Clock:
    """Progress of a training in [0, 1]: its share of the steps, or of the time to the deadline where that is more."""

    total: int
    begun_at: float
    begun_progress: float = 0.0
    deadline: float | None = None

    def progress(self, done: int) -> float:
        share = done / self.total
        if self.deadline is None:
            return min(share, 1.0)
        span = max(self.deadline - DEADLINE_SLACK - self.begun_at, 1e-9)
        elapsed = max(time.time() - self.begun_at, 0.0) / span
        return min(max(share, self.begun_progress + (1.0 - self.begun_progress) * elapsed), 1.0)


class Trainer:
    """A network in training. `done` counts optimiser steps, `step` the steps of the trial."""

    recordable = True  # does `judge` look at nothing but what it is given?

    def __init__(self, model: nn.Module, config: Config, train: Feed, ctx: Context) -> None:
        self.model, self.config, self.feed, self.ctx = model, config, train, ctx
        self.ramp = Ramp(str(ctx.setup.get("fidelity", "epochs")), max(ctx.full, 1))
        slices = int(ctx.setup.get("steps_per_epoch", 1))
        self.loader = Loader(len(train), int(config["batch_size"] or 1), slices, ctx.seed, self.ramp)
        self.optimizer = make_optimizer(model, config)
        self.schedule, self.loss, self.augment = (
            make_schedule(config),
            make_loss(config),
            make_augment(config),
        )
        self.ema = make_ema(model, config, self.loader.per_epoch)
        self.generator = torch.Generator(device=ctx.device)
        self.step = self.done = 0
        self.clock = Clock(self.loader.total, time.time(), 0.0, ctx.deadline)
        able = self.recordable and may_record(ctx.device)
        self.recorded = Recorded(self.learn, self.optimizer, ctx.device) if able else None

    @property
    def judged(self) -> nn.Module:
        """The network that is measured and delivered."""
        return self.ema.model if self.ema else self.model

    @property
    def identity(self) -> str:
        """Changes with the config, the seed and what steps are spent on."""
        axis = [] if self.ramp.axis == "epochs" else [self.ramp.axis]
        return fingerprint([self.config, self.ctx.seed, *axis])

    @property
    def side(self) -> float:
        """The share of their sides at which pictures are seen in the step under way."""
        return self.ramp.at(max(self.step, 1)).side

    @property
    def out_of_time(self) -> bool:
        return self.ctx.deadline is not None and self.clock.progress(0) >= 1.0

    def advance(self) -> float:
        """One step of training. Returns its mean loss; TrialError where it is not finite."""
        self.step += 1
        seed = seed_for(self.ctx.seed, "step", self.step)
        torch.manual_seed(seed)  # dropout knows only the global generator
        self.generator.manual_seed(seed)
        self.model.train()
        total: Tensor | float = 0.0
        batches = 0
        for rows in self.loader.step(self.step):
            if self.out_of_time:
                break
            x, y = self.feed.batch(rows)
            total = total + self.optimise(smaller(x, self.side), y)
            batches += 1
            if batches % CHECK_EVERY == 0:
                check_finite(float(total), f"in step {self.step}")
        return check_finite(float(total), f"in step {self.step}") / max(batches, 1)

    def optimise(self, x: Tensor, y: Tensor) -> Tensor:
        """One optimiser step on images (B, H, W, C) and labels (B,). Returns the loss, detached."""
        lr = self.schedule(self.clock.progress(self.done))
        mixed = Mixed(x) if self.augment is None else self.augment(x, self.generator)
        if self.recorded is not None:
            loss = self.recorded(mixed, y, lr)
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            loss = self.learn(mixed, y)
        self.done += 1
        if self.ema:
            self.ema.update(self.done)
        return loss

    def learn(self, mixed: Mixed, y: Tensor) -> Tensor:
        """Forward, backward and the optimiser's step on a batch at the learning rate that is set. Returns the loss."""
        loss = self.judge(mixed, self.model(mixed.x), y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def judge(self, mixed: Mixed, logits: Tensor, y: Tensor) -> Tensor:
        """The loss of the logits (B, K) that the network gave for `mixed`. A trainer with a teacher adds to it."""
        loss = self.loss(logits, y)
        if mixed.partner is not None:
            loss = mixed.share * loss + (1.0 - mixed.share) * self.loss(logits, y[mixed.partner])
        return loss

    # --- checkpoints ---

    def state(self) -> dict[str, Any]:
        """What `restore` needs beside the config."""
        return {
            "config": self.identity,
            "values": dict(self.config),
            "step": self.step,
            "done": self.done,
            "progress": self.clock.progress(self.done),
            "side": self.side,
            "model": self.model.state_dict(),
            "judged": self.ema.model.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go back to a saved state. CheckpointError where it does not fit the network."""
        try:
            self.model.load_state_dict(body["model"])
            if self.ema:
                self.ema.model.load_state_dict(body["judged"])
            self.optimizer.load_state_dict(body["optimizer"])
            set_counting(self.optimizer, self.recorded is not None)
            self.step, self.done = int(body["step"]), int(body["done"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{self.ctx.folder}: the checkpoint does not fit the network") from error
        if self.ctx.deadline is not None:
            self.clock = replace(self.clock, begun_progress=float(body["progress"]))
