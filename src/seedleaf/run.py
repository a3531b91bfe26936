"""End to end: data and a limit in, a delivered model out. `carry_out` is the whole story; `resume` enters it again.

Every stage looks into the log first and does only what is missing there, so a run that was killed anywhere goes on.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from seedleaf.core import Fidelity, History, Limit
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.errors import BudgetError, RunError, SeedleafError, StudyError, StudyFailed
from seedleaf.executors.base import OWN_DEVICE, Returned, Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.finish import Run, finish
from seedleaf.learners.base import Learner, learner_named
from seedleaf.result import Result
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.timing import (
    PRESETS,
    SHORTEST,
    cores,
    delivery_seconds,
    format_seconds,
    plan_time,
    refit_step_seconds,
    refit_steps,
)
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS
from seedleaf.view import SilentView, View

STUDY = "fit"
ARRAYS = "arrays"  # what stands for the data of a run that was given arrays and no path
# Networks that take much longer than the default would eat the search: without a limit on MACs this is the limit.
MACS_OVER_DEFAULT = 2.5


@dataclass(frozen=True)
class Job:
    """What was asked for; kept as run.json in the run's folder."""

    data: str
    time_limit: float
    limits: Mapping[str, float] = field(default_factory=dict)
    workers: int = 1
    seed: int = 0
    preset: str = "good"
    learner: str = "convnet"
    sampler: str = "auto"
    scheduler: str = "auto"
    command: str = ""
    version: str = ""

    def save(self, folder: Path) -> None:
        partial = folder / ".run.json.part"
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / "run.json")

    @classmethod
    def load(cls, folder: Path) -> Job:
        try:
            body = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            known = {k: v for k, v in body.items() if k in cls.__dataclass_fields__}
            limits = {str(k): float(v) for k, v in known.pop("limits", {}).items()}
            time_limit, workers = float(known.pop("time_limit")), int(known.pop("workers"))
            return cls(**known, time_limit=time_limit, workers=workers, limits=limits)
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{folder} is not a run's folder: it holds no run.json") from None
        except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            raise RunError(f"{folder / 'run.json'} cannot be read: {error!r}") from None

    def check(self) -> None:
        """StudyError or BudgetError where no run can come of it, before anything is written or started."""
        for kind, name, known in (
            ("preset", self.preset, PRESETS),
            ("sampler", self.sampler, {"auto": None, **SAMPLERS}),
            ("scheduler", self.scheduler, {"auto": None, **SCHEDULERS}),
        ):
            if name not in known:
                raise StudyError(f"no {kind} is called {name!r}; there are: {', '.join(known)}")
        if self.seed < 0:
            raise StudyError(f"the seed must be 0 or more, got {self.seed}")
        if self.time_limit < SHORTEST:
            raise BudgetError(
                f"--time {format_seconds(self.time_limit)} is too short; give at least {SHORTEST:.0f}s"
            )


def new_folder(data_name: str, out: str | Path | None = None, root: str | Path = "runs") -> Path:
    """`out`, which must not exist yet or be empty, or the next free runs/<data>-<n>/."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} exists already: runs never overwrite; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = re.sub(r"[^\w-]+", "-", Path(data_name).stem.lower()).strip("-")[:40] or "data"
    for n in range(1, 100_000):
        folder = Path(root) / f"{name}-{n}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RunError(f"{root} holds too many runs of {name}")


def begin(
    folder: Path, job: Job, source: Any, view: View | None = None, began: float | None = None
) -> Result:
    """Carry a new job out. Where it comes to nothing before there is a log, `folder` is left as if never touched."""
    try:
        job.save(folder)
        return carry_out(folder, job, source, view, began)
    except (SeedleafError, ValueError, OSError) as error:
        # The logs of workers that could not start are what the message points to.
        if not has_log(folder) and not isinstance(error, StudyError):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def carry_out(
    folder: Path, job: Job, source: Any, view: View | None = None, began: float | None = None
) -> Result:
    """Do, or go on with, `job` in `folder`; `source` is what load_images takes. `began` is when the clock started."""
    view = view or SilentView()
    began = time.time() if began is None else began
    with sole_driver(folder), hint_at_resume(folder), closing(SqlStore(folder / "study.db")) as store:
        history = History.fold(store.read(STUDY))
        if not history.header and (folder / "trials").exists():
            raise RunError(
                f"{folder / 'study.db'} has lost its log, though there are trials: it cannot go on"
            )
        if is_done(history, job):
            return Result.open(folder)
        job.save(folder)
        used = used_seconds(history)
        deadline = began + job.time_limit - used
        with closing(start_workers(folder, job)) as executor:
            try:
                spec = prepare_data(folder, job, source, history)
                learner = learner_named(job.learner)
                study, delivery = open_study(store, history, job, spec, learner, executor, deadline)
                study.note("session", began=began, used=used, time_limit=job.time_limit)
                view.start({"started": began - used, "workers": job.workers})
                for line in describe(spec, study):
                    view.message(line)
                searched = time.time()
                until = search_until(study, job, deadline - delivery)
                reason = study.run(executor, until, lambda h: view.update(h, time.time(), "search"))
                study.note("search", reason=reason, seconds=time.time() - searched)
                finish(
                    Run(
                        folder,
                        job.workers,
                        setup_of(folder, job),
                        spec,
                        learner,
                        study,
                        executor,
                        view,
                        refit_threads(job.workers),
                    ),
                    deadline - delivery,
                )
                study.note("done")
            finally:
                view.stop()
    for name in ("cache", "refit"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return Result.open(folder)


def is_done(history: History, job: Job) -> bool:
    """Whether the last session came to its end, and no more time is given now than it had."""
    last = next((n for n in reversed(history.notes) if n.get("name") in ("session", "done")), {})
    limit = (history.note("session") or {}).get("time_limit", math.inf)
    return last.get("name") == "done" and job.time_limit <= float(limit)


def has_log(folder: Path) -> bool:
    """Whether a study has begun in `folder`."""
    try:
        return bool(read_history(folder).header)
    except SeedleafError:
        return False


@contextmanager
def sole_driver(folder: Path) -> Iterator[None]:
    """Keep a second driver out of `folder`: it would take this one's trials over. The lock dies with the process."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"{folder} is not a run's folder: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder} is being worked on by another process; wait for it or end it") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(lock)


@contextmanager
def hint_at_resume(folder: Path) -> Iterator[None]:
    """Say with whatever cuts a run off how it goes on."""
    try:
        yield
    except (KeyboardInterrupt, StudyError, OSError) as error:
        if not isinstance(error, StudyFailed) and has_log(folder):
            error.add_note(f"go on with: seedleaf resume {shlex.quote(str(folder))}")
        raise


def read_history(folder: Path | str) -> History:
    """The fold of a run's log, as far as it has come. RunError where the folder holds none."""
    path = Path(folder) / "study.db"
    if not path.exists():
        raise RunError(f"{folder} is not a run's folder: it holds no study.db")
    store = SqlStore(path)
    try:
        return History.fold(store.read(STUDY))
    finally:
        store.close()


def used_seconds(history: History) -> float:
    """Wall time that earlier sessions of this run took, each until its last event."""
    session = history.note("session")
    return float(session["used"] + history.updated - session["began"]) if session else 0.0


# --- workers and data ---


def setup_of(folder: Path, job: Job) -> dict[str, Any]:
    """What every trial is told: where the images lie, how they are split, which learner."""
    return {"data": str((folder / "cache").resolve()), "learner": job.learner, "seed": job.seed}


def start_workers(folder: Path, job: Job) -> LocalExecutor:
    """Warm workers that import torch while the data is still being read."""
    settings = Settings(
        function="seedleaf.learners.trial:run",
        seed=job.seed,
        folder=str((folder / "trials").resolve()),
        setup=setup_of(folder, job),
        preload=("seedleaf.learners.trial",),
        patience=max(60.0, 0.2 * job.time_limit),
        memory=memory_per_worker(job.workers),
    )
    return LocalExecutor(settings, job.workers, devices(), log_folder=folder / "workers")


def devices() -> Sequence[str]:
    """The CUDA devices that the driver sees, without importing torch; the CPU where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ("cpu",)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:  # torch counts those before the first that is none
        named = list(itertools.takewhile(lambda d: d.strip() not in ("", "-1"), visible.split(",")))
        return tuple(f"cuda:{i}" for i in range(len(named))) or ("cpu",)
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ("cpu",)
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(f"cuda:{i}" for i in range(len(found))) or ("cpu",)


def refit_threads(workers: int) -> int:
    """Threads of the refit, while no other worker trains; a GPU has no use for them."""
    return workers if devices() == ("cpu",) else 1


def default_workers() -> int:
    """One per CUDA device, else one per core."""
    found = devices()
    return cores() if found == ("cpu",) else len(found)


def memory_per_worker(workers: int) -> int | None:
    """85 % of what is free now, shared; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(0.85 * 1024 * int(rows["MemAvailable"].split()[0]) / max(workers, 1))
    except (OSError, KeyError, ValueError):
        return None


def prepare_data(folder: Path, job: Job, source: Any, history: History) -> ImageSpec:
    """The images mapped into cache/, read anew where an earlier session had removed them; RunError where they differ."""
    from seedleaf.data.images import load_images
    from seedleaf.data.mapped import open_mapped, save_mapped

    cache = folder / "cache"
    if (cache / "spec.json").exists():
        return open_mapped(cache).spec
    if job.data == ARRAYS and source == ARRAYS:
        raise RunError(f"{folder} was fitted on arrays, which are gone: it cannot go on; fit again")
    data: ImageData = source if isinstance(source, ImageData) else load_images(source, seed=job.seed)
    known = history.note("data")
    if known and known["spec"].get("fingerprint") != data.spec.fingerprint:
        raise RunError(f"{job.data} is not what {folder} was fitted on: the images have changed; fit again")
    save_mapped(data, cache)
    return data.spec


# --- the study ---


def open_study(
    store: SqlStore,
    history: History,
    job: Job,
    spec: ImageSpec,
    learner: Learner,
    executor: LocalExecutor,
    deadline: float,
) -> tuple[Study, float]:
    """The run's study, planned by a throughput probe when it is new; and the seconds to keep for delivery."""
    asked = tuple(Limit(k, v) for k, v in job.limits.items())
    default = learner.default(spec, asked)
    known = history.note("plan")
    if known is None:
        epoch = probe(executor, job, default)
        delivery = delivery_seconds(spec.n_test, spec.n_train, epoch, executor.start_seconds)
        left = deadline - time.time()
        plan = plan_time(left, job.workers, epoch, delivery, PRESETS[job.preset], job.time_limit - left)
        fidelity, limits = plan.fidelity, dict(job.limits)
        if "macs" not in limits:
            limits["macs"] = MACS_OVER_DEFAULT * learner.costs(spec, default)["macs"]
        if history.header:  # a driver was killed between the header and its notes: what it had planned stands
            planned = history.header["fidelity"]
            fidelity = Fidelity(planned["name"], planned["low"], planned["high"])
            limits = {x["metric"]: x["at_most"] for x in history.header["limits"]}
        known = {
            "limits": limits,
            "delivery": delivery,
            "epoch_seconds": epoch,
            "refit": plan.refit_seconds,
            "full": fidelity.high,
            "low": fidelity.low,
        }
    space = learner.space(spec, asked)
    study = Study(
        space,
        minimize="error",
        tie_break="loss",
        fidelity=Fidelity("epoch", int(known["low"]), int(known["full"])),
        limits=known["limits"],
        costs=lambda config: learner.costs(spec, config),
        anchor=learner.smallest(spec),
        seed=job.seed,
        sampler=job.sampler,
        scheduler=job.scheduler,
        store=store,
        name=STUDY,
        take_over=True,
    )
    if study.history.note("plan") is None:
        study.note("run", **run_note(job))
        study.note("data", spec=spec.to_json())
        study.note("baseline", **trivial_baseline(spec))
        study.note("plan", **known)
    if study.history.note("default") is None:
        given = next((t.id for t in study.trials if t.given), None)
        trial = study.enqueue(default, budget=study.problem.full) if given is None else given
        study.note("default", trial=trial)
    return study, float(known["delivery"])


def run_note(job: Job) -> dict[str, Any]:
    import platform

    machine = f"{platform.system()} {platform.machine()}, {cores()} cores, Python {platform.python_version()}"
    body = {k: v for k, v in asdict(job).items() if k != "learner"}
    return {**body, "machine": machine, "started": time.time()}


def trivial_baseline(spec: ImageSpec) -> dict[str, Any]:
    """What always answering the most frequent class would give."""
    k = max(range(spec.n_classes), key=lambda i: spec.counts[i])
    return {"error": 1 - spec.counts[k] / max(sum(spec.counts), 1), "what": f"always {spec.class_names[k]!r}"}


def probe(executor: LocalExecutor, job: Job, config: Mapping[str, Any]) -> float:
    """Seconds that one epoch of `config` takes while every worker is busy."""
    setup = executor.settings.setup

    def call() -> int:
        name = "seedleaf.learners.trial:seconds_per_epoch"
        return executor.call(name, config=dict(config), setup=dict(setup), device=OWN_DEVICE)

    calls = {call() for _ in range(job.workers)}
    seconds: list[float] = []
    tries = 2  # a worker may be killed by accident
    while calls:
        for report in executor.poll(1.0):
            if isinstance(report, Returned) and report.call in calls:
                calls.discard(report.call)
                if report.error is None:
                    seconds.append(float(report.value))
                    continue
                tries -= 1
                if not tries:
                    raise StudyError(f"the default network cannot be trained here: {report.error}")
                calls.add(call())
    return max(seconds)


def search_until(study: Study, job: Job, end: float) -> Callable[[History], str | None]:
    """When the search ends: what the refit of the best config so far needs is kept before `end`."""
    planned = float((study.history.note("plan") or {})["refit"])
    longest = refit_steps(float("inf"), study.problem.full)

    def until(history: History) -> str | None:
        now = time.time()
        if now < end - planned:
            return None
        best = study.best
        if best is None or not best.seconds:
            return "time"
        # A light winner needs less than was planned: the rest goes on being searched.
        needed = longest * refit_step_seconds(best, refit_threads(job.workers))
        return "time" if now >= end - min(planned, needed) else None

    return until


def describe(spec: ImageSpec, study: Study) -> list[str]:
    """The data as understood, the trivial baseline and what is searched, in at most four lines."""
    colour = {1: "grey", 3: "colour"}.get(spec.channels, f"{spec.channels} channels")
    lines = [
        f"data      {spec.name}: {spec.n_train:,} training and {spec.n_test:,} test images, "
        f"{spec.height}×{spec.width} {colour}, {spec.n_classes} classes"
    ]
    if spec.findings:
        more = f" (and {len(spec.findings) - 1} more in the report)" if len(spec.findings) > 1 else ""
        lines.append(f"noticed   {spec.findings[0]}{more}")
    baseline, problem = study.history.note("baseline") or {}, study.problem
    lines.append(f"baseline  {baseline.get('what')}: error {baseline.get('error', 1.0):.3f}")
    bounds = ", ".join(f"{x.metric} <= {x.at_most:,.0f}" for x in problem.limits)
    lines.append(
        f"search    {len(problem.space)} parameters, {study.sampler.name} + {study.scheduler.name}, "
        f"up to {problem.full} epochs a trial, {bounds}"
    )
    return lines


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
