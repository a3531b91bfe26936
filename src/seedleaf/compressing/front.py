"""The front of a compression: beside best/ recipes that go further, each fine-tuned, exported and measured into front/."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seedleaf.compressing.card import CONTROL_OF_BEST, card, kept_metrics, of_test, said_of
from seedleaf.compressing.finish import LONGEST_TUNING, Compressing, stored_recipe
from seedleaf.compressing.limits import broken_bounds, times_asked, trial_folder
from seedleaf.core import State, Trial
from seedleaf.executors.base import OWN_DEVICE
from seedleaf.finish import call_all, swap
from seedleaf.front.members import LEAST, MEMBERS
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.tuner.pareto import pareto_front
from seedleaf.tuner.spread import spread

SHORTEST = (
    2  # steps of a fine-tuning on all that is not the test part, else a member comes as its trial left it
)


def deliver_front(run: Compressing, final: Mapping[str, Any], end: float) -> None:
    """Choose the members, fine-tune them as far as the time to `end` allows, export and measure each beside the original."""
    winner = run.study.history.trials[int(final["trial"])]
    members = beside(run.study.trials, winner, run.job.tradeoff)
    tuned, untrained = _tuned(run, members, end)
    staged = run.folder / ".front.part"
    shutil.rmtree(staged, ignore_errors=True)
    rows, missed = _delivered(run, [m for m in members if m.id in tuned], tuned, staged)
    missed["failed"] += untrained
    no_time = len(members) - len(rows) - missed.total()
    place = run.folder / "front"
    shutil.rmtree(place, ignore_errors=True)
    order: list[dict[str, Any]] = []
    if rows:
        best = _best(final, winner, run.study.problem.full)
        order = sorted((best, *rows), key=lambda row: _cost(row, run.job.tradeoff))
        text = json.dumps(order, indent=2, ensure_ascii=False) + "\n"
        (staged / "front.json").write_text(text, encoding="utf-8")
        swap(staged, place)
    run.study.note("front", members=order, no_time=no_time, **missed)


def beside(trials: Sequence[Trial], winner: Trial, metric: str) -> list[Trial]:
    """Trials that no other beats in error and `metric` at once and that save LEAST of it, those first that stand for all."""
    able = [t for t in trials if t.state is not State.FAILED and {"error", metric} <= t.metrics.keys()]
    if winner not in able:
        return []
    points = np.array([[t.metrics["error"], t.metrics[metric]] for t in able])
    kept = [winner]
    for at in sorted(np.flatnonzero(pareto_front(points)), key=lambda i: (points[i, 0], able[i].id)):
        if all(able[at].metrics[metric] <= (1 - LEAST) * t.metrics[metric] for t in kept):
            kept.append(able[at])
    others = kept[1:]
    if not others:
        return []
    values = np.array([[t.metrics["error"], math.log(t.metrics[metric])] for t in others])
    return [others[i] for i in spread(values, [t.id for t in others])][:MEMBERS]


def _tuned(
    run: Compressing, members: Sequence[Trial], end: float
) -> tuple[dict[int, tuple[Path, int, bool]], int]:
    """trial -> the folder with its weights, its steps, and whether it saw all that is not the test part; and of how many
    there is nothing because their training failed."""
    found = {}
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    rounds = math.ceil(len(members) / run.job.workers) or 1
    each = max(end - time.time(), 0.0) / rounds
    for member in members:
        trained = trial_folder(run, member)
        if (trained / CHECKPOINT).exists():
            found[member.id] = trained, member.step, False
        steps = refit_steps(each / refit_step_seconds(member), LONGEST_TUNING * run.study.problem.full)
        if each / refit_step_seconds(member) < SHORTEST:
            continue
        calls[str(member.id)] = (
            "seedleaf.compression.finishing:finetune",
            {
                "config": dict(member.config),
                "recipe": stored_recipe(run, member),
                "setup": dict(run.setup),
                "folder": str((run.folder / "refit" / f"front-{member.id:04d}").resolve()),
                "steps": steps,
                "deadline": end - each * (rounds - 1 - len(calls) // run.job.workers),
                "device": OWN_DEVICE,
            },
        )
    answers = call_all(run, calls, "front", needed=set()) if calls else {}
    for name, answer in answers.items():
        if answer.error is None and answer.value["steps"] >= SHORTEST:
            found[int(name)] = Path(calls[name][1]["folder"]), int(answer.value["steps"]), True
    failed = sum(answer.error is not None and int(name) not in found for name, answer in answers.items())
    return found, failed


def _delivered(
    run: Compressing, members: Sequence[Trial], tuned: Mapping[int, tuple[Path, int, bool]], staged: Path
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Export and measure; the rows of those that came out, and how many did not for which reason."""
    calls = {
        str(m.id): (
            "seedleaf.compression.finishing:deliver",
            {
                "recipe": stored_recipe(run, m),
                "setup": dict(run.setup),
                "tuned": str(tuned[m.id][0].resolve()),
                "control": None,
                "out": str((staged / f"{m.id:04d}").resolve()),
                "config": dict(m.config),
                "bounds": times_asked(run.job),
            },
        )
        for m in members
    }
    rows, missed = [], Counter(over=0, failed=0)
    answers = call_all(run, calls, "front", needed=set()) if calls else {}
    for member in members:
        answer, folder = answers[str(member.id)], staged / f"{member.id:04d}"
        if why := answer.error or broken_bounds(run.job, answer.value):
            run.view.message(f"{member.id:04d} is not in front/: {why}")
            shutil.rmtree(folder, ignore_errors=True)
            missed["over" if answer.error is None else "failed"] += 1
            continue
        _, steps, whole = tuned[member.id]
        final = {"trial": member.id, **answer.value, "refit_steps": steps}
        (folder / "metrics.json").write_text(
            json.dumps(kept_metrics(run, final), indent=2) + "\n", encoding="utf-8"
        )
        said = f"{said_of(final)}; {CONTROL_OF_BEST}{of_test(run)}"
        (folder / "README.md").write_text(card(run, final, said), encoding="utf-8")
        rows.append(
            _row(final, f"front/{member.id:04d}")
            | {
                "valid_error": member.metrics["error"],
                "full": run.study.problem.full,
                "trained_on": "train+valid" if whole else "train",
            }
        )
    return rows, missed


def _row(final: Mapping[str, Any], folder: str) -> dict[str, Any]:
    kept = ("trial", "test", "params", "macs", "bytes", "latency_ms", "speedup", "drop")
    return {
        "folder": folder,
        "test_accuracy": final["test"]["accuracy"],
        "steps": final["refit_steps"],
        **{k: final[k] for k in kept},
    }


def _best(final: Mapping[str, Any], winner: Trial, full: int) -> dict[str, Any]:
    row = _row(final, "best") | {"full": full, "trained_on": final["trained_on"]}
    # Where no step of the last training came about, the network still had those of its trial.
    return row | ({"steps": winner.step} if final["trained_on"] == "train" else {})


def _cost(row: Mapping[str, Any], metric: str) -> float:
    value = row[metric]
    return float(value["median"] if isinstance(value, Mapping) else value)
