"""NePS 0.17 by ask and tell. Without a user's prior its PriorBand is Hyperband; spaces are flat; trials go on from the
previous rung's checkpoint. ifBO fetches its weights from the web when it is made and does not run offline."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable
from typing import Any

import neps
import numpy as np
import torch

from search.peers.spaces import config_of, to_neps
from search.peers.work import Work

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def method(name: str, **extra: Any) -> Callable[[Work, int], None]:
    def run(work: Work, seed: int) -> None:
        torch.set_num_threads(1)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  NePS has no seed of its own
        torch.manual_seed(seed)
        multi = work.full > 1
        space = to_neps(work.space, work.full if multi else None)
        algorithm = getattr(neps.algorithms, name)
        tuner = neps.AskAndTell(optimizer=algorithm(space, **extra))
        while True:
            trial = tuner.ask()
            values = dict(trial.config)
            stop = round(float(values.pop("steps", work.full)))
            ident = trial.metadata.id
            loss = work.loss(ident.split("_")[0], config_of(work.space, values), stop)
            tuner.tell(ident, {"objective_to_minimize": loss, "cost": float(stop)})

    return run


METHODS: dict[str, Callable[[Work, int], None]] = {
    "neps-hyperband": method("hyperband", eta=3),
    "neps-asha": method("asha", eta=3),
    "neps-ifbo": method("ifbo"),
    "neps-bo": method("bayesian_optimization"),
}
