"""A model that exists in, one that is physically smaller and measurably faster out: `compress` is the whole story.

The original is only read. Which passes, in which order and how far is searched by the same study that tunes everything else.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf import __version__
from seedleaf.amounts import parse_bytes, parse_count, parse_milliseconds, parse_seconds
from seedleaf.compressing.finish import Compressing, finish
from seedleaf.compressing.given import folder_of, own_data, told_of_test
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.late import resumable
from seedleaf.compressing.plan import INT8, begin, describe, open_study, plan, planned_before, probe
from seedleaf.core import History
from seedleaf.errors import DataError, RunError
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import (
    LOG,
    STUDY,
    beginning,
    hint_at_resume,
    new_folder,
    sole_driver,
    used_seconds,
)
from seedleaf.job import name_of, tradeoff_of
from seedleaf.result import Result
from seedleaf.store import SqlStore
from seedleaf.views.view import SilentView, View
from seedleaf.workers import default_workers, devices, memory_per_worker

LOOKING = 0.15  # of the search: the time for first looks at recipes

if TYPE_CHECKING:
    from torch import nn


def compress(
    model: str | Path | Result | nn.Module,
    data: Any = None,
    *,
    speedup: float | None = None,
    max_params: str | int | None = None,
    max_macs: str | int | None = None,
    max_latency: str | float | None = None,
    max_bytes: str | int | None = None,
    max_drop: float = 0.5,
    time_limit: str | float = "10m",
    int8: str = "auto",
    tradeoff: str = "",
    max_trials: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    workers: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    view: View | None = None,
    command: str = "",
    began: float | None = None,
) -> Result:
    """Prune, decompose, quantise and distil `model` until it keeps the bounds, and hand back the most accurate way.

    `model` is a run (its Result or folder), one of its front (RUN/front/NAME), or any torch module that takes float images
    (N, C, H, W), pixels in 0..1 less `mean` over `std` per channel, and gives logits (N, classes). `data` is what
    `seedleaf.fit` takes; a run's own where it is left out.
    Bounds: `speedup` over the original as ONNX Runtime measures it, `max_latency` (ms an image: 0.5 or "0.5ms"),
    `max_params`, `max_macs`, `max_bytes`. `max_drop` (percent points of accuracy) is what the verdict holds the result
    against. `int8`: "auto" (searched where a bound gains by it), "always", "never". With `tradeoff` "latency_ms" (or
    "latency"), "params", "macs" or "bytes" the whole front of error against that is searched, from the bounds on, and other
    networks of it are delivered to front/.
    `max_trials` ends the search early.
    Raises DataError, LimitError (with what could be reached), BudgetError, RunError, StudyError (no such option).
    """
    began = time.time() if began is None else began
    counts = {"params": max_params, "macs": max_macs}
    at_most = {k: float(parse_count(v)) for k, v in counts.items() if v is not None}
    if max_bytes is not None:
        at_most["bytes"] = float(parse_bytes(max_bytes))
    if max_latency is not None:
        at_most["latency_ms"] = parse_milliseconds(max_latency)
    count = default_workers() if workers is None else int(workers)
    if count < 1:
        raise ValueError(f"workers must be a whole number of at least 1, got {workers}")
    model = folder_of(model)
    what = str(Path(model).absolute()) if isinstance(model, str | Path) else type(model).__name__
    job = CompressJob(
        model=what,
        data=name_of(data) if data is not None else "",
        time_limit=parse_seconds(time_limit),
        speedup=None if speedup is None else float(speedup),
        at_most=at_most,
        max_drop=float(max_drop),
        int8=int8,
        tradeoff=tradeoff_of(tradeoff),
        max_trials=max_trials,
        workers=count,
        seed=int(seed),
        command=command,
        version=__version__,
        mean=_numbers(mean),
        std=_numbers(std),
    )
    job.check()
    mine = own_data(model)
    source = mine if data is None else data
    if source is None:
        raise RunError("give the data that the model was trained for")
    if isinstance(model, str | Path):
        from seedleaf.compressing.early import check_bounds

        check_bounds(Path(model), job)
    job = replace(job, data=name_of(source))
    job = replace(job, command=command or job.again())
    new = new_folder(f"{Path(job.data).stem}-compressed", out)
    with beginning(new, job) as store:
        return _stages(new.path, job, model, source, (job.mean, job.std), view or SilentView(), began, store)


def _taken(model: Any) -> Any:
    from seedleaf.compressing.model_source import take_module, take_run

    return take_run(Path(model)) if isinstance(model, str | Path) else take_module(model)


def resume(
    folder: Path, time_limit: float | None = None, view: View | None = None, began: float | None = None
) -> Result:
    """Go on with a compression of a run that was cut off; with `time_limit` (its new total) also one that had finished.

    One that is done and gets no more time is handed back. RunError where it was a module's, which is nowhere but in the
    process that gave it, or its run is gone.
    """
    began = time.time() if began is None else began
    job = CompressJob.load(folder)
    job = replace(job, time_limit=job.time_limit if time_limit is None else time_limit)
    job.check()
    view = view or SilentView()
    with sole_driver(folder), closing(SqlStore(folder / LOG)) as store:
        history = History.fold(store.read(STUDY))
        if is_done(history, job.time_limit):
            more = "; it goes on with a larger --time" if resumable(job) else ""
            view.message(f"finished  {folder} is done{more}")
            return Result.open(folder)
        if not resumable(job):
            raise _nothing_to_read(folder, job, is_done(history, 0.0))
        if history.note("original") is None:
            raise RunError(f"{folder} was cut off before its search began: run it again: {job.again()}")
        job.save(folder)
        return _stages(folder, job, job.model, job.data, (job.mean, job.std), view, began, store)


def _nothing_to_read(folder: Path, job: CompressJob, done: bool) -> RunError:
    """Why a compression cannot go on: what it began with is nowhere, or no longer where it was."""
    first = f"{folder} is done, and for more time it needs what it began with: " if done else ""
    if job.of_run and not Path(job.model).is_dir():
        return RunError(
            f"{first}the run {job.model} is gone, which {folder} is a compression of: put it back, or compress another"
        )
    gone = "arrays" if job.of_run else "a module"
    return RunError(
        f"{first}{folder} is a compression of {gone}, which nobody has kept: run it again: {job.again()}"
    )


def _numbers(given: Any) -> list[float] | None:
    """`mean` or `std` as plain numbers. DataError where they are none."""
    try:
        return None if given is None else [float(v) for v in given]
    except (TypeError, ValueError):
        raise DataError(f"mean and std need one number per channel, got {given!r}") from None


def is_done(history: History, time_limit: float) -> bool:
    """Whether the last session came to its end, and no more time is given now than it had."""
    last = next((n for n in reversed(history.notes) if n.get("name") in ("session", "done")), {})
    limit = (history.note("session") or {}).get("time_limit", math.inf)
    return last.get("name") == "done" and time_limit <= float(limit)


def _stages(
    folder: Path,
    job: CompressJob,
    model: Any,
    source: Any,
    scaling: Any,
    view: View,
    began: float,
    store: SqlStore,
) -> Result:
    """Look at the original, plan, search, train the winner beside its control, deliver. What the log knows is not redone."""
    from seedleaf.compressing.model_source import Reading
    from seedleaf.data.mapped import save_mapped

    history = History.fold(store.read(STUDY))
    began -= used_seconds(history)
    deadline = began + job.time_limit
    with closing(_workers(folder, job)) as executor, hint_at_resume(folder, store):
        try:  # the workers import torch while the model is being read
            taken = _taken(model)
            read = taken.read or Reading(job.seed)
            data = read.images(source)
            save_mapped(data, folder / "cache")
            original = folder / "original"
            original.mkdir(exist_ok=True)
            place = {"data": str((folder / "cache").resolve()), "seed": job.seed, "int8": INT8[job.int8]}
            setup = {**taken.place(original, data, scaling), **place}
            view.start({"started": began, "time_limit": job.time_limit, "workers": job.workers})
            found = probe(executor, setup, min(0.12 * job.time_limit, 40.0))
            planned = planned_before(history)
            if planned is None:
                left, spent = deadline - time.time(), time.time() - began
                planned = plan(job, found, data.spec, left, spent, executor.start_seconds)
            setup |= {"targets": dict(planned.targets), "on": found["on"], "tradeoff": job.tradeoff}
            executor.settings = replace(executor.settings, setup=setup)
            study = open_study(store, job, found, planned, data.spec, read)
            used = used_seconds(history)
            study.note("session", began=began + used, used=used, time_limit=job.time_limit)
            for line in describe(data.spec, found, planned, study):
                view.message(line)
            if of_test := told_of_test(job, data.spec):
                view.message(f"noticed   {of_test}")
            searched = time.time()
            search_end = deadline - planned.delivery - planned.refit - planned.front
            if study.history.note("default") is None:
                begin(study, executor, planned, setup, searched + LOOKING * (search_end - searched))

            def until(history: History) -> str | None:
                return "time" if time.time() >= search_end else None

            reason = study.run(executor, until, lambda h: view.update(h, time.time(), "search"))
            study.note("search", reason=reason, seconds=time.time() - searched)
            run = Compressing(folder, job, setup, data.spec, study, executor, view, found, began, of_test)
            finish(run, deadline - planned.delivery - planned.front, deadline - planned.delivery)
            study.note("done")
        finally:
            view.stop()
    for name in ("cache", "refit", "original"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return Result.open(folder)


def _workers(folder: Path, job: CompressJob) -> LocalExecutor:
    settings = Settings(
        function="seedleaf.compression.trial:run",
        seed=job.seed,
        folder=str((folder / "trials").resolve()),
        setup={},
        preload=("seedleaf.compression.analyse", "seedleaf.compression.trial"),
        patience=max(120.0, 0.3 * job.time_limit),
        memory=memory_per_worker(job.workers),
    )
    return LocalExecutor(settings, job.workers, devices(), log_folder=folder / "workers")


__all__ = ["CompressJob", "compress", "resume"]
