"""The training loop: steps of one network under one config, each measured and kept, so that a trial can go on from any."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from torch import nn

from seedleaf.core import Config, Context, Measurement
from seedleaf.errors import CheckpointError, OutOfTime
from seedleaf.train import checkpoint
from seedleaf.train.evaluate import evaluate
from seedleaf.train.feed import Feed
from seedleaf.train.trainer import Trainer

SAVE_SHARE = 0.03  # at most this share of the time goes into checkpoints that no one may need


def train(
    model: nn.Module,
    config: Config,
    train: Feed,
    valid: Feed | None,
    ctx: Context,
    known: Mapping[str, float],
    make: Callable[[nn.Module, Config, Feed, Context], Trainer] = Trainer,
) -> Iterator[Measurement]:
    """Train from `ctx.start` to `ctx.stop`, one measurement a step, each saved in `ctx.folder` before it is yielded.

    Metrics: error, loss (negative log likelihood) on `valid` where given; train_loss, train_seconds; and `known`.
    A checkpoint ahead of `ctx.start` gives its measurements back instead of training again; one behind it (they are
    thinned out where steps are short) is caught up with in silence. With `ctx.deadline` training ends by it;
    OutOfTime where that leaves no time for a single step.
    `make` gives a trainer of another kind.
    """
    path = ctx.folder / checkpoint.NAME
    trainer = make(model, config, train, ctx)
    past = _restore(trainer, ctx)
    yield from (m for m in past if ctx.start < m.step <= ctx.stop)
    next_save, saved_step = 0.0, trainer.step
    while trainer.step < ctx.stop:
        if trainer.out_of_time:
            if not past:
                raise OutOfTime("no time is left before the deadline")
            if saved_step != trainer.step:
                checkpoint.save(path, {**trainer.state(), "measurements": checkpoint.pack(past)})
            return
        begun = time.perf_counter()
        train_loss = trainer.advance()
        trained = time.perf_counter() - begun
        metrics = {**known, "train_loss": train_loss, "train_seconds": trained}
        if valid is not None:
            metrics.update(evaluate(trainer.judged, valid, trainer.side))
        past.append(Measurement(trainer.step, metrics, time.perf_counter() - begun))
        saving = time.perf_counter()
        if trainer.step == ctx.stop or trainer.out_of_time or saving >= next_save:
            checkpoint.save(path, {**trainer.state(), "measurements": checkpoint.pack(past)})
            saved, saved_step = time.perf_counter(), trainer.step
            next_save = saved + (saved - saving) / SAVE_SHARE
        if trainer.step > ctx.start:
            yield past[-1]


def _restore(trainer: Trainer, ctx: Context) -> list[Measurement]:
    """Take up the checkpoint in `ctx.folder`, if there is one, and return the measurements in it.

    At the very start a checkpoint that cannot be used costs nothing, so it is passed over.
    """
    path = ctx.folder / checkpoint.NAME
    if ctx.start == 0 and not path.exists():
        return []
    try:
        body = checkpoint.load(path, ctx.device)
        if body.get("config") != trainer.identity:
            raise CheckpointError(f"{path}: the checkpoint belongs to another config or seed")
    except CheckpointError:
        if ctx.start == 0:
            return []
        raise
    trainer.restore(body)
    return checkpoint.unpack(body["measurements"])
