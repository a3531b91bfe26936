"""What the report knows of a study: the History and its notes, read once into frozen rows. Any note may be absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedleaf.core import (
    FOLD,
    Body,
    Config,
    Fidelity,
    History,
    Limit,
    Objective,
    State,
    Trial,
    best_logged,
    keeps_logged_limits,
    objectives_of,
    order,
    out_of_reach,
)
from seedleaf.errors import SpaceError
from seedleaf.space import Space

Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. `value` is the objective at its last step (NaN where unknown), `order` its place among the others.

    `keeps`: within the limits, as far as the log tells.
    """

    id: int
    state: State
    config: Config
    step: int
    curve: Curve
    value: float
    order: tuple[float, int, int]
    keeps: bool
    metrics: Mapping[str, float]
    seconds: float
    reason: str
    started: float
    ended: float
    step_times: tuple[float, ...]  # seconds since the epoch
    out_of_reach: bool  # failed only because its config cannot keep the bounds

    @property
    def scored(self) -> bool:
        return self.state is not State.FAILED and math.isfinite(self.order[0])

    def metric(self, name: str) -> float:
        return self.metrics.get(name, math.nan)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page and the leaderboard draw on. Absent notes are empty mappings, absent trials None."""

    title: str
    objectives: tuple[Objective, ...]
    rows: tuple[Row, ...]
    space: Space | None
    fidelity: Fidelity | None
    limits: tuple[Limit, ...]
    header: Body
    notes: Mapping[str, Body]
    winner: Row | None
    default: Row | None
    finished: str | None

    @property
    def objective(self) -> Objective:
        return self.objectives[0]

    def note(self, name: str) -> Body:
        return self.notes.get(name, {})

    @property
    def scored(self) -> list[Row]:
        """Trials that did not fail and have a finite objective, best first; those that break a limit come last. Means over
        fewer folds are no match for means over more."""
        folds = self.steps_name == FOLD
        return sorted(
            (r for r in self.rows if r.scored), key=lambda r: (not r.keeps, -r.step * folds, r.order)
        )

    @property
    def steps_name(self) -> str:
        return self.fidelity.name if self.fidelity else "step"

    @property
    def started(self) -> float:
        """When the run began, seconds since the epoch; 0 where nothing ran."""
        first = min((r.started for r in self.rows if r.started), default=0.0)
        told = number(self.note("run"), "started")
        return told if math.isfinite(told) and (not first or told <= first) else first

    def role(self, row: Row) -> str:
        """ "winner", "default" or ""."""
        if self.winner is not None and row.id == self.winner.id:
            return "winner"
        return "default" if self.default is not None and row.id == self.default.id else ""


def read(history: History) -> Facts:
    """The facts of a study in any state, from an empty log to a finished run."""
    header = history.header
    names = (
        "data",
        "run",
        "plan",
        "baseline",
        "default",
        "final",
        "verdict",
        "shares",
        "front",
        "importance",
        "memory",
    )
    notes = {n: note for n in names if (note := history.note(n)) is not None}
    objectives = objectives_of(history)
    rows = tuple(_row(t, objectives[0], keeps_logged_limits(history, t)) for t in history.trials.values())
    by_id = {r.id: r for r in rows}
    best = best_logged(history)
    spec = notes.get("data", {}).get("spec") or {}
    return Facts(
        title=str(spec.get("name") or header.get("name") or "study"),
        objectives=objectives,
        rows=rows,
        space=_space(header),
        fidelity=_fidelity(header),
        limits=tuple(Limit(str(x["metric"]), float(x["at_most"])) for x in header.get("limits") or ()),
        header=header,
        notes=notes,
        winner=by_id.get(notes.get("final", {}).get("trial", -1 if best is None else best.id)),
        default=by_id.get(notes.get("default", {}).get("trial", -1)),
        finished=history.finished,
    )


def number(body: Mapping[str, Any], *path: str) -> float:
    """The number at `path` of nested notes; NaN where any part is missing or no number."""
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return math.nan


def name_of(entry: object) -> str:
    """The name of a sampler or scheduler as the header holds it: a string, or a mapping with a name."""
    if isinstance(entry, Mapping):
        return str(entry.get("name", ""))
    return "" if entry is None else str(entry)


def _space(header: Body) -> Space | None:
    try:
        return Space.from_json(header["space"]) if header.get("space") else None
    except (SpaceError, KeyError, TypeError):  # a log of a newer version may hold kinds unknown here
        return None


def _fidelity(header: Body) -> Fidelity | None:
    body = header.get("fidelity")
    if not body:
        return None
    return Fidelity(str(body["name"]), int(body["low"]), int(body["high"]), int(body.get("eta", 3)))


def _row(trial: Trial, objective: Objective, keeps: bool) -> Row:
    metrics = trial.metrics
    return Row(
        id=trial.id,
        state=trial.state,
        config=trial.config,
        step=trial.step,
        curve=tuple((m.step, m.metrics.get(objective.metric, math.nan)) for m in trial.measurements),
        value=metrics.get(objective.metric, math.nan),
        order=order(objective, trial),
        keeps=keeps,
        metrics=metrics,
        seconds=trial.seconds,
        reason=trial.reason,
        started=trial.started_at,
        ended=trial.ended_at,
        step_times=tuple(m.at for m in trial.measurements),
        out_of_reach=out_of_reach(trial),
    )
