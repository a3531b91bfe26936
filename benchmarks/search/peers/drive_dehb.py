"""DEHB 0.1.2 by ask and tell. It always asks for training from scratch; a config that it promotes unchanged goes on from its
checkpoint here (a kindness: the interface names the config, so a user could). No method without fidelity."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable

from dehb import DEHB

from search.peers.spaces import config_of, to_configspace
from search.peers.work import Work

warnings.filterwarnings("ignore")


def run(work: Work, seed: int) -> None:
    dehb = DEHB(
        cs=to_configspace(work.space, seed),
        min_fidelity=1,
        max_fidelity=work.full,
        eta=3,
        n_workers=1,
        seed=seed,
        output_path=tempfile.mkdtemp(prefix="dehb-"),
        save_freq=None,
        log_level="ERROR",
    )
    while True:
        job = dehb.ask()
        values = dict(job["config"])
        stop = max(1, round(float(job["fidelity"])))
        loss = work.loss(None, config_of(work.space, values), stop)
        dehb.tell(job, {"fitness": loss, "cost": float(stop)})


METHODS: dict[str, Callable[[Work, int], None]] = {"dehb": run}
