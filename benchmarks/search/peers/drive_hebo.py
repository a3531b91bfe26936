"""HEBO 0.3.6 by suggest and observe: full trainings only, flat spaces, about 5 s a suggestion."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from hebo.optimizers.hebo import HEBO

from search.peers.spaces import config_of, to_hebo
from search.peers.work import Work

warnings.filterwarnings("ignore")


def run(work: Work, seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  scramble_seed seeds the first points only
    hebo = HEBO(to_hebo(work.space), scramble_seed=seed)
    number = 0
    while True:
        rows = hebo.suggest(n_suggestions=1)
        loss = work.loss(number, config_of(work.space, rows.iloc[0].to_dict()), work.full)
        number += 1
        hebo.observe(rows, np.array([[loss]]))


METHODS: dict[str, Callable[[Work, int], None]] = {"hebo": run}
