"""The study of a run on a table: folds as steps, a ladder of defaults first, then the search over all learners."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seedleaf import __version__
from seedleaf.core import Fidelity, History, State, Trial
from seedleaf.data.tables import TableSchema
from seedleaf.errors import RunError, SpaceError, StudyError, first_line
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import STUDY
from seedleaf.job import Job
from seedleaf.learners.tables.categories import MOST_COLUMNS
from seedleaf.learners.tables.metrics import Metric, metric_for
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import (
    begun_with,
    default_of,
    families_of,
    ladder,
    portfolio,
    small,
    split_config,
)
from seedleaf.learners.tables.source import open_source
from seedleaf.modality.table_beside import kept_seconds
from seedleaf.modality.table_limits import beyond, check_reachable
from seedleaf.modality.table_parts import refit_seconds
from seedleaf.planning import run_note
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.timing import QUICK_START
from seedleaf.tuner.base import best_trial
from seedleaf.tuner.constraints import keeps_limits
from seedleaf.tuner.portfolio import PortfolioSampler
from seedleaf.tuner.racing import clearly_behind
from seedleaf.tuner.tpe import TpeSampler

DELIVERY = 2.0  # seconds of an idle machine: joining, checking, measuring, the report
MOST_DELIVERY = 0.2  # of the time: on a machine that is slow to start, a model late is better than none
BLENDED, BLENDING = 3, 0.5  # of them come into the file, mostly; seconds that choosing them takes
LOOKED_AT = 24  # of the best trials, when a few are blended
REFIT_SHARE = 0.15  # of the time, at most, for the winner's fit on all rows
FIT_SHARE = 0.4  # of the search, for one config on all folds: boosting cut off after a few trees misleads more than it saves
LADDER_SHARE = 0.3  # of the search, for one fold of a default: where that is cut, it is grown on in the end
SHORTEST_FIT = 1.5  # seconds
IMPORTED = 330 * 2**20  # bytes of a worker that has torch and scikit-learn
WIDE = 24  # bytes for each number of a fit's matrix: float64 as made, joined, as a learner wants it
GRACE = 10.0  # seconds for the first result, on a machine that is slow to start


@dataclass(frozen=True)
class TableSpec:
    """A table as the driver knows it; the rows lie in the run's cache."""

    schema: TableSchema
    kind: Kind
    folds: int
    metric: str = "auto"

    @property
    def goal(self) -> Metric:
        return metric_for(self.schema.target.task, self.metric)


def worker_bytes(spec: TableSpec) -> int:
    """What a worker should hold: what it imports, the table, and the matrices that a fit makes of its rows."""
    kind = spec.kind
    levels = sum(min(len(c.levels), MOST_COLUMNS) for c in spec.schema.used if c.kind == "category")
    width = (1 + kind.has_missing) * kind.n_numbers + levels + 64 * kind.n_texts
    stored = 8 * kind.n_numbers + 4 * kind.n_categories + 200 * kind.n_texts + 16 * spec.folds
    return IMPORTED + kind.n_rows * (2 * stored + WIDE * width)


def pace(spec: TableSpec, deadline: float, steps: int) -> Mapping[str, Any]:
    """What trials are told of time: when the search ends, and how long one fit may take, or one of the ladder's `steps`."""
    left = deadline - time.time()
    search = max((1 - REFIT_SHARE) * (left - DELIVERY), 1.0)
    return {
        "deadline": time.time() + search,
        "fit_seconds": max(FIT_SHARE * search / spec.folds, SHORTEST_FIT),
        "ladder_seconds": max(LADDER_SHARE * search, SHORTEST_FIT),
        "ladder": list(range(steps)),
    }


def open_study(
    store: SqlStore, job: Job, spec: TableSpec, executor: LocalExecutor, deadline: float
) -> tuple[Study, float]:
    """The run's study, with the ladder queued when it is new; and the seconds to keep for delivery."""
    header, goal = History.fold(store.read(STUDY)).header, spec.goal
    try:
        # A run from before goes on in the space that it was begun in, whatever has been added to it since.
        space = begun_with(header.get("space", {}), spec.kind, job.options.get("families", ()))
        first = (*(small(space) if "bytes" in job.limits else ()), *portfolio(space))
        study = Study(
            space,
            minimize=goal.name if goal.direction == "min" else None,
            maximize=goal.name if goal.direction == "max" else None,
            fidelity=Fidelity("fold", 1, spec.folds, eta=2),
            limits=dict(job.limits),
            seed=job.seed,
            sampler=PortfolioSampler(first, TpeSampler()) if job.sampler == "auto" else job.sampler,
            scheduler="racing" if job.scheduler == "auto" else job.scheduler,
            store=store,
            name=STUDY,
            take_over=True,
        )
    except (SpaceError, StudyError) as error:
        if not header:
            raise
        why, then = first_line(error).partition("; give it")[0], job.version or "of another version"
        raise RunError(
            f"the run on {job.data} was begun by seedleaf {then} in a way that {__version__} cannot go on with ({why}): "
            "fit again"
        ) from None
    first_steps = ladder(space)
    told = {**executor.settings.setup, **pace(spec, deadline, len(first_steps))}
    executor.settings = replace(executor.settings, setup=told)
    if study.history.note("plan") is None:
        study.note("run", **run_note(job))
        source = open_source(str(executor.settings.setup["data"]))
        check_reachable(job.limits, source)
        study.note("data", spec=_note(spec, source.y_train))
        study.note("baseline", **baseline(spec, source.y_train))
        study.note("plan", folds=spec.folds, delivery=DELIVERY)
    if study.history.note("default") is None:
        known = [t.id for t in study.trials if t.given]
        for config in list(first_steps.values())[len(known) :]:
            known.append(study.enqueue(config, budget=1))  # all of them once before one goes on
        study.note("default", trial=known[list(first_steps).index(default_of(space))])
    # A machine on which workers start slowly, busy or small, delivers as slowly.
    slow = min(max(executor.start_seconds / QUICK_START, 1.0), 4.0)
    delivery = min(DELIVERY * slow, MOST_DELIVERY * job.time_limit)
    return study, delivery + kept_seconds(job.time_limit)


def _note(spec: TableSpec, y: Any) -> dict[str, Any]:
    """What log and report keep of the data: names and counts, no cell."""
    schema = spec.schema
    counts = (
        np.bincount(y[y >= 0], minlength=len(schema.target.classes)).tolist() if spec.kind.n_classes else []
    )
    return {
        "kind": "table",
        "name": schema.name.replace("\\", "/").rsplit("/", 1)[-1],
        "fingerprint": schema.fingerprint,
        "target": schema.target.name,
        "task": schema.target.task,
        "class_names": list(schema.target.classes),
        "counts": counts,
        "n_train": schema.n_train,
        "n_test": schema.n_test,
        "columns": {c.name: c.kind for c in schema.used},
        "dropped": {c.name: c.dropped for c in schema.columns if c.dropped},
        "findings": [
            f"{f.column + ': ' if f.column else ''}{f.message}; {f.action}" for f in schema.findings[:50]
        ],
    }


def baseline(spec: TableSpec, y: Any) -> dict[str, Any]:
    """What the best answer that is the same for every row would give, on the training rows."""
    goal, target = spec.goal, spec.schema.target
    if not target.classes:
        middle = float(np.median(y)) if goal.name in ("mae", "mape") else float(y.mean())
        return {goal.name: goal.score(y, np.full(len(y), middle)), "what": f"always {middle:.4g}"}
    counts = np.bincount(y, minlength=len(target.classes))
    if goal.labels:  # the best class to say of every row need not be the commonest one
        sign = 1.0 if goal.direction == "max" else -1.0
        said = np.eye(len(counts))
        scores = [sign * goal.score(y, np.broadcast_to(one, (len(y), len(counts)))) for one in said]
        k = max(range(len(counts)), key=lambda i: (scores[i], counts[i]))
        return {goal.name: sign * scores[k], "what": f"always {target.classes[k]!r}"}
    shares = np.tile(counts / counts.sum(), (len(y), 1))
    return {goal.name: goal.score(y, shares), "what": f"always {target.classes[int(counts.argmax())]!r}"}


def winner_of(study: Study) -> Trial | None:
    """The best of the trials judged on all folds, unless one that was cut off is clearly better on those it had."""
    problem, history = study.problem, study.history
    best = best_trial(problem, history, history.completed())
    if best is None:
        return study.best
    cut = [t for t in history.in_state(State.PAUSED) if clearly_behind(problem, history, best, t)]
    return best_trial(problem, history, cut) or best


def candidates(study: Study, winner: Trial) -> list[Trial]:
    """The winner, and the next best of those judged on as many folds or more."""
    return [winner, *_others(study, winner)[: LOOKED_AT - 1]]


def plainer(study: Study, winner: Trial, known: Sequence[Trial]) -> list[Trial]:
    """Of each family that is plainer than the winner's the best that was judged on as many folds, of those not `known`."""
    seen, most = {t.id for t in known}, split_config(winner.config)[0].plainness
    best: dict[str, Trial] = {}
    for trial in _others(study, winner):
        family = split_config(trial.config)[0]
        if family.plainness < most:
            best.setdefault(family.name, trial)
    return [t for t in best.values() if t.id not in seen]


def _others(study: Study, winner: Trial) -> list[Trial]:
    """The trials beside the winner that were judged on as many folds or more and keep the limits, the best first."""
    others = [t for t in study.trials if t.id != winner.id and t.step >= winner.step]
    others = [t for t in others if t.state is not State.FAILED and keeps_limits(study.problem, t)]
    return sorted(others, key=lambda t: (_loss_at(study, t, winner.step), t.id))


def _loss_at(study: Study, trial: Trial, step: int) -> float:
    """The objective of a trial over its first `step` folds."""
    metrics = study.history.at(step).get(trial.id)
    return math.inf if metrics is None else study.problem.objectives[0].loss(metrics)


def hopeless(study: Study, seconds: float) -> bool:
    """Can none of what has been begun be judged on all folds within `seconds`? Told once each default has had its first."""
    history, full = study.history, study.problem.full
    if history.completed() or not all(
        t.step or t.state is State.FAILED for t in history.trials.values() if t.given
    ):
        return False
    able = [t for t in history.trials.values() if t.step and t.state is not State.FAILED]
    return bool(able) and all(_fold_seconds(t) * (full - t.step) > seconds for t in able)


def _fold_seconds(trial: Trial) -> float:
    return max((m.seconds for m in trial.measurements), default=0.0)


def search_until(study: Study, end: float, workers: int = 1) -> Callable[[History], str | None]:
    """When the search ends: what fits of the best config and of those beside it need, on all rows, is kept before `end`."""
    begun = time.time()
    in_turn = math.ceil(BLENDED / workers)
    longest = max(REFIT_SHARE * (end - begun), 0.5)

    def until(history: History) -> str | None:
        now = time.time()
        if now < end - longest:
            # Folds that cannot be brought to an end are worth less than the time for growing the best on all rows.
            return "time, for one fold each" if hopeless(study, end - longest - now) else None
        best = winner_of(study)
        if best is None:  # a model that comes late is better than none, but not after twice the time
            late = not beyond(study) and now < end + (end - begun) + GRACE
            return None if late or now < end else "time"
        needed = min(in_turn * refit_seconds(best, study.problem.full) + BLENDING, longest)
        return "time" if now >= end - needed else None

    return until


def describe(spec: TableSpec, study: Study) -> list[str]:
    """The data as understood, the trivial baseline and what is searched, in at most four lines."""
    schema, kind = spec.schema, spec.kind
    chosen = schema.notes.get("target", "")
    task = schema.target.task if not kind.n_classes else f"{kind.n_classes} classes"
    parts = ((kind.n_numbers, "numbers"), (kind.n_categories, "categories"), (kind.n_texts, "texts"))
    tested = f"{schema.n_test:,}" if schema.n_test else "no"
    lines = [
        f"data      {schema.name}: {schema.n_train:,} training and {tested} test rows, "
        + ", ".join(f"{n} {what}" for n, what in parts if n),
        f"target    {schema.target.name}{f' ({chosen})' if chosen else ''}, {task}; "
        f"{len(schema.findings)} findings{', first: ' + schema.findings[0].message if schema.findings else ''}",
    ]
    base, goal = study.history.note("baseline") or {}, spec.goal
    lines.append(f"baseline  {base.get('what')}: {goal.name} {base.get(goal.name, float('nan')):.4g}")
    space = study.problem.space
    lines.append(
        f"search    {', '.join(families_of(space))}: {len(space)} parameters, {study.sampler.name} + "
        f"{study.scheduler.name}, {spec.folds} folds, {goal.name}"
    )
    return lines


def failed(history: History) -> str:
    """Why nothing was measured."""
    reasons = [t.reason for t in history.in_state(State.FAILED) if t.reason]
    return reasons[0] if reasons else "no config was measured in the time given"
