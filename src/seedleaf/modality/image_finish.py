"""Images, after the search: the winner is trained to the end on train+valid, exported, compared with the default."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.card import image_metrics, model_card, verdict
from seedleaf.core import Trial
from seedleaf.errors import RunError
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.finish import call_all
from seedleaf.front.training import saw_whole_pictures
from seedleaf.horizon import noise_of
from seedleaf.learners.base import learner_of
from seedleaf.limits import check_limits, latency_limit, winner_within
from seedleaf.modality.base import Made
from seedleaf.planning import most_refit, step_share
from seedleaf.timing import FIT, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.tuner.base import best_trial

if TYPE_CHECKING:
    from seedleaf.finish import Run

ENOUGH = 0.5  # of what the winner's trial was trained for: a shorter last training is not begun


def make(run: Run, refit_end: float, staged: Path) -> Made:
    """Refit until `refit_end`, deliver what is better, the refit or the trial, to `staged`, compare with the default."""
    winner = winner_within(run)
    begun = time.time()
    fitted, why_not = _fitted(run, winner, refit_end)
    if why_not:
        winner = as_left(run, winner) or winner
        run.view.message(f"{why_not}; the network of trial {winner.id} is delivered as the search left it")
        run.study.note("refit", folder=None, trial=winner.id, reason=why_not, steps=float(winner.step))
    refit_seconds = time.time() - begun
    run.view.update(run.study.history, time.time(), "export")
    delivered, compared = _deliver_and_compare(run, winner, staged)
    config = dict(winner.config)
    costs = learner_of(run.setup).costs(run.spec, config)
    check_limits(run, {**costs, **delivered})
    final = {
        "trial": winner.id,
        "config": config,
        **delivered,
        "params": costs["params"],
        "macs": costs["macs"],
        "refit_steps": winner.step if why_not else int(fitted["steps"]),
        "refit_seconds": refit_seconds,
        "trained_on": "train" if why_not else "train+valid",
        "predict": f"seedleaf predict {run.folder} IMAGE",
    }
    card = partial(model_card, run.spec, final)
    told = verdict(run, winner, compared)
    return Made(final, told, image_metrics(final), card, fitted["train_seconds"], refit_seconds)


def _fitted(run: Run, winner: Trial, end: float) -> tuple[dict[str, float], str]:
    """What came of the refit, and why it is not to be delivered, "" where it is.

    On more data or another horizon a config can fail that had trained well, and in too little time it learns less.
    """
    nothing = {"steps": 0.0, "train_seconds": 0.0}
    kept = seen_whole(run)
    try:
        measured, left = _pace(run, winner, end)
        fitting = left / measured["step_seconds"]
        steps = refit_steps(fitting, most_refit(run.study.history))
        share = step_share(run.study.history)
        trained = sum(share(m.step) for m in winner.measurements)
        if kept and not unfinished_refit(run, winner) and min(FIT * fitting, steps) < ENOUGH * trained:
            return nothing, f"time is left for {FIT * fitting:.1f} steps of a last training"
        fitted = _refit(run, winner, steps, left, measured)
    except RunError as error:
        if not winner.measurements:
            raise
        return nothing, str(error)
    known, n = winner.metrics.get("error", 1.0), max(fitted["valid_images"], 1.0)
    if kept and fitted["valid_error"] > known + noise_of(known, n):
        seen = f"{fitted['valid_error']:.4f} against {known:.4f}"
        return fitted, f"the last training came out worse on the validation part ({seen})"
    return fitted, ""


def seen_whole(run: Run) -> list[Trial]:
    """Trials that were last trained on pictures of their own size, and whose weights are there."""
    able = [t for t in run.study.history.trials.values() if t.measurements and saw_whole_pictures(run, t)]
    return [t for t in able if (Path(run.trial_folder(t)) / CHECKPOINT).exists()]


def as_left(run: Run, winner: Trial) -> Trial | None:
    """Which trial's network is delivered as the search left it: the best, whatever a last training would have made of it.

    Where the latency is limited, the winner, which was measured, if it is one of them.
    """
    able = seen_whole(run)
    best = best_trial(run.study.problem, run.study.history, able)
    if best is None or latency_limit(run) == math.inf:
        return best
    return winner if winner.id in {t.id for t in able} else winner_within(run, able)


def _pace(run: Run, winner: Trial, end: float) -> tuple[dict[str, float], float]:
    """How fast the winner trains on how many threads now that it has the machine to itself, and the seconds left."""
    arguments = {
        "config": dict(winner.config),
        "setup": dict(run.setup),
        "threads": run.threads,
        "seconds": min(0.02 * max(end - time.time(), 0.0), 2.0),
        "device": OWN_DEVICE,
    }
    calls: dict[str, tuple[str, dict[str, Any]]] = {"pace": ("seedleaf.learners.refit:pace", arguments)}
    measured = dict(call_all(run, calls, "refit", needed={"pace"})["pace"].value)
    # A run that was resumed too late still gets a model: a tenth of what the refit would take, at least.
    least = 0.1 * run.study.problem.full * measured["step_seconds"]
    return measured, max(end - time.time(), least, 1.0)


def _refit(
    run: Run, winner: Trial, steps: int, left: float, measured: Mapping[str, float]
) -> dict[str, float]:
    """The winner on train+valid for `left` seconds. While it trains, a second worker warms the exporter up."""
    steps = max(steps, unfinished_refit(run, winner))
    folder = run.folder / "refit" / f"{winner.id:04d}-{steps}"
    arguments = {
        "config": dict(winner.config),
        "setup": dict(run.setup),
        "folder": str(folder.resolve()),
        "steps": steps,
        "deadline": time.time() + left,
        "threads": int(measured["threads"]),
        "device": OWN_DEVICE,
        "parent": run.trial_folder(winner) if run.study.problem.kinship is not None else None,
    }
    run.study.note(
        "refitting", trial=winner.id, steps=steps, **{k: measured[k] for k in ("threads", "step_seconds")}
    )
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
        "max_latency": latency_limit(run),
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
