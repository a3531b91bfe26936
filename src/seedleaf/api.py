"""The functions that people call: `fit`, `resume`, `load` for images and tables; `tune` for any training function."""

from __future__ import annotations

import base64
import importlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf import __version__
from seedleaf.core import Config, Fidelity, History, Trial
from seedleaf.errors import StudyError
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import new_folder, sole_driver
from seedleaf.job import Job, name_of
from seedleaf.learners.base import pinned
from seedleaf.machine import cores
from seedleaf.result import Result, trials_frame
from seedleaf.run import begin
from seedleaf.run import resume as _resume
from seedleaf.space import Space
from seedleaf.space.problem import Costs, no_costs
from seedleaf.study import Study
from seedleaf.timing import parse_bytes, parse_count, parse_milliseconds, parse_seconds
from seedleaf.tuner.base import Sampler, Scheduler
from seedleaf.view import SilentView, View
from seedleaf.workers import default_workers, devices, memory_per_worker, why_no_cuda

if TYPE_CHECKING:
    import pandas as pd


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
    target: str | None = None,
    test: str | Path | None = None,
    group: str | None = None,
    order_by: str | None = None,
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
    ones, the final training with those of its trial. With `tradeoff` "macs" or "params" the whole front of error against
    that is searched for, not the least error alone.

    A table is a CSV, TSV (also .gz) or Parquet file, or a pandas DataFrame; the eight options from `target` on are for
    tables alone (docs/fitting-tables.md): the column to predict, a file of test rows (or "none": no row is held out),
    the column whose rows stay together, the column to split in the order of, "classification" or "regression", the number of
    folds, what to judge by, and the families of learners that are searched ("boosting,linear", or a list; without it
    all that come along).

    `memory` ("2G", bytes; 70 % of what is free) is what the whole run may hold, its workers included: fewer workers are
    started where it is short, and a trial that goes over fails.

    The run lands in `out`, or the next free runs/<data>-<n>/. Raises DataError, LimitError,
    BudgetError, each saying what to do.
    """
    from seedleaf.modality import modality_of

    began = time.time() if began is None else began
    asked = {"params": max_params, "macs": max_macs, "bytes": max_bytes}
    limits = {k: float(parse_count(v)) for k, v in asked.items() if v is not None}
    if max_latency is not None:
        limits["latency_ms"] = parse_milliseconds(max_latency)
    given: dict[str, Any] = dict(
        target=target, test=test, group=group, order_by=order_by, task=task, folds=folds, metric=metric
    )
    if families is not None:
        asked_for = families.split(",") if isinstance(families, str) else families
        given["families"] = [name for each in asked_for if (name := str(each).strip())]
    if test is not None and test != "none":  # see data/tables/load.py
        given["test"] = str(Path(str(test)).absolute())
    modality = modality_of(data)
    job = Job(
        data=name_of(data),
        time_limit=parse_seconds(time_limit),
        limits=limits,
        workers=_positive("workers", default_workers() if workers is None else workers),
        memory=None if memory is None else parse_bytes(memory),
        seed=int(seed),
        preset=preset,
        learner=pinned(learner),
        sampler=sampler,
        scheduler=scheduler,
        fidelity=fidelity,
        tradeoff=tradeoff,
        inherit=inherit,
        kind=modality.name,
        options={k: v for k, v in given.items() if v is not None},
        command=command,
        version=__version__,
    )
    job.check()
    modality.check(job)
    return begin(new_folder(job.data, out), job, data, view, began)


def resume(run: str | Path, *, time_limit: str | float | None = None, view: View | None = None) -> Result:
    """Go on with a run that was cut off; with a larger `time_limit` also one that had finished."""
    from seedleaf.compress_job import is_compression
    from seedleaf.compressing import resume as resume_compression

    go_on = resume_compression if is_compression(Path(run)) else _resume
    return go_on(Path(run), None if time_limit is None else parse_seconds(time_limit), view)


def load(run: str | Path) -> Result:
    """The result in a run's folder."""
    return Result.open(run)


@dataclass(frozen=True)
class TuneResult:
    """What `tune` found. `best.config` and `best.metrics` are the incumbent's; `trials` is a pandas frame."""

    study: Study
    reason: str

    @property
    def best(self) -> Trial:
        if self.study.best is None:
            what = "keeps the limits" if self.study.problem.measured_limits else "has been measured"
            raise StudyError(f"no trial {what} ({self.reason})")
        return self.study.best

    @property
    def front(self) -> list[Trial]:
        """With several objectives: the fully trained trials that no other beats in all of them."""
        return self.study.front

    @property
    def trials(self) -> pd.DataFrame:
        return trials_frame(self.study.trials)


def tune(
    train: Callable[..., Any] | str,
    space: Space | Mapping[str, object],
    *,
    fidelity: Fidelity | None = None,
    time_limit: str | float | None = None,
    max_trials: int | None = None,
    by_time: bool = False,
    minimize: str | Sequence[str] | None = None,
    maximize: str | Sequence[str] | None = None,
    limits: Mapping[str, float] | None = None,
    costs: Costs = no_costs,
    start_with: Config | None = None,
    workers: int | None = None,
    seed: int = 0,
    sampler: str | Sampler = "auto",
    scheduler: str | Scheduler = "auto",
    step_timeout: str | float = "1h",
    out: str | Path | None = None,
    view: View | None = None,
) -> TuneResult:
    """Tune anyone's own training function, on warm worker processes.

    `train(config, ctx)` yields one mapping of metrics per step, from ctx.start + 1 to ctx.stop, and saves what it needs
    to go on in ctx.folder before it yields; without `fidelity` it may simply return a number or a mapping, and take
    `config` alone. `out` keeps the study (a later call with the same `out` goes on); else nothing stays. `by_time` spends
    seconds in place of steps (docs/tuning.md). RunError while another call works in `out`. One of `time_limit` and
    `max_trials` (the total) is needed unless the space is finite.
    """
    problem_space = space if isinstance(space, Space) else Space(space)
    if time_limit is None and max_trials is None and problem_space.size is None:
        raise StudyError("the space is infinite: give time_limit or max_trials")
    end = None if time_limit is None else time.time() + parse_seconds(time_limit)
    count = _positive("workers", cores() if workers is None else workers)
    function, patience = _by_name_or_value(train), parse_seconds(step_timeout)
    folder = _folder(out)
    watcher = view or SilentView()

    def until(history: History) -> str | None:
        return "time" if end is not None and time.time() >= end else None

    try:
        # Trial folders and workers belong to one call; it takes over what an earlier one that was killed left running.
        with sole_driver(folder):
            study = Study(
                problem_space,
                minimize=minimize,
                maximize=maximize,
                fidelity=fidelity,
                limits=limits,
                costs=costs,
                max_trials=max_trials,
                by_time=by_time,
                seed=seed,
                sampler=sampler,
                scheduler=scheduler,
                store=None if out is None else folder / "study.db",
                name="tune",
                take_over=True,
            )
            try:
                if start_with is not None and not study.trials:
                    study.enqueue(start_with)
                settings = Settings(
                    **function,
                    seed=seed,
                    folder=str((folder / "trials").resolve()),
                    setup={"metric": study.problem.objectives[0].metric},
                    patience=patience,
                    memory=memory_per_worker(count),
                )
                started = LocalExecutor(
                    settings, count, devices(), folder / "workers", keeps_log=out is not None
                )
                with closing(started) as executor:
                    watcher.start({"workers": count})
                    if (why := why_no_cuda()) is not None:
                        watcher.message(why)
                    reason = study.run(executor, until, lambda h: watcher.update(h, time.time(), "search"))
                    return TuneResult(study, reason)
            finally:
                watcher.stop()
                study.store.close()  # it opens again if need be; until then no write-ahead log lies beside it
    finally:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(out: str | Path | None) -> Path:
    """Where a study lies: `out`, made where it is not there yet, or a folder for this call alone."""
    if out is None:
        return Path(tempfile.mkdtemp(prefix="seedleaf-"))
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{out} cannot hold a study: {error.strerror or error}") from None
    return Path(out)


def _by_name_or_value(train: Callable[..., Any] | str) -> dict[str, Any]:
    """How workers get the function: by "module:name" where they can import it, else by value."""
    if isinstance(train, str):
        return {"function": train}
    if not callable(train):
        raise StudyError(f"train must be a function or 'module:name', got {type(train).__name__}")
    module, name = getattr(train, "__module__", None), getattr(train, "__qualname__", "")
    if module and module != "__main__" and "<" not in name:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is train:
            return {"function": f"{module}:{name}"}
    import cloudpickle

    text = base64.b64encode(cloudpickle.dumps(train)).decode("ascii")
    return {"function": f"{module}:{name}", "pickled": text}


def _positive(what: str, value: int) -> int:
    if int(value) != value or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, got {value}")
    return int(value)


__all__ = ["TuneResult", "fit", "load", "resume", "tune"]
