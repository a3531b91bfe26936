"""The tables of samplers and schedulers. A new one is one file and one row here; the tests run over the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from seedleaf.errors import StudyError
from seedleaf.space.problem import Problem
from seedleaf.tuner.asha import AshaScheduler
from seedleaf.tuner.base import Sampler, Scheduler
from seedleaf.tuner.bohb import BohbScheduler
from seedleaf.tuner.evolution import EvolutionSampler
from seedleaf.tuner.full import FullScheduler
from seedleaf.tuner.halving import HalvingScheduler
from seedleaf.tuner.hyperband import HyperbandScheduler
from seedleaf.tuner.median import MedianScheduler
from seedleaf.tuner.policy import PolicySampler
from seedleaf.tuner.random import RandomSampler
from seedleaf.tuner.sobol import SobolSampler
from seedleaf.tuner.tpe import TpeSampler

T = TypeVar("T")

SAMPLERS: Mapping[str, Callable[[], Sampler]] = {
    "random": RandomSampler,
    "sobol": SobolSampler,
    "tpe": TpeSampler,
    "evolution": EvolutionSampler,
    "policy": PolicySampler,
}

SCHEDULERS: Mapping[str, Callable[[], Scheduler]] = {
    "full": FullScheduler,
    "asha": AshaScheduler,
    "halving": HalvingScheduler,
    "hyperband": HyperbandScheduler,
    "bohb": BohbScheduler,
    "median": MedianScheduler,
}

# Schedulers whose name stands for a pair: what "auto" means for the sampler beside them. Any other may be named too.
PAIRED: Mapping[str, str] = {"bohb": "tpe"}


def pick_sampler(
    problem: Problem, wanted: str | Sampler = "auto", scheduler: str | Scheduler = "auto"
) -> Sampler:
    """A sampler by name; "auto" is the one that `scheduler` is paired with, else TPE. An object is passed through."""
    if not isinstance(wanted, str):
        return wanted
    beside = scheduler if isinstance(scheduler, str) else scheduler.name
    return _look_up("sampler", SAMPLERS, PAIRED.get(beside, "tpe") if wanted == "auto" else wanted)()


def pick_scheduler(problem: Problem, wanted: str | Scheduler = "auto") -> Scheduler:
    """A scheduler by name; "auto" is ASHA where there are rungs to judge at, else full budgets."""
    if not isinstance(wanted, str):
        return wanted
    auto = "asha" if len(problem.rungs) > 1 else "full"
    return _look_up("scheduler", SCHEDULERS, auto if wanted == "auto" else wanted)()


def _look_up(kind: str, table: Mapping[str, T], name: str) -> T:
    if name not in table:
        raise StudyError(f"no {kind} is called {name!r}; there are: auto, {', '.join(sorted(table))}")
    return table[name]
