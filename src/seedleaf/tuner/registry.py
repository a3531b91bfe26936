"""The tables of samplers and schedulers. A new one is one file and one row here; the tests run over the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from seedleaf.errors import StudyError
from seedleaf.space.problem import Problem
from seedleaf.tuner.asha import AshaScheduler
from seedleaf.tuner.base import Sampler, Scheduler
from seedleaf.tuner.bayes import GpSampler
from seedleaf.tuner.bohb import BohbScheduler
from seedleaf.tuner.evolution import EvolutionSampler
from seedleaf.tuner.freeze_thaw import FreezeThawScheduler
from seedleaf.tuner.full import FullScheduler
from seedleaf.tuner.gradual import GradualSampler
from seedleaf.tuner.halving import HalvingScheduler
from seedleaf.tuner.hyperband import HyperbandScheduler
from seedleaf.tuner.median import MedianScheduler
from seedleaf.tuner.pareto_gp import ParetoGpSampler
from seedleaf.tuner.policy import PolicySampler
from seedleaf.tuner.racing import RacingScheduler
from seedleaf.tuner.random import RandomSampler
from seedleaf.tuner.sobol import SobolSampler
from seedleaf.tuner.tpe import TpeSampler

T = TypeVar("T")

SAMPLERS: Mapping[str, Callable[[], Sampler]] = {
    "random": RandomSampler,
    "gradual": GradualSampler,
    "sobol": SobolSampler,
    "tpe": TpeSampler,
    "gp": GpSampler,
    "evolution": EvolutionSampler,
    "policy": PolicySampler,
    "pareto-gp": ParetoGpSampler,
}

SCHEDULERS: Mapping[str, Callable[[], Scheduler]] = {
    "full": FullScheduler,
    "asha": AshaScheduler,
    "halving": HalvingScheduler,
    "hyperband": HyperbandScheduler,
    "bohb": BohbScheduler,
    "median": MedianScheduler,
    "freeze-thaw": FreezeThawScheduler,
    "racing": RacingScheduler,
}

# Schedulers whose name stands for a pair: what "auto" means for the sampler beside them. Any other may be named too.
PAIRED: Mapping[str, str] = {"bohb": "tpe", "freeze-thaw": "gradual"}


def pick_sampler(
    problem: Problem, wanted: str | Sampler = "auto", scheduler: str | Scheduler = "auto"
) -> Sampler:
    """A sampler by name; an object is passed through.

    "auto" is the one that the scheduler is paired with, else a GP, of its own kind for several objectives and for limits
    that are measured.
    """
    if not isinstance(wanted, str):
        return wanted
    beside = pick_scheduler(problem, scheduler).name
    own_kind = len(problem.objectives) > 1 or problem.measured_limits
    auto = PAIRED.get(beside, "pareto-gp" if own_kind else "gp")
    return _look_up("sampler", SAMPLERS, auto if wanted == "auto" else wanted)()


def pick_scheduler(problem: Problem, wanted: str | Scheduler = "auto") -> Scheduler:
    """A scheduler by name; an object is passed through.

    "auto" is freeze-thaw where there are rungs to judge at, ASHA if there are several objectives too, else full budgets.
    """
    if not isinstance(wanted, str):
        return wanted
    judged = "asha" if len(problem.objectives) > 1 else "freeze-thaw"
    auto = judged if len(problem.rungs) > 1 else "full"
    return _look_up("scheduler", SCHEDULERS, auto if wanted == "auto" else wanted)()


def _look_up(kind: str, table: Mapping[str, T], name: str) -> T:
    if name not in table:
        raise StudyError(f"no {kind} is called {name!r}; there are: auto, {', '.join(sorted(table))}")
    return table[name]
