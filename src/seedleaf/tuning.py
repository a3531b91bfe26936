"""`tune`: anyone's own training function, searched on warm worker processes."""

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

from seedleaf.amounts import parse_seconds
from seedleaf.core import Config, Fidelity, History, State, Trial
from seedleaf.errors import StudyError
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import sole_driver
from seedleaf.machine import cores
from seedleaf.result import trials_frame
from seedleaf.space import Space
from seedleaf.space.problem import Costs, no_costs
from seedleaf.study import Study
from seedleaf.tuner.base import Sampler, Scheduler
from seedleaf.views.view import SilentView, View
from seedleaf.workers import at_least_one, devices, memory_per_worker, why_no_cuda

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TuneResult:
    """What `tune` found. `best.config` and `best.metrics` are the incumbent's; `trials` is a pandas frame."""

    study: Study
    reason: str

    @property
    def best(self) -> Trial:
        if self.study.best is None:
            what = "keeps the limits" if self.study.problem.measured_limits else "has been measured"
            failed = list(self.study.history.in_state(State.FAILED))
            last = f"; {len(failed)} failed, the last of them: {failed[-1].reason}" if failed else ""
            raise StudyError(f"no trial {what} ({self.reason}{last})")
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
    count = at_least_one("workers", cores() if workers is None else workers)
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
