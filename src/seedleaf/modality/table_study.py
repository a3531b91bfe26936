"""The study of a run on a table: folds as steps, a ladder of defaults first, then the search over all learners."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedleaf import __version__
from seedleaf.core import FOLD, Fidelity, History
from seedleaf.errors import RunError, SpaceError, StudyError, first_line
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import STUDY
from seedleaf.job import Job
from seedleaf.learners.tables.registry import FAMILY_KEYS, begun_with, default_of, ladder, portfolio, small
from seedleaf.learners.tables.source import open_source
from seedleaf.modality.table_beside import kept_seconds
from seedleaf.modality.table_choice import REFIT_SHARE
from seedleaf.modality.table_limits import check_reachable
from seedleaf.modality.table_spec import TableSpec, baseline, note_of
from seedleaf.planning import run_note
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.timing import QUICK_START
from seedleaf.tuner.portfolio import PortfolioSampler
from seedleaf.tuner.racing import RacingScheduler
from seedleaf.tuner.tpe import TpeSampler

DELIVERY = 2.0  # seconds of an idle machine: joining, checking, measuring, the report
MOST_DELIVERY = 0.2  # of the time: on a machine that is slow to start, a model late is better than none
FIT_SHARE = 0.4  # of the search, for one config on all folds: boosting cut off after a few trees misleads more than it saves
LADDER_SHARE = 0.3  # of the search, for one fold of a default: where that is cut, it is grown on in the end
SHORTEST_FIT = 1.5  # seconds


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
            fidelity=Fidelity(FOLD, 1, spec.folds, eta=2),
            limits=dict(job.limits),
            seed=job.seed,
            sampler=PortfolioSampler(first, TpeSampler()) if job.sampler == "auto" else job.sampler,
            scheduler=RacingScheduler(kin=FAMILY_KEYS)
            if job.scheduler in ("auto", RacingScheduler.name)
            else job.scheduler,
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
        study.note("data", spec=note_of(spec, source.y_train))
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
