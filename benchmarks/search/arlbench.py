"""ARLBench (Becktepe et al. 2024): 256 Sobol configs of DQN, SAC and PPO in eight environments, ten seeds each."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from search.scenarios import Scenario
from search.surrogates import DATA
from search.tabular import Nearest, Table, scenario_of, sticky
from seedleaf.core import Config, Fidelity
from seedleaf.space import Choice, Float, Int, Space

_ARL_EPSILON = {"dqn": (1e-7, 1e-3), "sac": (1e-9, 1e-4)}
# Ranges of what differs between the environments: batch sizes, buffer size, learning starts, target update interval.
_ARL: Mapping[str, tuple[tuple[int, ...], tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "atari_qbert_dqn": ((16, 32, 64), (1024, 1_000_000), (1024, 32_768), (1, 2000)),
    "box2d_lunar_lander_dqn": ((64, 128, 256), (1024, 120_000), (0, 2048), (1, 100)),
    "cc_acrobot_dqn": ((64, 128, 256), (1024, 120_000), (0, 2048), (1, 100)),
    "cc_cartpole_dqn": ((64, 128, 256), (1024, 120_000), (0, 2048), (1, 100)),
    "brax_halfcheetah_sac": ((512, 1024, 2048), (2048, 2_000_000), (0, 16_384), (0, 0)),
    "cc_pendulum_sac": ((256, 512, 1024), (1024, 120_000), (0, 8192), (0, 0)),
    "cc_cartpole_ppo": ((128, 256, 512), (0, 0), (0, 0), (0, 0)),
    "minigrid_empty_random_ppo": ((32, 64, 128), (0, 0), (0, 0), (0, 0)),
}


def arl_space(instance: str) -> Space:
    """The search space of ARLBench's Sobol runs for that environment and algorithm."""
    batches, buffer, starts, interval = _ARL[instance]
    algorithm = instance.rpartition("_")[2]
    lr = Float(1e-6, 0.1, log=True)
    if algorithm == "ppo":
        return Space(
            clip_eps=Float(0, 0.5),
            ent_coef=Float(0, 0.5),
            gae_lambda=Float(0.8, 0.9999),
            learning_rate=lr,
            max_grad_norm=Float(0, 1),
            minibatch_size=Choice(*batches, ordered=True),
            normalize_advantage=Choice("False", "True"),
            vf_clip_eps=Float(0, 0.5),
            vf_coef=Float(0, 1),
        )
    prioritised = dict(
        buffer_alpha=Float(0.01, 1),
        buffer_beta=Float(0.01, 1),
        buffer_epsilon=Float(*_ARL_EPSILON[algorithm], log=True),
    )
    common = dict(
        buffer_batch_size=Choice(*batches, ordered=True),
        buffer_prio_sampling=Choice({"False": {}, "True": prioritised}),
        buffer_size=Int(*buffer),
        learning_rate=lr,
        learning_starts=Int(*starts),
    )
    if algorithm == "dqn":
        target = dict(target_update_interval=Int(*interval))
        more: dict[str, Any] = dict(initial_epsilon=Float(0.5, 1), target_epsilon=Float(0.001, 0.2))
    else:
        target, more = dict(tau=Float(0.01, 1)), dict(reward_scale=Float(0.1, 10, log=True))  # type: ignore[dict-item]
    return Space({**common, **more, "use_target_network": Choice({"False": {}, "True": target})})


def _arlbench(family: str, instance: str) -> Scenario:
    space = arl_space(instance)
    with gzip.open(DATA / "tables" / "arlbench_sobol" / f"{instance}.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    budgets = sorted({float(r["budget"]) for r in rows})
    sums, configs = np.zeros((256, len(budgets))), [Config()] * 256
    for r in rows:
        run = int(r["run_id"])
        sums[run, budgets.index(float(r["budget"]))] += float(r["performance"] or "nan") / 10
        configs[run] = _configured(space, r)
    table = Table(space, {"performance": sticky(sums)}, Nearest(space, configs))
    fidelity = Fidelity("tenth of the training", 1, len(budgets))
    return scenario_of(family, instance, table, "performance", "max", fidelity)


def _configured(space: Space, row: Mapping[str, str]) -> Config:
    return space.walk(lambda node: _cell(node.param, row[f"hp_config.{node.key.rpartition('.')[2]}"]))


def _cell(param: Any, text: str) -> Any:
    if isinstance(param, Choice):
        return next(o for o in param.options if str(o) == text)
    value = float(text)
    clipped = min(max(value, param.low), param.high)
    return int(clipped) if isinstance(param, Int) else clipped


MAKERS: Mapping[str, Callable[[str, str], Scenario]] = {"arlbench": _arlbench}
