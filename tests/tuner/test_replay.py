"""Deciding is pure: every prefix of a log gives the decision that follows it, and a hidden random source is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from problems import PAIRS, RUNGS, SPACE, drive, replay

from seedleaf.core import Config, Decision, Event, History
from seedleaf.space import Problem
from seedleaf.study import Study
from seedleaf.tuner.base import Sampler, Scheduler
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS


def logged(
    sampler: str | Sampler, scheduler: str | Scheduler, store: Path | None = None, asks: int = 60
) -> tuple[Study, list[Event]]:
    study = Study(SPACE, fidelity=RUNGS, seed=3, sampler=sampler, scheduler=scheduler, store=store)
    study.enqueue({"optimizer": "sgd"}, budget=3)
    drive(study, asks)
    return study, study.store.read(study.name)


@pytest.mark.parametrize(("sampler", "scheduler"), PAIRS)
def test_every_decision_follows_from_the_log_before_it(sampler: str, scheduler: str, tmp_path: Path) -> None:
    study, log = logged(sampler, scheduler, tmp_path / "study.db")
    kinds = {e.kind for e in log}
    assert {"start", "resume", "fail", "release"} <= kinds, "the log must hold the hard cases"
    assert len(study.history.trials) > 15
    fresh = SAMPLERS[sampler](), SCHEDULERS[scheduler]()
    assert replay(study.problem, fresh[1], fresh[0], log) == []


def test_failures_change_what_is_decided() -> None:
    """The control for the test above: were failures not folded in, it would pass without saying anything."""
    study, log = logged("tpe", "asha")
    first = next(i for i, e in enumerate(log) if e.kind == "fail")
    cut = list(log[:first]) + [
        Event(e.seq, e.at, "note" if e.kind in ("fail", "release") else e.kind, e.body) for e in log[first:]
    ]
    assert replay(study.problem, SCHEDULERS["asha"](), SAMPLERS["tpe"](), cut)


# --- planted hidden random sources: the check must catch each of them ---


@dataclass(frozen=True)
class GlobalState:
    """Draws from numpy's global state."""

    name: ClassVar[str] = "global"
    cites: ClassVar[str] = ""

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        return problem.space.sample(np.random.default_rng(np.random.randint(2**31)))  # noqa: NPY002


@dataclass(frozen=True)
class Counter:
    """Counts its own calls."""

    calls: list[int] = field(default_factory=list)
    name: ClassVar[str] = "counter"
    cites: ClassVar[str] = ""

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        self.calls.append(1)
        return problem.space.sample(np.random.default_rng(len(self.calls)))


@dataclass(frozen=True)
class Forgetful:
    """Keeps in the memo what a fold does not bring back."""

    name: ClassVar[str] = "forgetful"
    cites: ClassVar[str] = ""

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        history.memo["n"] = history.memo.get("n", 0) + 1
        return problem.space.sample(np.random.default_rng(history.memo["n"]))


@dataclass(frozen=True)
class Moody:
    """A scheduler that flips a coin of its own between full budgets and successive halving."""

    name: ClassVar[str] = "moody"
    cites: ClassVar[str] = ""

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        kind = "full" if np.random.random() < 0.5 else "asha"  # noqa: NPY002
        return SCHEDULERS[kind]().propose(problem, history, sampler, rng)


@pytest.mark.parametrize("planted", [GlobalState, Counter, Forgetful])
def test_a_sampler_with_a_hidden_source_is_caught(planted: Callable[[], Sampler]) -> None:
    study, log = logged(planted(), "asha", asks=20)
    assert len(replay(study.problem, SCHEDULERS["asha"](), planted(), log)) >= 5


def test_a_scheduler_with_a_hidden_source_is_caught() -> None:
    study, log = logged("random", Moody(), asks=40)
    assert replay(study.problem, Moody(), SAMPLERS["random"](), log)
