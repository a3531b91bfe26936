"""A model that exists in, one that is physically smaller and measurably faster out: `compress` is the whole story.

The original is only read. Which passes, in which order and how far is searched by the same study that tunes everything else.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf import __version__
from seedleaf.compress_finish import Compressing, finish
from seedleaf.compress_plan import INT8, describe, open_study, plan, probe
from seedleaf.compression.candidates import UNITS as METRICS
from seedleaf.core import History
from seedleaf.data.spec import ImageData
from seedleaf.errors import BudgetError, LimitError, RunError, StudyError
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import beginning, new_folder, read_history
from seedleaf.job import ARRAYS, name_of
from seedleaf.result import Result
from seedleaf.store import SqlStore
from seedleaf.timing import format_seconds, parse_count, parse_seconds
from seedleaf.view import SilentView, View
from seedleaf.workers import default_workers, devices, memory_per_worker

if TYPE_CHECKING:
    from torch import nn

SHORTEST = 20.0  # seconds: the workers start, the original is measured, and something is left to train


@dataclass(frozen=True)
class CompressJob:
    """What was asked for; kept as run.json in the run's folder. `at_most` are the bounds as given, by metric."""

    model: str
    data: str
    time_limit: float
    speedup: float | None = None
    at_most: Mapping[str, float] = field(default_factory=dict)
    max_drop: float = 0.5
    int8: str = "auto"
    tradeoff: str = ""
    max_trials: int | None = None
    workers: int = 1
    seed: int = 0
    command: str = ""
    version: str = ""
    kind: str = "compress"

    def check(self) -> None:
        """LimitError, BudgetError or StudyError where nothing can come of it, before anything is written or started."""
        if self.speedup is None and not self.at_most:
            raise LimitError(
                "say how small: --speedup 2.5, --max-params N, --max-macs N, --max-latency MS or --max-bytes N"
            )
        if self.speedup is not None and not 1.0 < self.speedup < math.inf:
            raise LimitError(f"a speed-up must be more than 1, got {self.speedup:g}")
        for metric, bound in self.at_most.items():
            if not 0 < bound < math.inf:
                raise LimitError(f"a limit on {metric} must be positive, got {bound:g}")
        if not self.max_drop >= 0:
            raise LimitError(f"--max-drop is in percent points and at least 0, got {self.max_drop:g}")
        if self.int8 not in INT8:
            raise StudyError(f"no int8 is called {self.int8!r}; there are: {', '.join(INT8)}")
        if self.tradeoff and self.tradeoff not in METRICS:
            raise StudyError(f"no tradeoff is called {self.tradeoff!r}; there are: {', '.join(METRICS)}")
        if self.time_limit < SHORTEST:
            given = format_seconds(self.time_limit)
            raise BudgetError(f"--time {given} is too short; give at least {SHORTEST:.0f}s")

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2) + "\n"
        (folder / "run.json").write_text(text, encoding="utf-8")


def compress(
    model: str | Path | nn.Module,
    data: Any = None,
    *,
    speedup: float | None = None,
    max_params: str | int | None = None,
    max_macs: str | int | None = None,
    max_latency: float | None = None,
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
    command: str = "seedleaf.compress(…)",
    began: float | None = None,
) -> Result:
    """Prune, decompose, quantise and distil `model` until it keeps the bounds, and hand back the most accurate way.

    `model` is the folder of a run, or any torch module that takes float images (N, C, H, W), pixels in 0..1 less `mean` over
    `std` per channel, and gives logits (N, classes). `data` is what `seedleaf.fit` takes; a run's own where it is left out.
    Bounds: `speedup` over the original as ONNX Runtime measures it, `max_latency` (ms an image), `max_params`, `max_macs`,
    `max_bytes`. `max_drop` (percent points of accuracy) is what the verdict holds the result against. `int8`: "auto"
    (searched), "always", "never". With `tradeoff` "latency_ms", "params", "macs" or "bytes" the whole front of error
    against that is searched, from the bounds on, and other networks of it are delivered to front/. `max_trials` ends the
    search early.
    Raises DataError, LimitError (with what could be reached), BudgetError, RunError.
    """
    began = time.time() if began is None else began
    counts = {"params": max_params, "macs": max_macs, "bytes": max_bytes}
    at_most = {k: float(parse_count(v)) for k, v in counts.items() if v is not None}
    if max_latency is not None:
        at_most["latency_ms"] = float(max_latency)
    count = default_workers() if workers is None else int(workers)
    if count < 1:
        raise ValueError(f"workers must be a whole number of at least 1, got {workers}")
    what = str(Path(model).absolute()) if isinstance(model, str | Path) else type(model).__name__
    job = CompressJob(
        model=what,
        data=name_of(data) if data is not None else "",
        time_limit=parse_seconds(time_limit),
        speedup=None if speedup is None else float(speedup),
        at_most=at_most,
        max_drop=float(max_drop),
        int8=int8,
        tradeoff=tradeoff,
        max_trials=max_trials,
        workers=count,
        seed=int(seed),
        command=command,
        version=__version__,
    )
    job.check()
    mine = own_data(model)
    source = mine if data is None else data
    if source is None:
        raise RunError("give the data that the model was trained for")
    job = replace(job, data=name_of(source))
    new = new_folder(f"{Path(job.data).stem}-compressed", out)
    with beginning(new, job) as store:
        return _stages(new.path, job, model, source, (mean, std), view or SilentView(), began, store)


def own_data(model: Any) -> str | None:
    """The data that a run was fitted on, if it lies on a disk. No torch. RunError where `model` is no model at all."""
    if not isinstance(model, str | Path):
        return None
    try:
        data = (read_history(model).note("run") or {}).get("data")
    except RunError as error:
        raise RunError(f"{error}; MODEL is the folder of a run (a torch module: seedleaf.compress)") from None
    return None if data in (None, ARRAYS) else str(data)


def _taken(model: Any) -> Any:
    from seedleaf.model_source import take_module, take_run

    return take_run(Path(model)) if isinstance(model, str | Path) else take_module(model)


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
    """Look at the original, plan, search, train the winner beside its control, deliver."""
    from seedleaf.data.images import load_images
    from seedleaf.data.mapped import save_mapped

    deadline = began + job.time_limit
    with closing(_workers(folder, job)) as executor:  # they import torch while the model is being read
        try:
            taken = _taken(model)
            data: ImageData = load_images(source, seed=taken.seed if taken.seed is not None else job.seed)
            save_mapped(data, folder / "cache")
            original = folder / "original"
            original.mkdir()
            place = {"data": str((folder / "cache").resolve()), "seed": job.seed, "int8": INT8[job.int8]}
            setup = {**taken.place(original, data, scaling), **place}
            view.start({"started": began, "workers": job.workers})
            found = probe(executor, setup, min(0.12 * job.time_limit, 40.0))
            planned = plan(job, found, data.spec, deadline - time.time(), time.time() - began)
            setup |= {"targets": dict(planned.targets), "on": found["on"], "tradeoff": job.tradeoff}
            executor.settings = replace(executor.settings, setup=setup)
            study = open_study(store, job, found, planned, data.spec)
            study.note("session", began=began, used=0.0, time_limit=job.time_limit)
            for line in describe(data.spec, found, planned, study):
                view.message(line)
            searched = time.time()
            search_end = deadline - planned.delivery - planned.refit - planned.front

            def until(history: History) -> str | None:
                return "time" if time.time() >= search_end else None

            reason = study.run(executor, until, lambda h: view.update(h, time.time(), "search"))
            study.note("search", reason=reason, seconds=time.time() - searched)
            run = Compressing(folder, job, setup, data.spec, study, executor, view, found, began)
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


__all__ = ["CompressJob", "compress"]
