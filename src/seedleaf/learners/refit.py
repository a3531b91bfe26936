"""The final training of the winner, as a worker runs it: on all that is not the test part, annealed by a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from seedleaf.core import Config, Context
from seedleaf.learners.base import learner_named
from seedleaf.learners.trial import memory_errors
from seedleaf.seeds import seed_for


def refit(
    config: Config,
    setup: Mapping[str, Any],
    folder: str,
    steps: int,
    deadline: float,
    threads: int = 1,
    device: str = "cpu",
) -> dict[str, float]:
    """Train `config` for `steps` steps on train+valid, ending by `deadline` (seconds since the epoch).

    The checkpoint stays in `folder`, and a refit that was cut off goes on from it. `threads` may be more than one
    only while no other worker trains. Returns {"steps", "train_seconds", "train_loss"}.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(threads, 1))
    ctx = Context(
        trial=-1,
        start=0,
        stop=steps,
        full=steps,
        seed=seed_for(int(setup.get("seed", 0)), "refit"),
        folder=Path(folder),
        device=device,
        setup={**setup, "part": "train+valid", "fidelity": "epochs"},  # every step whole
        deadline=deadline,
    )
    ctx.folder.mkdir(parents=True, exist_ok=True)
    done = {"steps": 0.0, "train_seconds": 0.0, "train_loss": float("nan")}
    try:
        with memory_errors():
            for m in learner_named(str(setup.get("learner", "convnet"))).fit(config, ctx):
                done["steps"] = float(m.step)
                done["train_seconds"] += m.metrics["train_seconds"]
                done["train_loss"] = m.metrics["train_loss"]
    finally:
        torch.set_num_threads(before)
    return done
