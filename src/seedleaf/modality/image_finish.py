"""Images, after the search: the winner is trained to the end on train+valid, exported, compared with the default."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.card import image_metrics, model_card, verdict
from seedleaf.core import Trial
from seedleaf.errors import RunError
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.finish import call_all
from seedleaf.learners.base import learner_named
from seedleaf.modality.base import Made
from seedleaf.planning import step_share
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT

if TYPE_CHECKING:
    from seedleaf.finish import Run


def make(run: Run, refit_end: float, staged: Path) -> Made:
    """Refit until `refit_end`, deliver to `staged`, compare with the default."""
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
    delivered, compared = _deliver_and_compare(run, winner, staged)
    costs = learner_named(str(run.setup.get("learner", "convnet"))).costs(run.spec, config)
    final = {
        "trial": winner.id,
        "config": config,
        **delivered,
        "params": costs["params"],
        "macs": costs["macs"],
        "refit_steps": int(fitted["steps"]),
        "refit_seconds": refit_seconds,
        "predict": f"seedleaf predict {run.folder} IMAGE",
    }
    card = partial(model_card, run.spec, final)
    told = verdict(run, winner, compared)
    return Made(final, told, image_metrics(final), card, fitted["train_seconds"], refit_seconds)


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
