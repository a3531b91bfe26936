"""What follows the search: the winner is trained to the end on train+valid, exported and measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedleaf.card import shares, verdict, write_metrics
from seedleaf.core import Trial
from seedleaf.errors import RunError
from seedleaf.executors.base import OWN_DEVICE, Executor, Returned
from seedleaf.learners.base import learner_of
from seedleaf.planning import step_share
from seedleaf.study import Study
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.view import View


@dataclass(frozen=True)
class Run:
    """What the stages after the search share."""

    folder: Path
    workers: int
    setup: Mapping[str, Any]
    spec: Any
    study: Study
    executor: Executor
    view: View
    threads: int = 1  # of the refit

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


def finish(run: Run, refit_end: float) -> None:
    """Refit until `refit_end` (seconds since the epoch), deliver to best/, compare with the default."""
    winner = run.study.best or run.default
    config = dict(winner.config)
    begun = time.time()
    try:
        fitted = _refit(run, winner, refit_end)
    except RunError as error:
        if not winner.measurements:
            raise
        # On more data or another horizon a config can fail that had trained well: its trial's network is delivered.
        run.view.message(f"{error}; the network of trial {winner.id} is delivered as the search left it")
        fitted = {"steps": float(winner.step), "train_seconds": 0.0}
        run.study.note("refit", folder=None, trial=winner.id, reason=str(error), **fitted)
    refit_seconds = time.time() - begun
    run.view.update(run.study.history, time.time(), "export")
    staged = run.folder / ".best.part"
    shutil.rmtree(staged, ignore_errors=True)
    delivered, compared = _deliver_and_compare(run, winner, staged)
    costs = learner_of(run.setup).costs(run.spec, config)
    predict = f"seedleaf predict {run.folder} IMAGE"
    final = {
        "trial": winner.id,
        "config": config,
        **delivered,
        "params": costs["params"],
        "macs": costs["macs"],
        "refit_steps": int(fitted["steps"]),
        "refit_seconds": refit_seconds,
        "predict": predict,
    }
    run.study.note("verdict", **verdict(run, winner, compared))
    run.study.note("shares", **shares(run, fitted["train_seconds"], refit_seconds))
    write_metrics(run, final, staged)
    swap(staged, run.folder / "best")
    run.study.note("final", **final)


def _refit(run: Run, winner: Trial, end: float) -> dict[str, float]:
    """The winner on train+valid. While it trains, a second worker warms the exporter up."""
    full = run.study.problem.full
    left = end - time.time()
    share = step_share(run.study.history)
    step = refit_step_seconds(winner, run.threads, share) if winner.measurements else 0.0
    # A run that was resumed too late still gets a model: a tenth of what the refit would take, at least.
    left = max(left, 0.1 * full * step, 2.0)
    steps = refit_steps(left / step, full) if step else full
    steps = max(steps, unfinished_refit(run, winner))
    folder = run.folder / "refit" / f"{winner.id:04d}-{steps}"
    arguments = {
        "config": dict(winner.config),
        "setup": dict(run.setup),
        "folder": str(folder.resolve()),
        "steps": steps,
        "deadline": time.time() + left,
        "threads": run.threads,
        "device": OWN_DEVICE,
    }
    run.study.note("refitting", trial=winner.id, steps=steps)
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    if run.workers > 1:  # first in line: the delivery goes to the first worker as well, and finds all loaded
        scratch = {
            "config": dict(winner.config),
            "setup": dict(run.setup),
            "scratch": str(folder.parent.resolve()),
        }
        calls["warm"] = ("seedleaf.export:warm_up", scratch)
    calls["refit"] = ("seedleaf.learners.refit:refit", arguments)
    fitted = call_all(run, calls, "refit", needed={"refit"})["refit"].value
    run.study.note("refit", folder=folder.name, trial=winner.id, **fitted)
    return dict(fitted)


def unfinished_refit(run: Run, winner: Trial) -> int:
    """The steps of the refit of the same winner that an earlier session was cut off in or after; 0 without one."""
    names = ("refitting", "done")
    last = next((n for n in reversed(run.study.history.notes) if n.get("name") in names), {})
    return int(last["steps"]) if last.get("trial") == winner.id else 0


def _deliver_and_compare(run: Run, winner: Trial, out: Path) -> tuple[dict[str, Any], Returned | None]:
    """Export and measure the refitted winner; beside it measure what tuning gained over the default config, or why not."""
    name = (run.study.history.note("refit") or {})["folder"]
    trained = run.folder / "refit" / str(name) if name else Path(run.trial_folder(winner))
    deliver: dict[str, Any] = {
        "config": dict(winner.config),
        "setup": dict(run.setup),
        "checkpoint": str((trained / CHECKPOINT).resolve()),
        "out": str(out.resolve()),
    }
    calls: dict[str, tuple[str, dict[str, Any]]] = {"deliver": ("seedleaf.export:deliver", deliver)}
    default = run.default
    if winner.id != default.id and winner.measurements and default.measurements:
        compare = {
            "winner": dict(winner.config),
            "winner_folder": run.trial_folder(winner),
            "other": dict(default.config),
            "other_folder": run.trial_folder(default),
            "setup": dict(run.setup),
        }
        calls["compare"] = ("seedleaf.export:compare_on_test", compare)
    answers = call_all(run, calls, "export", needed={"deliver"})
    return answers["deliver"].value, answers.get("compare")


def call_all(
    run: Run, calls: Mapping[str, tuple[str, Mapping[str, Any]]], phase: str, needed: set[str]
) -> dict[str, Returned]:
    """Run named calls on the workers at once; what came of each. RunError where a needed one fails twice."""
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
                raise RunError(f"{name} failed: {report.error}; go on with: seedleaf resume {run.folder}")
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
