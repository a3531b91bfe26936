"""What follows the search of a compression: the winner is fine-tuned beside its control, delivered, judged and reported."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.compressing.card import card, kept_metrics, remark, verdict
from seedleaf.compressing.late import best_within
from seedleaf.compressing.limits import broken_bounds, times_asked, trial_folder
from seedleaf.core import Trial
from seedleaf.data.spec import ImageSpec
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.executors.local import LocalExecutor
from seedleaf.finish import call_all, swap
from seedleaf.folder import searched_seconds
from seedleaf.report import write_board, write_report
from seedleaf.study import Study
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.views.view import View

if TYPE_CHECKING:
    from seedleaf.compressing.job import CompressJob

FINETUNE = "seedleaf.compression.finishing:finetune"
LEFT_TO_REFIT = 2.0  # seconds that even a late run spends on it
LONGEST_TUNING = 2.0  # of the search's full budget, for the final fine-tuning


@dataclass(frozen=True)
class Compressing:
    """What the stages after the search share; `found` is what the probe found out about the original, `of_test` what has to
    be said of the test part (`told_of_test`), as the session began."""

    folder: Path
    job: CompressJob
    setup: Mapping[str, Any]
    spec: ImageSpec
    study: Study
    executor: LocalExecutor
    view: View
    found: Mapping[str, Any]
    began: float
    of_test: str = ""


@dataclass(frozen=True)
class Fitted:
    """The folders of the weights and of the control's, how long the weights were trained and on what ("train+valid", as
    their trial left them "train", or "nothing"), why there is no control."""

    tuned: str
    control: str | None
    steps: int
    train_seconds: float
    trained_on: str
    no_control: str = ""


def finish(run: Compressing, refit_end: float, front_end: float) -> None:
    """Fine-tune until `refit_end`, deliver to best/, say what it was worth; then, where asked for, front/ by `front_end`."""
    from seedleaf.compressing.front import deliver_front

    over: dict[int, str] = {}  # trials -> the bounds that they break
    winner = best_within(run, over)
    if not winner.measurements:
        refit_end = front_end  # nothing trained keeps the bounds: no front, and this is all its training
    begun = time.time()
    fitted = _refit(run, winner, refit_end)
    refit_seconds, last = time.time() - begun, winner if fitted.steps else None
    staged = run.folder / ".best.part"
    delivered = _deliver(run, winner, fitted, staged)
    while missed := broken_bounds(run.job, delivered):
        over[winner.id] = missed
        winner, fitted = _instead(run, over, last)
        delivered = _deliver(run, winner, fitted, staged)
    final = {
        "trial": winner.id,
        "config": dict(winner.config),
        **delivered,
        "refit_steps": fitted.steps,
        "refit_seconds": refit_seconds,
        "trained_on": fitted.trained_on,
        "remark": remark(run, winner, fitted, over, last),
        "no_control": fitted.no_control,
        "test_drawn": bool(run.of_test),
        "predict": f"seedleaf predict {run.folder} IMAGE",
    }
    run.study.note("verdict", **verdict(run, final))
    run.study.note("shares", **_shares(run, fitted.train_seconds, refit_seconds))
    _write(run, final, staged)
    swap(staged, run.folder / "best")
    run.study.note("final", **final)
    if run.job.tradeoff:
        deliver_front(run, final, front_end)
    run.study.note("took", seconds=time.time() - run.began)
    write_board(run.study.history, run.folder / "leaderboard.csv")
    write_report(run.study.history, run.folder / "report.html")


def _deliver(run: Compressing, winner: Trial, fitted: Fitted, staged: Path) -> dict[str, Any]:
    """The network with those weights, exported to `staged` and measured."""
    shutil.rmtree(staged, ignore_errors=True)
    arguments = {
        "recipe": stored_recipe(run, winner),
        "setup": dict(run.setup),
        "tuned": fitted.tuned,
        "control": fitted.control,
        "out": str(staged.resolve()),
        "config": dict(winner.config),
        "bounds": times_asked(run.job),
    }
    calls = {"deliver": ("seedleaf.compression.finishing:deliver", arguments)}
    delivered: dict[str, Any] = call_all(run, calls, "export", needed={"deliver"}, go_on="")["deliver"].value
    return delivered


def _instead(run: Compressing, over: dict[int, str], last: Trial | None) -> tuple[Trial, Fitted]:
    """The next best that keeps the bounds, as the search left it: the time of the last training is spent, on `last`."""
    missed, why = next(reversed(over.items()))
    winner = best_within(run, over, trained=True)
    run.view.message(f"trial {missed} is not delivered: {why}; trial {winner.id} is, as the search left it")
    run.study.note("refit", trial=winner.id, steps=float(winner.step), train_seconds=0.0)
    no_control = f"the time for it went to that of trial {last.id}" if last else ""
    tuned = trial_folder(run, winner) if winner.measurements else _inherited(run, winner)
    on = "train" if winner.measurements else "nothing"
    return winner, Fitted(str(tuned.resolve()), None, winner.step, 0.0, on, no_control)


def _inherited(run: Compressing, winner: Trial) -> Path:
    """The folder of a checkpoint with the weights that a recipe leaves, nothing trained."""
    place = run.folder / "refit" / f"untrained-{winner.id:04d}"
    arguments = {
        "config": dict(winner.config),
        "recipe": stored_recipe(run, winner),
        "setup": dict(run.setup),
        "folder": str(place.resolve()),
        "steps": 1,
        "deadline": 0.0,  # long over
        "device": OWN_DEVICE,
    }
    call_all(run, {"weights": (FINETUNE, arguments)}, "refit", needed={"weights"}, go_on="")
    return place


def stored_recipe(run: Compressing, winner: Trial) -> dict[str, Any]:
    """The resolved recipe of a trial, from its folder."""
    path = trial_folder(run, winner) / "recipe.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    return body


def _refit(run: Compressing, winner: Trial, end: float) -> Fitted:
    """The winner fine-tuned on train+valid and, for the same time, its control from nothing."""
    beside = run.job.workers > 1
    left = max(end - time.time(), LEFT_TO_REFIT)
    each = left if beside else left / 2
    # Where no step was measured, the probe's: the original as student and teacher.
    step = refit_step_seconds(winner) if winner.measurements else 1.25 * float(run.found["epoch_seconds"])
    steps = refit_steps(each / step, LONGEST_TUNING * run.study.problem.full)
    base = {"config": dict(winner.config), "recipe": stored_recipe(run, winner), "setup": dict(run.setup)}
    place = run.folder / "refit"
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    begun = time.time()
    for i, kind in enumerate(("tuned", "control")):
        # The control pays for no teacher, so its epochs are shorter: its time is what is equal, not its steps.
        many = steps if kind == "tuned" else 4 * steps
        deadline = begun + each * (1 if beside else i + 1)
        more = {
            "folder": str((place / kind).resolve()),
            "steps": many,
            "deadline": deadline,
            "fresh": kind == "control",
            "device": OWN_DEVICE,
        }
        calls[kind] = FINETUNE, {**base, **more}
    answers = call_all(run, calls, "refit", needed={"tuned"}, go_on="")
    fitted = dict(answers["tuned"].value)
    run.study.note("refit", trial=winner.id, **fitted)
    own, steps = trial_folder(run, winner), int(fitted["steps"])
    on = "train+valid" if steps else "train" if (own / CHECKPOINT).exists() else "nothing"
    tuned = own if on == "train" else place / "tuned"
    missing = _no_control(answers.get("control"), steps)
    control = None if missing else str((place / "control").resolve())
    return Fitted(str(tuned.resolve()), control, steps, float(fitted["train_seconds"]), on, missing)


def _no_control(answer: Returned | None, steps: int) -> str:
    """Why there is nothing to hold the network against; empty where there is."""
    if not steps:  # a control has had more than what it would be held against
        return "there was no time to train either"
    if answer is None or answer.error is not None:
        return f"its training failed ({answer.error if answer else 'no answer came'})"
    return "" if answer.value["steps"] else "there was no time for it"


def _shares(run: Compressing, train_seconds: float, refit_seconds: float) -> dict[str, float]:
    searched = searched_seconds(run.study.history)
    trained = sum(m.metrics.get("train_seconds", m.seconds) for t in run.study.trials for m in t.measurements)
    total = run.job.workers * (searched + refit_seconds)
    return {"training": (trained + 2 * train_seconds) / max(total, 1e-9), "wall": time.time() - run.began}


def _write(run: Compressing, final: Mapping[str, Any], folder: Path) -> None:
    """metrics.json and the model card beside the graph."""
    text = (run.study.history.note("verdict") or {}).get("text", "")
    (folder / "metrics.json").write_text(
        json.dumps(kept_metrics(run, final), indent=2) + "\n", encoding="utf-8"
    )
    (folder / "README.md").write_text(card(run, final, text), encoding="utf-8")
