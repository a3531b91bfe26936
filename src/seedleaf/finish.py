"""What follows the search, whatever the data: the winner becomes a delivered, measured and reported model."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seedleaf.card import shares
from seedleaf.core import Trial
from seedleaf.errors import RunError
from seedleaf.executors.base import Executor, Returned
from seedleaf.report import write_board, write_report
from seedleaf.study import Study
from seedleaf.views.view import View

if TYPE_CHECKING:
    from seedleaf.modality.base import Modality

MARGIN = 1.0  # seconds that the report and the last notes take


@dataclass(frozen=True)
class Run:
    """What the stages after the search share."""

    folder: Path
    workers: int
    setup: Mapping[str, Any]
    spec: Any
    modality: Modality
    study: Study
    executor: Executor
    view: View
    threads: int = 1  # of the refit
    memory: int | None = None  # bytes that driver and workers may hold together

    @property
    def clock_started(self) -> float:
        """When the clock would have started if no session had been cut off."""
        session = self.study.history.note("session") or {}
        return float(session["began"]) - float(session["used"])

    @property
    def default(self) -> Trial:
        return self.study.history.trials[int((self.study.history.note("default") or {})["trial"])]

    def trial_folder(self, trial: Trial) -> str:
        return str((self.folder / "trials" / f"{trial.id:04d}").resolve())


def finish(run: Run, end: float, deadline: float) -> None:
    """Fit the winner until `end` (seconds since the epoch), deliver it to best/ with what is known of it, then until
    `deadline` whatever its kind of data puts beside it; report."""
    staged = run.folder / ".best.part"
    shutil.rmtree(staged, ignore_errors=True)
    made = run.modality.make(run, end, staged)
    run.study.note("verdict", **made.verdict)
    run.study.note("shares", **shares(run, made.train_seconds, made.fit_seconds))
    text = json.dumps(made.metrics, indent=2, ensure_ascii=False) + "\n"
    (staged / "metrics.json").write_text(text, encoding="utf-8")
    (staged / "README.md").write_text(made.card(made.verdict), encoding="utf-8")
    swap(staged, run.folder / "best")
    run.study.note("final", **made.final)
    run.modality.beside(run, deadline - MARGIN)
    run.study.note("took", seconds=time.time() - run.clock_started)
    run.study.note("memory", at_most=run.memory, peak=run.executor.peak)
    write_board(run.study.history, run.folder / "leaderboard.csv")
    write_report(run.study.history, run.folder / "report.html")


class Calling(Protocol):
    """Of a run, what its calls need."""

    @property
    def folder(self) -> Path: ...
    @property
    def study(self) -> Study: ...
    @property
    def executor(self) -> Executor: ...
    @property
    def view(self) -> View: ...


def call_all(
    run: Calling,
    calls: Mapping[str, tuple[str, Mapping[str, Any]]],
    phase: str,
    needed: set[str],
    go_on: str = "go on with: seedleaf resume {}",
) -> dict[str, Returned]:
    """Run named calls on the workers at once; what came of each.

    RunError, with how to `go_on`, where a needed one fails twice.
    """
    waiting: dict[int, str] = {}
    answers: dict[str, Returned] = {}
    todo, tries = list(calls), dict.fromkeys(calls, 0)
    while todo or waiting:
        while todo and run.executor.free():
            name = todo.pop(0)
            tries[name] += 1
            waiting[run.executor.call(calls[name][0], **calls[name][1])] = name
        for report in run.executor.poll(0.25):
            if not isinstance(report, Returned) or report.call not in waiting:
                continue
            name = waiting.pop(report.call)
            if report.error is None or name not in needed:
                answers[name] = report
            elif tries[name] > 1:
                error = RunError(f"{name} failed: {report.error}")
                if go_on:
                    error.add_note(go_on.format(shlex.quote(str(run.folder))))
                raise error
            else:
                todo.append(name)  # its worker may have been killed; what it had saved is taken up
        run.view.update(run.study.history, time.time(), phase)
    return answers


def swap(new: Path, place: Path) -> None:
    """Put the folder `new` where `place` is: a model never lies beside another one's metrics."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
