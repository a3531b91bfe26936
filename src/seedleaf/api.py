"""The functions that people call for images and tables: `fit`, `resume`, `load`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seedleaf import __version__
from seedleaf.amounts import parse_bytes, parse_count, parse_milliseconds, parse_seconds
from seedleaf.data.spec import NO_TEST
from seedleaf.folder import new_folder
from seedleaf.job import ARRAYS, Job, WithTest, name_of, tradeoff_of
from seedleaf.learners.base import pinned
from seedleaf.result import Result
from seedleaf.run import begin
from seedleaf.run import resume as _resume
from seedleaf.views.view import View
from seedleaf.workers import at_least_one, default_workers


def fit(
    data: Any,
    *,
    time_limit: str | float = "10m",
    max_params: str | int | None = None,
    max_macs: str | int | None = None,
    max_latency: str | float | None = None,
    max_bytes: str | int | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    seed: int = 0,
    preset: str = "good",
    out: str | Path | None = None,
    learner: str = "convnet",
    sampler: str = "auto",
    scheduler: str = "auto",
    fidelity: str = "auto",
    tradeoff: str = "",
    inherit: bool = False,
    side: int | None = None,
    target: str | None = None,
    test: Any = None,
    group: str | None = None,
    order_by: str | None = None,
    keep: str | Sequence[str] | None = None,
    copies: str | None = None,
    positive: str | None = None,
    task: str | None = None,
    folds: int | None = None,
    metric: str | None = None,
    families: str | Sequence[str] | None = None,
    view: View | None = None,
    command: str = "seedleaf.fit(…)",
    began: float | None = None,
) -> Result:
    """Find, train, export and measure a light model within `time_limit` of wall time: of images, or of a table.

    `data`: "digits", a folder of class folders, an .npz, a folder of IDX files, the name of a torchvision set, or
    arrays (x, y). `max_params`, `max_macs`, `max_bytes` ("20k", 5_000_000; of the model's file) and `max_latency`
    (milliseconds for one image or row on one thread of this machine, as measured) are upper bounds that nothing returned
    breaks; of tables the last two are known. `fidelity` says what steps are spent on: "epochs", or at first a part of the
    "data", pictures of smaller "size", or "both" (docs/guide.md). With `inherit` new trials begin with the weights of near
    ones, the final training with those of its trial. With `tradeoff` "macs", "params" or "latency_ms" (of images alone) the
    whole front of error against that is searched for, not the least error alone. Pictures in folders are brought down
    to `side` pixels of the longer side, 8 to 512; without it to 64, and long ones to 128.

    A table is a CSV, TSV (also .gz) or Parquet file, or a pandas DataFrame; the eleven options from `target` on are for
    tables alone (docs/fitting-tables.md): the column to predict, test rows (a file or a DataFrame; "none": no row is held
    out), the column whose rows stay together, the column to split in the order of, columns that are not to be dropped,
    whether copies of rows are to "drop" or to "keep", which of two classes F1 and its like are of, "classification" or
    "regression", the number of folds, what to judge by, and the families of learners that are searched ("boosting,linear",
    or a list; without it all that come along). What is for images alone is refused for a table.

    `memory` ("2G", bytes; 70 % of what is free) is what the whole run may hold, its workers included: fewer workers are
    started where it is short, and a trial that goes over fails.

    The run lands in `out`, or the next free runs/<data>-<n>/. Raises DataError, LimitError,
    BudgetError, StudyError (options that mean nothing here or together), SpaceError (no such learner), each saying what to
    do.
    """
    from seedleaf.modality import check_new, modality_of

    began = time.time() if began is None else began
    asked = {"params": max_params, "macs": max_macs}
    limits = {k: float(parse_count(v)) for k, v in asked.items() if v is not None}
    if max_bytes is not None:
        limits["bytes"] = float(parse_bytes(max_bytes))
    if max_latency is not None:
        limits["latency_ms"] = parse_milliseconds(max_latency)
    given: dict[str, Any] = dict(
        target=target, test=test, group=group, order_by=order_by, task=task, folds=folds, metric=metric
    )
    if families is not None:
        asked_for = families.split(",") if isinstance(families, str) else families
        given["families"] = [name for each in asked_for if (name := str(each).strip())]
    if keep is not None:
        several = isinstance(keep, Iterable) and not isinstance(keep, str)
        given["keep"] = [str(name) for name in (keep if several else (keep,))]
    given |= {"copies": copies, "positive": None if positive is None else str(positive)}
    source = data
    if isinstance(test, os.PathLike) or (isinstance(test, str) and test != NO_TEST):
        given["test"] = str(Path(test).absolute())
    elif test is not None and not isinstance(test, str):
        given["test"], source = ARRAYS, WithTest(data, test)
    job = Job(
        data=name_of(data),
        time_limit=parse_seconds(time_limit),
        limits=limits,
        workers=at_least_one("workers", default_workers() if workers is None else workers),
        memory=None if memory is None else parse_bytes(memory),
        seed=int(seed),
        preset=preset,
        learner=pinned(learner),
        sampler=sampler,
        scheduler=scheduler,
        fidelity=fidelity,
        tradeoff=tradeoff_of(tradeoff),
        inherit=inherit,
        side=None if side is None else int(side),
        kind=modality_of(data).name,
        options={k: v for k, v in given.items() if v is not None},
        command=command,
        version=__version__,
    )
    job.check()
    check_new(job)
    return begin(new_folder(job.data, out), job, source, view, began)


def resume(run: str | Path, *, time_limit: str | float | None = None, view: View | None = None) -> Result:
    """Go on with a run that was cut off; with a larger `time_limit` also one that had finished."""
    from seedleaf.compressing.job import is_compression
    from seedleaf.compressing.run import resume as resume_compression

    go_on = resume_compression if is_compression(Path(run)) else _resume
    return go_on(Path(run), None if time_limit is None else parse_seconds(time_limit), view)


def load(run: str | Path) -> Result:
    """The result in a run's folder."""
    return Result.open(run)


__all__ = ["fit", "load", "resume"]
