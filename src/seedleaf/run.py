"""End to end: data and a limit in, a delivered model out. `carry_out` is the whole story; `resume` enters it again.

Every stage looks into the log first and does only what is missing there, so a run that was killed anywhere goes on.
"""

from __future__ import annotations

import math
import shlex
import shutil
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedleaf.amounts import format_seconds
from seedleaf.core import History
from seedleaf.crew import setup_of, share_memory, start_workers
from seedleaf.errors import RunError
from seedleaf.finish import Run, finish
from seedleaf.folder import (
    LOG,
    STUDY,
    NewFolder,
    beginning,
    hint_at_resume,
    new_folder,
    read_history,
    sole_driver,
    used_seconds,
)
from seedleaf.job import ARRAYS, Job
from seedleaf.modality import check_job, modality_named
from seedleaf.result import Result
from seedleaf.store import SqlStore
from seedleaf.views.view import SilentView, View
from seedleaf.workers import (
    default_workers,
    devices,
    memory_of_run,
    memory_per_worker,
    refit_threads,
    why_no_cuda,
)


def begin(
    new: NewFolder, job: Job, source: Any, view: View | None = None, began: float | None = None
) -> Result:
    """Carry a new job out. Where it comes to nothing before a trial was begun, its folder is left as it was found."""
    with beginning(new, job) as store:
        return _stages(new.path, job, source, view, began, store)


def carry_out(
    folder: Path, job: Job, source: Any, view: View | None = None, began: float | None = None
) -> Result:
    """Do, or go on with, `job` in `folder`; `source` is what its kind of data reads. `began` is when the clock started."""
    with sole_driver(folder), closing(SqlStore(folder / LOG)) as store:
        return _stages(folder, job, source, view, began, store)


def _stages(
    folder: Path, job: Job, source: Any, view: View | None, began: float | None, store: SqlStore
) -> Result:
    view = view or SilentView()
    began = time.time() if began is None else began
    with hint_at_resume(folder, store):
        history = History.fold(store.read(STUDY))
        if not history.header and (folder / "trials").exists():
            raise RunError(f"{folder / LOG} has lost its log, though there are trials: it cannot go on")
        if is_done(history, job):
            return handed_back(folder, job)
        check_job(job)  # what was installed when it was begun may not be now
        job.save(folder)
        used = used_seconds(history)
        deadline = began + job.time_limit - used
        memory = memory_of_run(job.memory)
        with closing(start_workers(folder, job, memory)) as executor:
            try:
                spec = prepare_data(folder, job, source, history)
                modality = modality_named(job.kind)
                setup = setup_of(folder, job, spec, history)
                executor.settings = replace(executor.settings, setup=setup, calls_until=deadline)
                workers, tight = share_memory(executor, job, memory, spec)
                study, kept = modality.open_study(store, history, job, spec, executor, deadline)
                study.note("session", began=began, used=used, time_limit=job.time_limit)
                view.start({"started": began - used, "time_limit": job.time_limit, "workers": workers})
                if tight:
                    view.message(f"memory    {tight}")
                if (why := why_no_cuda()) is not None:
                    view.message(f"noticed   {why}")
                for line in modality.describe(spec, study):
                    view.message(line)
                searched = time.time()
                until = modality.search_until(study, job, deadline - kept)
                tidy = modality.tidy(study, folder / "trials")

                def watch(history: History) -> None:
                    tidy(history)
                    view.update(history, time.time(), "search")

                reason = study.run(executor, until, watch)
                study.note("search", reason=reason, seconds=time.time() - searched)
                run = Run(
                    folder,
                    workers,
                    setup,
                    spec,
                    modality,
                    study,
                    executor,
                    view,
                    refit_threads(workers),
                    memory,
                )
                finish(run, deadline - kept, deadline)
                study.note("done")
            finally:
                view.stop()
    for name in ("cache", "refit"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return Result.open(folder)


def handed_back(folder: Path, job: Job) -> Result:
    """What a run that is done has delivered. RunError where that has been spoilt since, and says how it is made anew."""
    try:
        result = Result.open(folder)
        _ = result.predictor
        return result
    except RunError as error:
        what = str(error).partition(": seedleaf resume")[0].partition(" (try: seedleaf resume")[0]
        more = format_seconds(1.5 * job.time_limit)
        raise RunError(
            f"{folder} is done, but what it delivered is not whole any more ({what}); with more time it is "
            f"made anew: seedleaf resume {shlex.quote(str(folder))} --time {more}"
        ) from None


def is_done(history: History, job: Job) -> bool:
    """Whether the last session came to its end, and no more time is given now than it had."""
    last = next((n for n in reversed(history.notes) if n.get("name") in ("session", "done")), {})
    limit = (history.note("session") or {}).get("time_limit", math.inf)
    return last.get("name") == "done" and job.time_limit <= float(limit)


def prepare_data(folder: Path, job: Job, source: Any, history: History) -> Any:
    """The data mapped into cache/, read anew where an earlier session had removed it; RunError where it differs."""
    cache = folder / "cache"
    gone = "fitted" if job.data == ARRAYS else "tested" if job.options.get("test") == ARRAYS else ""
    if gone and isinstance(source, str) and not (cache / "spec.json").exists():
        raise RunError(f"{folder} was {gone} on arrays, which are gone: it cannot go on; fit again")
    known = (history.note("data") or {}).get("spec")
    return modality_named(job.kind).prepare(cache, job, source, known)


def resume(
    folder: Path | str, time_limit: float | None = None, view: View | None = None, began: float | None = None
) -> Result:
    """Go on with a run that was cut off; with `time_limit` (its new total) also one that had finished."""
    folder = Path(folder)
    job = Job.load(folder)
    if time_limit is not None:
        job = replace(job, time_limit=time_limit)
    job.check()
    return carry_out(folder, job, job.data, view, began)


__all__ = [
    "ARRAYS",
    "Job",
    "begin",
    "carry_out",
    "default_workers",
    "devices",
    "memory_per_worker",
    "new_folder",
    "read_history",
    "resume",
    "sole_driver",
    "used_seconds",
]
