"""The final training of the winner, as a worker runs it: on all that is not the test part, annealed by a deadline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from seedleaf.core import Config, Context
from seedleaf.learners.base import learner_of
from seedleaf.learners.images import network, open_source
from seedleaf.learners.trial import HORIZON, batch_seconds, load_model, memory_errors, usable
from seedleaf.seeds import seed_for
from seedleaf.train import CHECKPOINT
from seedleaf.train.evaluate import evaluate
from seedleaf.train.feed import Feed
from seedleaf.train.trainer import Trainer

WHOLE = {"part": "train+valid", "fidelity": "epochs"}  # all rows, and every step whole
ROUNDS = 3  # in which one thread and several take turns, as what else runs on the machine changes


def pace(
    config: Config, setup: Mapping[str, Any], threads: int, seconds: float, device: str = "cpu"
) -> dict[str, float]:
    """{"threads", "step_seconds"} of the refit: one thread or `threads`, whichever is faster here and now.

    A second thread makes a step 1.5 times faster on an idle machine and up to 30 times slower beside a busy process, so
    that nothing but measuring says which. Takes about `seconds`, or a few batches where those are slower.
    """
    device, before = usable(device), torch.get_num_threads()
    whole = {**setup, **WHOLE}
    source = open_source(whole)
    feed = Feed.on(device, source.data.x_train, source.data.y_train, source.train)
    ctx = Context(-1, 0, 1, HORIZON, 0, Path(), device, whole)
    found: dict[int, float] = {}
    begun = time.monotonic()
    try:
        with memory_errors():
            trainer = Trainer(network(learner_of(setup), config, source, 0, device), config, feed, ctx)
            trainer.generator.manual_seed(0)
            for _ in range(ROUNDS):
                for count in {1, max(threads, 1)}:
                    torch.set_num_threads(count)
                    took = batch_seconds(trainer, feed, 1.0, 4)
                    found[count] = min(took, found.get(count, took))
                if time.monotonic() - begun > seconds:
                    break
    finally:
        torch.set_num_threads(before)
    best = min(found, key=lambda count: found[count])
    return {"threads": best, "step_seconds": found[best] * trainer.loader.batches(HORIZON)}


def refit(
    config: Config,
    setup: Mapping[str, Any],
    folder: str,
    steps: int,
    deadline: float,
    threads: int = 1,
    device: str = "cpu",
    parent: str | None = None,
) -> dict[str, float]:
    """Train `config` for `steps` steps on train+valid, ending by `deadline` (seconds since the epoch), with the weights of
    the trial in the folder `parent` to begin with where one is given.

    The checkpoint stays in `folder`, and a refit that was cut off goes on from it. `threads` may be more than one
    only while no other worker trains. Returns {"steps", "train_seconds", "train_loss"} and {"valid_error",
    "valid_images"}: trained on as it was, who is worse there than a network that never saw it did not learn.
    """
    device, before = usable(device), torch.get_num_threads()
    torch.set_num_threads(max(threads, 1))
    ctx = Context(
        trial=-1,
        start=0,
        stop=steps,
        full=steps,
        seed=seed_for(int(setup.get("seed", 0)), "refit"),
        folder=Path(folder),
        device=device,
        setup={**setup, **WHOLE},
        deadline=deadline,
        parent=None if parent is None else Path(parent),
    )
    ctx.folder.mkdir(parents=True, exist_ok=True)
    done = {"steps": 0.0, "train_seconds": 0.0, "train_loss": float("nan")}
    try:
        with memory_errors():
            for m in learner_of(setup).fit(config, ctx):
                done["steps"] = float(m.step)
                done["train_seconds"] += m.metrics["train_seconds"]
                done["train_loss"] = m.metrics["train_loss"]
        done.update(_on_valid(config, setup, ctx.folder / CHECKPOINT, device))
    finally:
        torch.set_num_threads(before)
    return done


def _on_valid(config: Config, setup: Mapping[str, Any], path: Path, device: str) -> dict[str, float]:
    source = open_source({**setup, "part": "train"})
    name = str(setup.get("learner", "convnet"))
    model = load_model(config, source.data.spec, path, name).to(device)
    valid = Feed.on(device, source.data.x_train, source.data.y_train, source.valid)
    return {"valid_error": evaluate(model, valid)["error"], "valid_images": float(len(source.valid))}
