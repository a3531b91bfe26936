"""`Problem`: Space + Objectives + Limits + Fidelity + seed, all that a scheduler may know beside the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from seedleaf.core import Config, Fidelity, Limit, Objective
from seedleaf.errors import LimitError, SpaceError
from seedleaf.space.space import Space

Costs = Callable[[Config], Mapping[str, float]]
Kinship = Callable[[Config, Config], float]


def no_costs(config: Config) -> Mapping[str, float]:
    """The costs of a problem whose configs cost nothing that can be known beforehand."""
    return {}


@dataclass(frozen=True)
class Problem:
    """`costs(config)` gives what is known before any training (params, MACs); pure and fast.

    `anchor` is a config that keeps every limit, where the caller knows one: samplers fall back towards it.
    `max_trials` counts all trials of the study, resumed runs included. `by_time` says that the budget is time, so that
    seconds are spent and not steps. `kinship(child, parent)`, pure and fast, is the share of a child's weights that a
    parent's checkpoint has; with it new trials begin with those of a near relative (`Start.parent`).
    """

    space: Space
    objectives: tuple[Objective, ...] = (Objective("error"),)
    limits: tuple[Limit, ...] = ()
    fidelity: Fidelity | None = None
    seed: int = 0
    costs: Costs = field(default=no_costs, compare=False)
    anchor: Config | None = None
    max_trials: int | None = None
    by_time: bool = False
    kinship: Kinship | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.fidelity is not None and not isinstance(self.fidelity, Fidelity):
            raise SpaceError(f'fidelity must be as Fidelity("epoch", 1, 27), got {self.fidelity!r}')

    @property
    def full(self) -> int:
        """Steps of a full training."""
        return self.fidelity.high if self.fidelity else 1

    @property
    def rungs(self) -> tuple[int, ...]:
        return self.fidelity.rungs if self.fidelity else (1,)

    @cached_property
    def measured_limits(self) -> tuple[Limit, ...]:
        """The limits that `costs` says nothing of: they are held against what the trials report at every step."""
        if not self.limits:
            return ()
        known = self.costs(self.anchor or self.space.default())
        return tuple(x for x in self.limits if x.metric not in known)

    def feasible(self, config: Config) -> bool:
        """Is `config` clear of what the space forbids, and within every limit that can be known before training?"""
        if not self.space.allowed(config):
            return False
        if not self.limits:
            return True
        costs = self.costs(config)
        for limit in self.limits:
            if limit.metric not in costs and limit not in self.measured_limits:
                given = ", ".join(costs) or "nothing"
                raise LimitError(
                    f"costs(config) gives {limit.metric!r} for some configs; here it gives {given}"
                )
        return all(costs.get(limit.metric, limit.at_most) <= limit.at_most for limit in self.limits)

    def to_json(self) -> dict[str, Any]:
        f = self.fidelity
        return {
            "space": self.space.to_json(),
            "objectives": [
                {"metric": o.metric, "direction": o.direction, "tie": o.tie} for o in self.objectives
            ],
            "limits": [{"metric": x.metric, "at_most": x.at_most} for x in self.limits],
            "fidelity": {"name": f.name, "low": f.low, "high": f.high, "eta": f.eta} if f else None,
            "seed": self.seed,
            "max_trials": self.max_trials,
            "by_time": self.by_time,
        }
