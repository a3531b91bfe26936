"""seedleaf's samplers for people who stay in Optuna."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from seedleaf.core import Body, Config, Event, Fidelity, History, Objective
from seedleaf.errors import LimitError, SpaceError, SpaceExhausted
from seedleaf.seeds import rng_for
from seedleaf.space import Problem, Space
from seedleaf.space.convert.optuna import param_of
from seedleaf.tuner.base import Sampler
from seedleaf.tuner.registry import pick_sampler

Spaces = dict[str, BaseDistribution]


class SeedleafSampler(BaseSampler):
    """`optuna.create_study(sampler=SeedleafSampler(seed=0))`, for objectives that define their space by running.

    Parameters that every trial has are sampled together by `sampler` (a name of the registry or a Sampler); one that
    only some have is sampled by itself, from the trials that have it. Pruned trials count at the steps they reached.
    A seeded study that is resumed does not repeat itself: the stream follows the trial's number.
    """

    def __init__(self, sampler: str | Sampler = "tpe", *, seed: int | None = None) -> None:
        self.sampler = sampler
        self._seed = _fresh_seed() if seed is None else int(seed)
        self._common = IntersectionSearchSpace(include_pruned=True)
        self._folds: dict[str, _Fold] = {}
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def reseed_rng(self) -> None:
        self._seed = _fresh_seed()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Spaces:
        with self._lock:
            found = self._common.calculate(study)
        return {name: dist for name, dist in found.items() if not dist.single() and _is_ours(name, dist)}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Spaces) -> dict[str, Any]:
        return self._propose(study, trial, search_space) if search_space else {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if not _is_ours(param_name, param_distribution):
            n = len(param_distribution.choices)  # type: ignore[attr-defined]  # all others are ours
            at = int(rng_for(self._seed, "independent", trial.number, param_name).integers(n))
            return param_distribution.choices[at]  # type: ignore[attr-defined]
        return self._propose(study, trial, {param_name: param_distribution})[param_name]

    def _propose(self, study: Study, trial: FrozenTrial, spaces: Spaces) -> dict[str, Any]:
        key = f"{study.study_name}:{sorted((n, repr(d)) for n, d in spaces.items())}"
        with self._lock:
            fold = self._folds.get(key)
            if fold is None or fold.study != study._study_id:
                fold = self._folds[key] = _Fold(study, spaces, self._seed)
            fold.read(study.get_trials(deepcopy=False), trial.number)
            rng = rng_for(self._seed, "propose", trial.number, *spaces)
            return fold.named(fold.propose(self.sampler, rng))


class _Fold:
    """The trials of an Optuna study that have the parameters of one search space, as a history that grows."""

    def __init__(self, study: Study, spaces: Spaces, seed: int) -> None:
        self.study = study._study_id
        self.spaces = spaces
        self.names = {f"p{i}": name for i, name in enumerate(spaces)}  # Optuna's names may hold anything
        self.objectives = tuple(
            Objective(f"value {i}", "max" if d is StudyDirection.MAXIMIZE else "min")
            for i, d in enumerate(study.directions)
        )
        self.space = Space({p: param_of(name, spaces[name]) for p, name in self.names.items()})
        self.seed = seed
        self.full = 1
        self._restart()

    def _restart(self) -> None:
        self.history = History()
        self.ids: dict[int, int] = {}  # Optuna's number -> our trial
        self.ended: set[int] = set()
        self._apply("study", {"fidelity": {"high": self.full}})

    def _apply(self, kind: str, body: Body) -> None:
        self.history.apply(Event(self.history.seq + 1, 0.0, kind, body))

    def read(self, trials: Iterable[FrozenTrial], asking: int) -> None:
        """Fold in what is new; the trial that is being asked for is left out."""
        mine = [t for t in trials if t.number != asking and t.number not in self.ended and self._has(t)]
        full = max((_last_step(t) for t in mine), default=0)
        if full > self.full:  # a full training is longer than was known: complete trials stand higher
            self.full = full
            self._restart()
            mine = [t for t in trials if t.number != asking and self._has(t)]
        for trial in mine:
            if trial.number not in self.ids:
                self.ids[trial.number] = self.history.next_trial
                body = {"trial": self.history.next_trial, "config": self._config(trial), "budget": self.full}
                self._apply("start", body)
            if trial.state.is_finished():
                self._finish(trial)

    def _has(self, trial: FrozenTrial) -> bool:
        if not all(name in trial.params for name in self.names.values()):
            return False
        return self.space.contains(self._config(trial))

    def _config(self, trial: FrozenTrial) -> Config:
        return {p: _plain(trial.params[name]) for p, name in self.names.items()}

    def _finish(self, trial: FrozenTrial) -> None:
        self.ended.add(trial.number)
        at = {"trial": self.ids[trial.number]}
        steps: dict[int, list[float]] = {}
        if len(self.objectives) == 1:
            curve = trial.intermediate_values.items()
            steps = {k + 1: [v] for k, v in curve if 0 <= k < self.full and math.isfinite(v)}
        if trial.state is TrialState.COMPLETE and trial.values is not None:
            steps[self.full] = list(trial.values)
        for step, values in sorted(steps.items()):
            metrics = {o.metric: v for o, v in zip(self.objectives, values, strict=True)}
            self._apply("measure", {**at, "step": step, "metrics": metrics})
        if not steps:
            self._apply("fail", {**at, "reason": str(trial.state.name)})
        elif self.full not in steps:
            self._apply("stop", {**at, "reason": "pruned"})

    def propose(self, wanted: str | Sampler, rng: np.random.Generator) -> Config:
        fidelity = Fidelity("step", 1, self.full) if self.full > 1 else None
        problem = Problem(self.space, self.objectives, fidelity=fidelity, seed=self.seed)
        if self.space.size is not None:
            self.history.seen.clear()  # in Optuna a config may come again, and in few it must
        try:
            return pick_sampler(problem, wanted).propose(problem, self.history, rng)
        except (SpaceExhausted, LimitError):
            return self.space.sample(rng)

    def named(self, config: Config) -> dict[str, Any]:
        """The config under Optuna's names, its options as Optuna holds them."""
        return {name: config[p] for p, name in self.names.items()}


def _last_step(trial: FrozenTrial) -> int:
    """Where its curve ends, counted from 1; Optuna's steps begin at 0."""
    return max(trial.intermediate_values, default=-1) + 1


def _is_ours(name: str, dist: BaseDistribution) -> bool:
    """Can seedleaf sample it? Options that are no plain values it leaves to chance."""
    try:
        param_of(name, dist)
    except SpaceError:
        return False
    return True


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
