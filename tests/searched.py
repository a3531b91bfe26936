"""What the tests of the front share: a run on small pictures whose search is over, and an executor in this process."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedleaf.core import Context, Fidelity, Limit, Task
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.errors import RunError
from seedleaf.executors.base import Report, Returned
from seedleaf.finish import Run
from seedleaf.learners import trial as trials
from seedleaf.learners.base import learner_of
from seedleaf.learners.pace import Pace
from seedleaf.modality.registry import MODALITIES
from seedleaf.planning import trivial_baseline
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.views.view import SilentView

STEPS = 4
LONGEST = 5 * STEPS  # of a last training


class Here:
    """An executor that does what it is called for at once, in this process."""

    def __init__(self) -> None:
        self.answers: list[Returned] = []
        self.calls: list[str] = []

    def free(self) -> int:
        return 1

    def call(self, function: str, **arguments: Any) -> int:
        module, _, name = function.partition(":")
        self.calls.append(name)
        if "device" in arguments:  # a worker puts its own there
            arguments["device"] = "cpu"
        number = len(self.calls)
        try:
            value = getattr(importlib.import_module(module), name)(**arguments)
            self.answers.append(Returned(number, value=value))
        except RunError as error:
            self.answers.append(Returned(number, error=str(error)))
        return number

    def poll(self, timeout: float) -> list[Report]:
        given, self.answers = self.answers, []
        return [*given]

    def submit(self, task: Task) -> None: ...
    def stop(self, trial: int) -> None: ...
    def close(self) -> None: ...


def searched_run(pictures: Path, tmp_path: Path, pace: Pace | None = None) -> Run:
    """A run whose search is over: the default trained to the end, two smaller networks stopped after one step. With a `pace`
    the search was against latency."""
    cache = tmp_path / "cache"
    save_mapped(load_images(pictures), cache)
    setup: dict[str, Any] = {"data": str(cache), "learner": "convnet", "seed": 0, "fidelity": "epochs"}
    given = setup if pace is None else {**setup, "pace": pace.to_json()}  # what a trial is told
    learner = learner_of(given)
    spec = load_images(pictures).spec
    study = Study(
        learner.space(spec),
        minimize="error" if pace is None else ["error", "latency_ms"],
        fidelity=Fidelity("epoch", 1, STEPS),
        costs=lambda config: learner.costs(spec, config),
        store=SqlStore(tmp_path / "study.db"),
        name="fit",
    )
    study.note("data", spec=spec.to_json())
    study.note("baseline", **trivial_baseline(spec))
    study.note("plan", epoch_seconds=0.1, full=STEPS, longest=LONGEST, pace=given.get("pace"))
    study.note("session", began=time.time(), used=0.0, time_limit=60.0)
    configs = [learner.default(spec, [Limit("params", p)]) for p in (20_000, 6_000, 2_500)]
    for config, budget in zip(configs, (STEPS, 1, 1), strict=True):
        study.enqueue(config, budget)
    study.note("default", trial=0)
    for _ in configs:
        task = study.ask()
        assert task is not None
        folder = tmp_path / "trials" / f"{task.trial:04d}"
        ctx = Context(task.trial, task.start, task.stop, STEPS, 1, folder, "cpu", given)
        study.tell(task, [m.metrics for m in trials.run(task.config, ctx)], seconds=0.2)
    nothing: Any = None
    run = Run(tmp_path, 2, setup, spec, MODALITIES["images"], study, nothing, SilentView())
    final = {
        "trial": 0,
        "params": 20_000,
        "macs": 10**6,
        "bytes": 9,
        "latency_ms": {"median": 1.0, "p90": 1.0},
    }
    test = {"accuracy": 0.9, "error": 0.1, "low": 0.8, "high": 0.95, "n": 36}
    study.note(
        "final", **final, test=test, refit_steps=STEPS, trained_on="train+valid", config=dict(configs[0])
    )
    return run


def told(run: Run) -> dict[str, Any]:
    return dict(run.study.history.note("front") or {})


def with_executor(run: Run) -> tuple[Run, Here]:
    here = Here()
    return replace(run, executor=here), here
