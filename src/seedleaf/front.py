"""The front as a result: beside best/ the smaller networks of the search that no other beats, each exported and measured.

front/0007/ holds trial 7 as best/ holds the winner. Where time is kept for it, members that the search had stopped early are
trained to the end on all that is not the test part; else they come as their trial left them, and their card says so.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.card import member_card
from seedleaf.core import State, Trial
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.finish import Run, call_all, swap
from seedleaf.learners.base import learner_named
from seedleaf.planning import step_share
from seedleaf.timing import refit_step_seconds
from seedleaf.train import CHECKPOINT
from seedleaf.train.ramp import Ramp
from seedleaf.tuner.pareto import pareto_front
from seedleaf.tuner.spread import spread

MEMBERS = 5  # beside the best: what a person looks at, and what a few seconds measure
ENOUGH = 0.5  # of the full steps: a shorter final training is worth less than what the trial had learned


def deliver_front(run: Run, end: float) -> None:
    """Choose the members, train those that need it as far as time allows, export and measure them into front/."""
    final = run.study.history.note("final") or {}
    best = run.study.history.trials[int(final["trial"])]
    members = pick(run.study.trials, best, _worst(run, best))
    checkpoints = _train(run, members, end)
    members = [t for t in members if t.id in checkpoints]
    staged = run.folder / ".front.part"
    shutil.rmtree(staged, ignore_errors=True)
    rows = _deliver(run, members, checkpoints, staged, end)
    place = run.folder / "front"
    if rows:
        order = sorted((_best_row(final), *rows), key=lambda row: row["macs"])
        text = json.dumps(order, indent=2, ensure_ascii=False) + "\n"
        (staged / "front.json").write_text(text, encoding="utf-8")
        swap(staged, place)
    else:
        order = []
        shutil.rmtree(place, ignore_errors=True)
    run.study.note("front", members=order, left_out=len(members) - len(rows))


def pick(trials: Iterable[Trial], best: Trial, worst: float, members: int = MEMBERS) -> list[Trial]:
    """Of the trials that no other beats in validation error, multiply-adds and parameters at once, those that stand for
    all of them, first the one that adds most; without `best` and without any whose error is above `worst`."""
    able = [
        t
        for t in trials
        if t.id == best.id
        or (t.state is not State.FAILED and t.measurements and t.metrics.get("error", math.inf) <= worst)
    ]
    costly = [t for t in able if {"error", "macs", "params"} <= t.metrics.keys()]
    if not costly:
        return []
    points = np.array([[t.metrics[k] for k in ("error", "macs", "params")] for t in costly])
    points[:, 1:] = np.log(np.maximum(points[:, 1:], 1.0))
    on = np.flatnonzero(pareto_front(points))
    order = spread(points[on], [costly[i].id for i in on])
    chosen = [costly[on[i]] for i in order]
    # Equal in everything (or as good and no smaller than the best): one of them is enough.
    return [t for t in _distinct(chosen) if t.id != best.id and not _same(t, best)][:members]


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    kept: list[Trial] = []
    for trial in trials:
        if not any(_same(trial, other) for other in kept):
            kept.append(trial)
    return kept


def _same(one: Trial, other: Trial) -> bool:
    return all(one.metrics[k] == other.metrics.get(k) for k in ("macs", "params"))


def _worst(run: Run, best: Trial) -> float:
    """Half-way from the best to always giving the most frequent class: above that a network is of no use."""
    trivial = float((run.study.history.note("baseline") or {}).get("error", 1.0))
    return (trivial + best.metrics.get("error", 0.0)) / 2


# --- training ---


def _train(run: Run, members: Sequence[Trial], end: float) -> dict[int, Path]:
    """The checkpoint that each member is delivered from; none where there is nothing that could be."""
    full = run.study.problem.full
    share = step_share(run.study.history)
    ready = {t.id: Path(run.trial_folder(t)) / CHECKPOINT for t in members if _saw_whole_pictures(run, t)}
    seconds = end - time.time() - _delivery(run, len(members))
    short = [t for t in members if t.step < full and t.measurements]
    needs = {t.id: full * refit_step_seconds(t, share) for t in short}
    chosen = fitting(needs, seconds, run.workers)
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    folders = {t: run.folder / "refit" / f"front-{t:04d}" for t in chosen}
    for trial in (t for t in members if t.id in chosen):
        arguments = {
            "config": dict(trial.config),
            "setup": dict(run.setup),
            "folder": str(folders[trial.id].resolve()),
            "steps": full,
            "deadline": time.time() + seconds,
            "threads": 1,
            "device": OWN_DEVICE,
        }
        calls[str(trial.id)] = ("seedleaf.learners.refit:refit", arguments)
    answers = call_all(run, calls, "front", needed=set()) if calls else {}
    for name, answer in answers.items():
        if answer.error is None and answer.value["steps"] >= ENOUGH * full:
            ready[int(name)] = folders[int(name)] / CHECKPOINT
    return {t: path for t, path in ready.items() if path.exists()}


def fitting(needs: Mapping[int, float], seconds: float, workers: int) -> list[int]:
    """Those of `needs` (seconds each, the first one first) that `workers` can do side by side within `seconds`."""
    loads = [0.0] * workers
    chosen = []
    for trial, need in needs.items():
        lightest = loads.index(min(loads))
        if loads[lightest] + need <= seconds:
            loads[lightest] += need
            chosen.append(trial)
    return chosen


def _saw_whole_pictures(run: Run, trial: Trial) -> bool:
    """A trial that was stopped while pictures were small does not know them at their size."""
    ramp = Ramp(str(run.setup.get("fidelity", "epochs")), run.study.problem.full)
    return ramp.at(trial.step).side == 1


# --- delivery ---


def _delivery(run: Run, members: int) -> float:
    """Seconds that exporting and measuring so many takes, about: a pass over the test part each."""
    plan = run.study.history.note("plan") or {}
    a_pass = float(plan.get("epoch_seconds", 0.0)) * run.spec.n_test / max(run.spec.n_train, 1) / 3
    return float(1.0 + a_pass) * math.ceil(members / run.workers)


def _deliver(
    run: Run, members: Sequence[Trial], checkpoints: Mapping[int, Path], staged: Path, end: float
) -> list[dict[str, Any]]:
    """Export and measure, as many side by side as there are workers, until a round more would end too late."""
    rows: list[dict[str, Any]] = []
    round_seconds = _delivery(run, 1)
    for first in range(0, len(members), run.workers):
        begun = time.time()
        if begun + round_seconds > end:
            break
        batch = members[first : first + run.workers]
        calls = {str(t.id): _call(run, t, checkpoints[t.id], staged) for t in batch}
        answers = call_all(run, calls, "front", needed=set())
        for trial in batch:
            answer = answers[str(trial.id)]
            if answer.error is not None:
                run.view.message(f"trial {trial.id} is not in front/: {answer.error}")
                shutil.rmtree(staged / f"{trial.id:04d}", ignore_errors=True)
                continue
            rows.append(_keep(run, trial, answer, checkpoints[trial.id], staged))
        round_seconds = time.time() - begun
    return rows


def _call(run: Run, trial: Trial, checkpoint: Path, staged: Path) -> tuple[str, dict[str, Any]]:
    arguments = {
        "config": dict(trial.config),
        "setup": dict(run.setup),
        "checkpoint": str(checkpoint.resolve()),
        "out": str((staged / f"{trial.id:04d}").resolve()),
    }
    return "seedleaf.export:deliver", arguments


def _keep(run: Run, trial: Trial, answer: Returned, checkpoint: Path, staged: Path) -> dict[str, Any]:
    """Write the member's metrics and card; its row of the front."""
    learner = learner_named(str(run.setup.get("learner", "convnet")))
    costs = learner.costs(run.spec, trial.config)
    full = run.study.problem.full
    refitted = checkpoint.parent.parent.name == "refit"
    row = {
        "trial": trial.id,
        "folder": f"front/{trial.id:04d}",
        "test_accuracy": answer.value["test"]["accuracy"],
        "test": answer.value["test"],
        "valid_error": trial.metrics["error"],
        "params": costs["params"],
        "macs": costs["macs"],
        "bytes": answer.value["bytes"],
        "latency_ms": answer.value["latency_ms"],
        "steps": full if refitted else trial.step,
        "full": full,
        "trained_on": "train+valid" if refitted else "train",
    }
    folder = staged / f"{trial.id:04d}"
    text = json.dumps({**row, "per_class": answer.value["per_class"]}, indent=2, ensure_ascii=False) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(member_card(run.spec, row), encoding="utf-8")
    return row


def _best_row(final: Mapping[str, Any]) -> dict[str, Any]:
    """The winner's row."""
    kept = ("trial", "test", "params", "macs", "bytes", "latency_ms")
    return {
        "folder": "best",
        "test_accuracy": final["test"]["accuracy"],
        "steps": final["refit_steps"],
        **{k: final[k] for k in kept},
    }
