"""HpBandSter 0.7.4: BOHB over its own name server and one worker on the loopback device, as documented.

The worker is given the config's id, so a promoted config goes on from its checkpoint: only new steps are paid.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import hpbandster.core.nameserver as hpns
import numpy as np
from hpbandster.core.worker import Worker
from hpbandster.optimizers import BOHB

from search.peers.spaces import config_of, to_configspace
from search.peers.work import Work

warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)


def run(work: Work, seed: int) -> None:
    np.random.seed(seed)  # noqa: NPY002  its only seed is numpy's global one
    ended: list[BaseException] = []

    class Trainer(Worker):  # type: ignore[misc]
        def compute(self, config_id: Any, config: Any, budget: float, **_: Any) -> dict[str, Any]:
            if ended:
                return {"loss": float("inf"), "info": {}}
            try:
                loss = work.loss(tuple(config_id), config_of(work.space, config), max(1, round(budget)))
            except BaseException as problem:  # the budget's end too: the worker's thread would swallow it
                ended.append(problem)
                loss = float("inf")
            return {"loss": loss, "info": {}}

    name = f"seedleaf-{work.name}-{seed}"
    server = hpns.NameServer(run_id=name, host="127.0.0.1", port=None)
    host, port = server.start()
    worker = Trainer(run_id=name, nameserver=host, nameserver_port=port)
    worker.run(background=True)
    bohb = BOHB(
        configspace=to_configspace(work.space, seed),
        run_id=name,
        nameserver=host,
        nameserver_port=port,
        min_budget=1,
        max_budget=work.full,
        eta=3,
    )
    try:
        while not ended:
            bohb.run(n_iterations=1)
    finally:
        bohb.shutdown(shutdown_workers=True)
        server.shutdown()
    raise ended[0]


METHODS: dict[str, Callable[[Work, int], None]] = {"bohb": run}
