"""Who stands beside the best: trials that no other beats, and the winner itself made narrower."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.core import Config, Objective, State, Trial
from seedleaf.data.spec import ImageSpec
from seedleaf.job import LATENCY
from seedleaf.learners.base import Learner
from seedleaf.tuner.pareto import pareto_front
from seedleaf.tuner.spread import spread

MEMBERS = 5  # beside the best: what a person looks at, and what a few seconds measure
LEAST = 0.1  # a network that is less accurate must be lighter by this share to be worth a folder
NARROWER = (0.5, 0.7, 0.35)  # shares of the winner's widths, the most wanted first
# What a member gives accuracy away for: in one of them it must be lighter.
SIZE = ("macs", "params")
SPEED = (LATENCY,)


@dataclass(frozen=True)
class Member:
    """A network of the front: a trial's, or (`share` < 1) the winner's with its widths cut to that share."""

    trial: Trial
    config: Config
    share: float = 1.0

    @property
    def name(self) -> str:
        """Its folder: 0007, or 0007-w50 at half of the widths."""
        return f"{self.trial.id:04d}" + (f"-w{100 * self.share:.0f}" if self.share < 1 else "")

    @property
    def error(self) -> float | None:
        """On the validation part; None for a network that was no trial."""
        return self.trial.metrics["error"] if self.share == 1 else None


def given_for(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """What the front of a study gives accuracy away for: latency where that is searched against, else size."""
    return SPEED if any(o.metric == LATENCY for o in objectives[1:]) else SIZE


def pick(
    trials: Iterable[Trial],
    best: Trial,
    worst: float,
    members: int = MEMBERS,
    costs: Sequence[str] = SIZE,
) -> list[Member]:
    """Of the trials that no other beats in validation error and all `costs` at once, those that stand for all of them,
    first the one that adds most; without `best` and without any whose error is above `worst`."""
    able = [
        t
        for t in trials
        if t.id == best.id
        or (t.state is not State.FAILED and t.measurements and t.metrics.get("error", math.inf) <= worst)
    ]
    costly = [t for t in able if {"error", *costs} <= t.metrics.keys()]
    if best not in costly:
        return []
    points = np.array([[t.metrics[k] for k in ("error", *costs)] for t in costly])
    on = np.flatnonzero(pareto_front(points))
    worth = _worth(best, sorted((costly[i] for i in on), key=lambda t: (t.metrics["error"], t.id)), costs)
    if not worth:
        return []
    values = np.array([[t.metrics["error"], *(math.log(t.metrics[k]) for k in costs)] for t in worth])
    return [Member(worth[i], worth[i].config) for i in spread(values, [t.id for t in worth])][:members]


def _worth(best: Trial, others: Sequence[Trial], by: Sequence[str]) -> list[Trial]:
    """Of `others`, the most accurate first, those that save LEAST of one of the costs of each one before them."""
    kept = [best]
    for trial in others:
        if all(_lighter(trial.metrics, t.metrics, by) for t in kept):
            kept.append(trial)
    return kept[1:]


def _lighter(one: Mapping[str, float], other: Mapping[str, float], by: Sequence[str]) -> bool:
    return any(one[k] <= (1 - LEAST) * other[k] for k in by)


def narrower(learner: Learner, spec: ImageSpec, best: Trial, by: Sequence[str] = SIZE) -> list[Member]:
    """The winner with its widths cut, each lighter by more than LEAST than the next wider one."""
    kept = [(1.0, learner.costs(spec, best.config))]
    found = []
    for share in NARROWER:
        config = learner.narrowed(spec, best.config, share)
        costs = learner.costs(spec, config)
        wider = [known for s, known in kept if s > share]
        slimmer = [known for s, known in kept if s < share]
        if all(_lighter(costs, k, by) for k in wider) and all(_lighter(k, costs, by) for k in slimmer):
            kept.append((share, costs))
            found.append(Member(best, config, share))
    return found


def milliseconds(row: Mapping[str, Any]) -> float:
    """The measured median of a row of the front."""
    return float(row[LATENCY]["median"])


def fitting(needs: Mapping[str, float], seconds: float, workers: int) -> list[str]:
    """Those of `needs` (seconds each, the first one first) that `workers` can do side by side within `seconds`."""
    loads = [0.0] * workers
    chosen = []
    for name, need in needs.items():
        lightest = loads.index(min(loads))
        if loads[lightest] + need <= seconds:
            loads[lightest] += need
            chosen.append(name)
    return chosen
