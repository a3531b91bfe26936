"""What the methods are compared on: `load("lcbench/3945")` is a space, an objective and a curve for every config.

family           space; steps of a full training; where the values come from
lcbench          7 numbers of an MLP on an OpenML task; 52 epochs; surrogate, YAHPO Gym v1
iaml_super       28 parameters under a choice of ranger, glmnet, xgboost and rpart; 27 shares of the training set;
                 surrogate, YAHPO Gym v0
iaml_super_full  the same, always on the whole training set; 1
rbv2_svm         imputation, kernel, cost, tolerance, and degree or gamma under their kernel; 1 (all data, 10
                 replications); surrogate, YAHPO Gym v0
rbv2_svm_shares  the same, with 27 shares of the training set as its steps
nb301            34 categorical: operations and inputs of two DARTS cells, an edge exists under the inputs that use it;
                 98 epochs; surrogate, YAHPO Gym v0
arlbench         9 to 12 parameters of DQN, SAC or PPO, some under a choice; mean return of 10 seeds (NaN from the step on
                 at which one of them diverged); 10 tenths of the training; table of 256 Sobol configs, nearest row
taskset          the 8 parameters of Adam8p; validation loss, heavy-tailed, some diverge; 50 evaluations during a training;
                 table of 1,000 configs, nearest row
nb201            6 operations of a cell, accuracy; 17, with one value at 12 epochs and one at 200 (mean of 2 or 3 seeds)
                 and the last known between them; complete table
nb201_pareto     the same cells, two objectives: accuracy after 200 epochs and MACs; 1
hpolib_fcnet     9 grid parameters of a regression network, mean of 4 seeds; 1; complete table
hpobench_nn      5 grid parameters of an MLP, mean of 5 seeds; 1; complete table
accel_nasbench   28 parameters of a MobileNet-like network, two objectives: accuracy and latency on a device; 1; table of
                 5,138, nearest row
synthetic        a toy with a conditional momentum and a corner that diverges; 27, or 1; a formula, needs no data

A diverged step has a metric of NaN, and so has every step after it. "tune" instances are for whoever develops a method,
figures are reported on "report" instances, and "spare" ones nobody looks at before the end. Data: ../shared/data beside the
repository, or the folder that the variable SEEDLEAF_SEARCH_DATA names. References: Pfisterer et al. 2022 (YAHPO Gym),
Zimmer et al. 2021 (LCBench), Siems et al. 2020 (NAS-Bench-301), Becktepe et al. 2024 (ARLBench), Metz et al. 2020 (TaskSet),
Dong & Yang 2020 (NAS-Bench-201), Klein & Hutter 2019 (HPOlib FCNet), Eggensperger et al. 2021 (HPOBench),
Ahmad et al. 2024 (Accel-NASBench).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from seedleaf.core import Config, Fidelity, Objective, Value, config_key
from seedleaf.space import Space

Steps = list[tuple[dict[str, float], float]]
Split = Literal["tune", "report", "spare"]

REFERENCE = Path(__file__).with_name("reference.json")  # best and median losses that a long search found


class Source(Protocol):
    """Where the values come from: (metrics, simulated seconds) of the steps start + 1 to stop."""

    def steps(self, config: Config, start: int, stop: int) -> Steps: ...


@dataclass(frozen=True)
class Scenario:
    """One problem. `best` and `median` are losses (to be minimised) of the best known and the median random config at
    full fidelity, `drawn` is that of the best of many random configs (of a table: the best row, as `best`); `second`,
    where there is one, is the second objective, as a metric of every step."""

    name: str
    family: str
    space: Space
    metric: str
    direction: Literal["min", "max"]
    fidelity: Fidelity | None
    best: float
    median: float
    source: Source = field(repr=False, compare=False)
    drawn: float = math.nan
    second: Objective | None = None
    ideal: tuple[
        float, ...
    ] = ()  # of two objectives: the least loss of each; the reference point of the hypervolume
    nadir: tuple[
        float, ...
    ] = ()  # (the loss that a tenth of the table exceeds), and the volume of the table's front
    volume: float = math.nan
    _full: dict[str, dict[str, float]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def full(self) -> int:
        """Steps of a full training."""
        return self.fidelity.high if self.fidelity else 1

    @property
    def objectives(self) -> tuple[Objective, ...]:
        first = Objective(self.metric, self.direction)
        return (first, self.second) if self.second else (first,)

    def evaluate(self, config: Mapping[str, Value], start: int, stop: int) -> Steps:
        """(metrics, simulated seconds) for each of the steps start + 1 to stop. Equal calls give equal answers."""
        if not 0 <= start <= stop <= self.full:
            raise ValueError(f"{self.name} has steps 1 to {self.full}; asked for {start + 1} to {stop}")
        return self.source.steps(self.space.check(config), start, stop)

    def loss(self, metrics: Mapping[str, float]) -> float:
        """The first objective as a number to minimise; +inf where it is NaN."""
        return Objective(self.metric, self.direction).loss(metrics)

    def full_metrics(self, config: Mapping[str, Value]) -> dict[str, float]:
        """The metrics after a full training, from a cache."""
        key = config_key(config)
        if key not in self._full:
            self._full[key] = self.evaluate(config, self.full - 1, self.full)[0][0]
        return self._full[key]

    def full_loss(self, config: Mapping[str, Value]) -> float:
        """The loss after a full training; +inf where it diverges."""
        return self.loss(self.full_metrics(config))

    def regret(self, loss: float) -> float:
        """0 for the best known config, 1 for the median random one; +inf for a diverged one."""
        return (loss - self.best) / (self.median - self.best) if math.isfinite(loss) else math.inf


# --- which instances there are, and for whom: written down, never drawn ---

SPLITS: Mapping[str, Mapping[Split, tuple[str, ...]]] = {
    "lcbench": {
        "tune": (
            "34539",
            "126025",
            "126029",
            "167149",
            "167161",
            "167168",
            "168329",
            "168868",
            "189862",
            "189905",
        ),
        "report": (
            *("3945", "7593", "126026", "146212", "167104", "167181", "167184", "167190"),
            *("168331", "168908", "189354", "189866"),
        ),
        "spare": (
            *("167152", "167185", "167200", "167201", "168330", "168335", "168910", "189865", "189873"),
            *("189906", "189908", "189909"),
        ),
    },
    "iaml_super": {"tune": ("1067",), "report": ("1489", "41146")},
    "iaml_super_full": {"tune": ("1067",), "report": ("1489", "41146")},
    "rbv2_svm": {
        "tune": ("1049", "1063", "12", "1462", "1476", "1487", "15", "18", "22", "375"),
        "report": ("1053", "1068", "1220", "1461", "1475", "1486", "16", "181", "300", "4538"),
        "spare": ("1050", "1067", "11", "1457", "1464", "1489", "1494", "1510", "23", "54"),
    },
    "rbv2_svm_shares": {
        "tune": ("1049", "1462", "1487", "15", "18", "375"),
        "report": ("1053", "1461", "1486", "16", "300", "4538"),
    },
    "nb301": {"report": ("CIFAR10",)},
    "arlbench": {
        "tune": ("box2d_lunar_lander_dqn", "cc_acrobot_dqn", "cc_cartpole_ppo", "cc_pendulum_sac"),
        "report": ("atari_qbert_dqn", "brax_halfcheetah_sac", "cc_cartpole_dqn", "minigrid_empty_random_ppo"),
    },
    "taskset": {
        "tune": ("patch128_LSTM128_avg_bs64", "patch32_VRNN128_tanh_bs128"),
        "report": ("patch32_GRU128_bs128", "patch32_IRNN64_relu_last_bs128"),
    },
    "nb201": {"tune": ("cifar10",), "report": ("cifar100",)},
    "nb201_pareto": {"tune": ("cifar10",), "report": ("cifar100",)},
    "hpolib_fcnet": {"tune": ("naval_propulsion",), "report": ("protein_structure",)},
    "hpobench_nn": {"tune": ("car", "vehicle"), "report": ("credit_g", "phoneme")},
    "accel_nasbench": {"tune": ("zcu102",), "report": ("vck190",)},
    "synthetic": {"tune": ("tree",), "report": ("tree_full",)},
}
FAMILIES: tuple[str, ...] = tuple(SPLITS)


def names(family: str | None = None, split: Split | None = None) -> list[str]:
    """The scenarios of a family (all but the synthetic for None), of one split or of all."""
    families = [family] if family else [f for f in FAMILIES if f != "synthetic"]
    return [
        f"{f}/{instance}"
        for f in families
        for kind, instances in SPLITS[f].items()
        if split in (None, kind)
        for instance in instances
    ]


@cache
def load(name: str) -> Scenario:
    """The scenario of that name; KeyError for an unknown one, FileNotFoundError without the data."""
    from search import arlbench, surrogates, synthetic, tabular  # they import this module

    family, _, instance = name.partition("/")
    if name not in names(family if family in FAMILIES else None):
        raise KeyError(f"no scenario is called {name!r}; see names()")
    for module in (surrogates, arlbench, tabular, synthetic):
        if family in module.MAKERS:
            made: Scenario = module.MAKERS[family](family, instance)
            return made
    raise AssertionError(family)


TIMED = ("lcbench", "iaml_super", "rbv2_svm_shares", "nb301")  # families whose data has seconds by step


@cache
def seconds_of_full(name: str, draws: int = 1000) -> float:
    """Simulated seconds of a full training, the mean over random configs; its steps where the data has no seconds."""
    scenario = load(name)
    if scenario.family not in TIMED:
        return float(scenario.full)
    rng = np.random.default_rng(0)
    configs = (scenario.space.sample(rng) for _ in range(draws))
    return sum(s for c in configs for _, s in scenario.evaluate(c, 0, scenario.full)) / draws


def reference(name: str) -> tuple[float, float, float]:
    """The losses (best, median, drawn) that reference.py found; NaN before it ran."""
    known = json.loads(REFERENCE.read_text())
    # The same function at full fidelity under two names.
    name = name.replace("iaml_super_full", "iaml_super").replace("rbv2_svm_shares", "rbv2_svm")
    row = known.get(name, {})
    best, median, drawn = (float(row.get(key, math.nan)) for key in ("best", "median", "best_drawn"))
    return best, median, drawn
