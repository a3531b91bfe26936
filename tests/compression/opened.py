"""A compression at the end of its search, in this process: an executor whose calls run at once, looks and trials by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from seedleaf.compressing.finish import Compressing
from seedleaf.compression.scout import look
from seedleaf.compression.trial import run as run_trial
from seedleaf.core import Context, Measurement, Trial
from seedleaf.executors.base import OWN_DEVICE, Returned

Opened = Callable[..., Compressing]
EVEN = {"passes.allocation": "uniform", "passes.criterion": "magnitude"}


class Here:
    """An executor whose calls run at once, in this process."""

    peak = 0

    def __init__(self) -> None:
        self.done: list[Returned] = []
        self.calls = 0

    def free(self) -> int:
        return 1

    def call(self, function: str, **arguments: Any) -> int:
        self.calls += 1
        module, _, name = function.partition(":")
        given = {k: "cpu" if v == OWN_DEVICE else v for k, v in arguments.items()}
        try:
            self.done.append(Returned(self.calls, getattr(import_module(module), name)(**given)))
        except Exception as error:  # as a worker reports it
            self.done.append(Returned(self.calls, None, str(error)))
        return self.calls

    def poll(self, timeout: float) -> list[Returned]:
        found, self.done = self.done, []
        return found


def looks(run: Compressing, *changes: Mapping[str, Any]) -> list[float]:
    """Look at the default config with these changes, as the beginning of a search does; their harms."""
    configs = [run.study.problem.space.complete(c) for c in changes]
    harms = [look(c, run.setup, "cpu")["harm"] for c in configs]
    run.study.note("looks", configs=configs, harms=harms)
    for config in configs:
        run.study.enqueue(config)
    return harms


def trained(run: Compressing, error: float, **change: Any) -> Trial:
    """A trial of one step, its recipe and its costs as they are, its error as given: which is the best is known then."""
    config = run.study.problem.space.complete(change)
    run.study.enqueue(config)
    task = run.study.ask()
    assert task is not None
    folder = run.folder / "trials" / f"{task.trial:04d}"
    folder.mkdir(parents=True)
    [m] = run_trial(config, Context(task.trial, 0, 1, 4, 7, folder, "cpu", dict(run.setup)))
    run.study.report(task.trial, Measurement(1, {**m.metrics, "error": error}, m.seconds))
    return run.study.history.trials[task.trial]


def delivered(run: Compressing) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((run.folder / "best" / "metrics.json").read_text(encoding="utf-8"))
    return body


def verdict_of(run: Compressing) -> str:
    return str((run.study.history.note("verdict") or {})["text"])
