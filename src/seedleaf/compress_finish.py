"""What follows the search of a compression: the winner is fine-tuned beside its control, delivered, judged and reported."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.compress_card import card, kept_metrics, verdict
from seedleaf.compress_late import least_harmful, remark
from seedleaf.compress_limits import broken_bounds, times_asked, trial_folder, winner_within
from seedleaf.core import Trial
from seedleaf.data.spec import ImageSpec
from seedleaf.executors.base import OWN_DEVICE
from seedleaf.executors.local import LocalExecutor
from seedleaf.finish import call_all, swap
from seedleaf.folder import searched_seconds
from seedleaf.report import write_board, write_report
from seedleaf.study import Study
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.view import View

if TYPE_CHECKING:
    from seedleaf.compress_job import CompressJob

LEFT_TO_REFIT = 2.0  # seconds that even a late run spends on it


@dataclass(frozen=True)
class Compressing:
    """What the stages after the search share; `found` is what the probe found out about the original."""

    folder: Path
    job: CompressJob
    setup: Mapping[str, Any]
    spec: ImageSpec
    study: Study
    executor: LocalExecutor
    view: View
    found: Mapping[str, Any]
    began: float


def finish(run: Compressing, refit_end: float, front_end: float) -> None:
    """Fine-tune until `refit_end`, deliver to best/, say what it was worth; then, where asked for, front/ by `front_end`."""
    from seedleaf.compress_front import deliver_front

    over: dict[int, str] = {}  # trials -> the bounds that they break
    winner = winner_within(run, over) or least_harmful(run)
    if not winner.measurements:
        refit_end = front_end  # no trial was finished: there is no front, and this is all its training
    begun = time.time()
    tuned, control, fitted = _refit(run, winner, refit_end)
    refit_seconds = time.time() - begun
    staged = run.folder / ".best.part"
    delivered = _deliver(run, winner, tuned, control, staged)
    while missed := broken_bounds(run.job, delivered):
        over[winner.id] = missed
        winner = _instead(run, over)
        tuned, control = str(trial_folder(run, winner).resolve()), None
        fitted = {"steps": float(winner.step), "train_seconds": 0.0}
        delivered = _deliver(run, winner, tuned, control, staged)
    final = {
        "trial": winner.id,
        "config": dict(winner.config),
        **delivered,
        "refit_steps": int(fitted["steps"]),
        "refit_seconds": refit_seconds,
        "remark": remark(winner, fitted),
        "predict": f"seedleaf predict {run.folder} IMAGE",
    }
    run.study.note("verdict", **verdict(run, final))
    run.study.note("shares", **_shares(run, fitted["train_seconds"], refit_seconds))
    _write(run, final, staged)
    swap(staged, run.folder / "best")
    run.study.note("final", **final)
    if run.job.tradeoff:
        deliver_front(run, final, front_end)
    run.study.note("took", seconds=time.time() - run.began)
    write_board(run.study.history, run.folder / "leaderboard.csv")
    write_report(run.study.history, run.folder / "report.html")


def _deliver(
    run: Compressing, winner: Trial, tuned: str, control: str | None, staged: Path
) -> dict[str, Any]:
    """The network in the folder `tuned`, exported to `staged` and measured."""
    shutil.rmtree(staged, ignore_errors=True)
    arguments = {
        "recipe": stored_recipe(run, winner),
        "setup": dict(run.setup),
        "tuned": tuned,
        "control": control,
        "out": str(staged.resolve()),
        "config": dict(winner.config),
        "bounds": times_asked(run.job),
    }
    calls = {"deliver": ("seedleaf.compression.finishing:deliver", arguments)}
    delivered: dict[str, Any] = call_all(run, calls, "export", needed={"deliver"}, go_on="")["deliver"].value
    return delivered


def _instead(run: Compressing, over: dict[int, str]) -> Trial:
    """The next best that keeps the bounds, as its trial left it: the time of the last training is spent."""
    first, why = next(reversed(over.items()))
    winner = winner_within(run, over, trained=True)
    assert winner is not None  # else LimitError: `over` is not empty
    run.view.message(f"trial {first} is not delivered: {why}; trial {winner.id} is, as the search left it")
    run.study.note("refit", trial=winner.id, steps=float(winner.step), train_seconds=0.0)
    run.study.note("control", error=f"it was that of trial {first}, which broke a bound")
    return winner


def stored_recipe(run: Compressing, winner: Trial) -> dict[str, Any]:
    """The resolved recipe of a trial, from its folder."""
    path = run.folder / "trials" / f"{winner.id:04d}" / "recipe.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    return body


def _refit(run: Compressing, winner: Trial, end: float) -> tuple[str, str | None, dict[str, float]]:
    """The winner fine-tuned on train+valid and, for the same time, its control from nothing; their folders."""
    beside = run.job.workers > 1
    left = max(end - time.time(), LEFT_TO_REFIT)
    each = left if beside else left / 2
    # Where no step was measured, the probe's: the original as student and teacher.
    step = refit_step_seconds(winner) if winner.measurements else 1.25 * float(run.found["epoch_seconds"])
    steps = refit_steps(each / step, run.study.problem.full)
    base = {"config": dict(winner.config), "recipe": stored_recipe(run, winner), "setup": dict(run.setup)}
    place = run.folder / "refit"
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    name, begun = "seedleaf.compression.finishing:finetune", time.time()
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
        calls[kind] = name, {**base, **more}
    answers = call_all(run, calls, "refit", needed={"tuned"}, go_on="")
    fitted = dict(answers["tuned"].value)
    run.study.note("refit", trial=winner.id, **fitted)
    own = run.folder / "trials" / f"{winner.id:04d}"
    tuned = own if not fitted["steps"] and (own / CHECKPOINT).exists() else place / "tuned"
    control = (
        answers.get("control") if fitted["steps"] else None
    )  # else it has had more than what it is held against
    if control is None or control.error is not None:
        run.study.note("control", error=control.error if control else "there was no time for it")
        return str(tuned.resolve()), None, fitted
    return str(tuned.resolve()), str((place / "control").resolve()), fitted


def _shares(run: Compressing, train_seconds: float, refit_seconds: float) -> dict[str, float]:
    searched = searched_seconds(run.study.history)
    trained = sum(m.metrics.get("train_seconds", m.seconds) for t in run.study.trials for m in t.measurements)
    total = run.job.workers * (searched + refit_seconds)
    return {"training": (trained + 2 * train_seconds) / max(total, 1e-9), "wall": time.time() - run.began}


def _write(run: Compressing, final: Mapping[str, Any], folder: Path) -> None:
    """metrics.json and the model card beside the graph."""
    text = (run.study.history.note("verdict") or {}).get("text", "")
    (folder / "metrics.json").write_text(json.dumps(kept_metrics(final), indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(run, final, text), encoding="utf-8")
