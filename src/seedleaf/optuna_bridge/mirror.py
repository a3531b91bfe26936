"""A run in Optuna's journal, one way: for optuna-dashboard and everything else that reads Optuna studies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from seedleaf.core import Config, History, Limit, Objective, Trial
from seedleaf.errors import SpaceError
from seedleaf.optuna_bridge.trials import constraints_of, directions, frozen, state_of, values_of
from seedleaf.space import Node, Space
from seedleaf.space.convert.configspace import names_of
from seedleaf.space.convert.optuna import distribution_of

OPEN = (TrialState.RUNNING, TrialState.WAITING)


def mirror(history: History, path: str | Path, name: str = "seedleaf") -> JournalStorage:
    """Bring the study `name` in the journal file at `path` up to the history; the storage, to be served.

    Only what is new is written, so a dashboard that reads the file sees the run go on. A trial that Optuna has for
    finished and that went on since cannot be changed there: the study is then written anew.
    """
    if not history.header:
        raise SpaceError("the history is empty: there is no study to mirror")
    storage = JournalStorage(JournalFileBackend(str(path)))
    mirrored = _Mirror(storage, history, name)
    if mirrored.is_stale():
        storage.delete_study(mirrored.id)
        mirrored = _Mirror(storage, history, name)
    mirrored.write()
    return storage


class _Mirror:
    def __init__(self, storage: JournalStorage, history: History, name: str) -> None:
        header = history.header
        self.storage, self.history = storage, history
        self.space = Space.from_json(header["space"])
        self.names = names_of(self.space)
        self.objectives = tuple(
            Objective(o["metric"], o["direction"], o.get("tie")) for o in header["objectives"]
        )
        self.limits = tuple(Limit(x["metric"], x["at_most"]) for x in header.get("limits") or ())
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                directions=directions(self.objectives),
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(verbosity)
        self.id = storage.get_study_id_from_name(name)
        self.there: Mapping[int, FrozenTrial] = {t.number: t for t in self.study.get_trials(deepcopy=False)}

    def is_stale(self) -> bool:
        """Does the journal hold trials that the history no longer agrees with?"""
        for number, old in self.there.items():
            trial = self.history.trials.get(number)
            if trial is None or old.user_attrs.get("config") != trial.config:
                return True
            grown = trial.step > max(old.intermediate_values, default=trial.step)
            if old.state not in OPEN and (self._frozen(trial).state is not old.state or grown):
                return True
        return False

    def write(self) -> None:
        storage = self.storage
        for key, value in self._study_attrs().items():
            if self.study.user_attrs.get(key) != value:
                self.study.set_user_attr(key, value)
        for number, trial in self.history.trials.items():
            new = self._frozen(trial)
            old = self.there.get(number)
            if old is None:
                storage.create_new_trial(self.id, template_trial=new)
            elif old.state in OPEN:
                self._update(old, new)

    def _update(self, old: FrozenTrial, new: FrozenTrial) -> None:
        where = self.storage.get_trial_id_from_study_id_trial_number(self.id, old.number)
        for step, value in new.intermediate_values.items():
            if step not in old.intermediate_values:
                self.storage.set_trial_intermediate_value(where, step, value)
        for key, value in new.user_attrs.items():
            if old.user_attrs.get(key) != value:
                self.storage.set_trial_user_attr(where, key, value)
        for key, value in new.system_attrs.items():
            if old.system_attrs.get(key) != value:
                self.storage.set_trial_system_attr(where, key, value)
        if new.state is not old.state:
            self.storage.set_trial_state_values(where, new.state, new.values)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        params, known = self._params(trial.config)
        state = state_of(trial, self.history, len(self.objectives) == 1)
        made = frozen(
            state,
            self.objectives,
            trial,
            params,
            known,
            constraints=constraints_of(self.limits, trial.metrics) or None,
            user_attrs=self._attrs(trial),
        )
        if trial.started_at:
            made.datetime_start = datetime.fromtimestamp(trial.started_at)
        if made.state not in OPEN:
            made.datetime_complete = datetime.fromtimestamp(trial.ended_at or trial.started_at)
        return made

    def _params(self, config: Config) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        params: dict[str, Any] = {}
        known: dict[str, BaseDistribution] = {}
        for node in self.space.active(config):
            name, value = self.names[node.id], config[node.key]
            known[name], params[name] = _shown(name, node, value)
        return params, known

    def _attrs(self, trial: Trial) -> dict[str, Any]:
        """What a person wants to see beside the values."""
        found: dict[str, Any] = {
            "config": dict(trial.config),
            "state": str(trial.state),
            "step": trial.step,
            "seconds": round(trial.seconds, 3),
            **{
                f"metric:{k}": v
                for k, v in trial.metrics.items()
                if values_of((Objective(k),), trial.metrics)
            },
        }
        if trial.reason:
            found["reason"] = trial.reason
        return found if trial.parent is None else {**found, "parent": trial.parent}

    def _study_attrs(self) -> dict[str, Any]:
        header = self.history.header
        keys = ("fidelity", "limits", "seed", "sampler", "scheduler", "objectives")
        shown = {k: header[k] for k in keys if header.get(k) is not None}
        return shown if self.history.finished is None else {**shown, "finished": self.history.finished}


def _shown(name: str, node: Node, value: Any) -> tuple[BaseDistribution, Any]:
    """The distribution and the value as Optuna may hold them; texts where it would take two options for one."""
    try:
        return distribution_of(name, node.param), value
    except SpaceError:
        options = getattr(node.param, "options", (value,))
        return CategoricalDistribution([repr(o) for o in options]), repr(value)
