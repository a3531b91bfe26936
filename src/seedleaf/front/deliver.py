"""The front as a result: beside best/ lighter networks that give away accuracy, each exported and measured.

front/0007/ holds trial 7 as best/ holds the winner. Where time is kept for it, the winner is trained anew at smaller widths
(front/0012-w50/), and members that the search had stopped early are trained to the end, on all that is not the test
part; else members come as their trial left them, and their card says so. Where the search was against latency, members are
chosen by what their configs tell of it and judged by measurements (speed.py).
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seedleaf.card import member_card
from seedleaf.core import Trial
from seedleaf.errors import LimitError
from seedleaf.executors.base import Returned
from seedleaf.finish import Run, call_all, swap
from seedleaf.front.members import MEMBERS, SPEED, Member, given_for, milliseconds, narrower, pick
from seedleaf.front.speed import judged, judging_seconds
from seedleaf.front.training import Trained, learner_in, train_members, was_sought
from seedleaf.limits import check_limits, latency_limit


def deliver_front(run: Run, end: float) -> None:
    """Choose the members, train those that need it as far as time allows, export and measure them into front/."""
    final = run.study.history.note("final") or {}
    best = run.study.history.trials[int(final["trial"])]
    costs = given_for(run.study.problem.objectives)
    chosen = pick(run.study.trials, best, _worst(run, best), costs=costs)
    wanted = [*narrower(learner_in(run), run.spec, best, costs), *chosen]
    winner, spare = _best_row(final, run.study.problem.full), 0.0
    if costs == SPEED:
        spare = judging_seconds(winner, min(len(wanted), MEMBERS))
    trained = train_members(run, wanted, end - spare - _delivery(run, min(len(wanted), MEMBERS)))
    members = [m for m in wanted if m.name in trained]
    anew = [t.steps for t in trained.values() if t.whole]
    if anew:  # beside these, what was stopped earlier says nothing of its size
        full = run.study.problem.full
        least = min(full, *anew) if was_sought(run) else full
        members = [m for m in members if trained[m.name].whole or trained[m.name].steps >= least]
    staged = run.folder / ".front.part"
    shutil.rmtree(staged, ignore_errors=True)
    rows, missed = _deliver(run, members, trained, staged, end - spare)
    measured = len(rows)
    if costs == SPEED:
        seen = {f"front/{name}": t.seen for name, t in trained.items()}
        rows = judged(run, winner, rows, staged, end - time.time(), seen)
    place = run.folder / "front"
    if rows:
        order = sorted(
            (winner, *rows), key=milliseconds if costs == SPEED else lambda row: float(row["macs"])
        )
        text = json.dumps(order, indent=2, ensure_ascii=False) + "\n"
        (staged / "front.json").write_text(text, encoding="utf-8")
        swap(staged, place)
    else:
        order = []
        for folder in (place, staged):
            shutil.rmtree(folder, ignore_errors=True)
    run.study.note("front", members=order, **missed, slower=measured - len(rows))


def _worst(run: Run, best: Trial) -> float:
    """Half-way from the best to always giving the most frequent class: above that a network is of no use."""
    trivial = float((run.study.history.note("baseline") or {}).get("error", 1.0))
    return (trivial + best.metrics.get("error", 0.0)) / 2


def _delivery(run: Run, members: int) -> float:
    """Seconds that exporting and measuring so many takes, about: a pass over the test part each."""
    plan = run.study.history.note("plan") or {}
    a_pass = float(plan.get("epoch_seconds", 0.0)) * run.spec.n_test / max(run.spec.n_train, 1) / 3
    return float(1.0 + a_pass) * math.ceil(members / run.workers)


def _deliver(
    run: Run, members: Sequence[Member], trained: Mapping[str, Trained], staged: Path, end: float
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Export and measure, as many side by side as there are workers, until a round more would end too late; the rows, and
    how many have none for which reason."""
    rows: list[dict[str, Any]] = []
    missed = Counter(no_time=len(members), over=0, failed=0)
    round_seconds = _delivery(run, 1)
    for first in range(0, len(members), run.workers):
        begun = time.time()
        if begun + round_seconds > end:
            break
        batch = members[first : first + run.workers]
        calls = {m.name: _call(run, m, trained[m.name].checkpoint, staged) for m in batch}
        answers = call_all(run, calls, "front", needed=set())
        missed["no_time"] -= len(batch)
        for member in batch:
            answer = answers[member.name]
            why = answer.error or _broken(run, member, answer.value)
            if why is not None:
                run.view.message(f"{member.name} is not in front/: {why}")
                shutil.rmtree(staged / member.name, ignore_errors=True)
                missed["over" if answer.error is None else "failed"] += 1
                continue
            rows.append(_keep(run, member, answer, trained[member.name], staged))
        round_seconds = time.time() - begun
    return rows, dict(missed)


def _call(run: Run, member: Member, checkpoint: Path, staged: Path) -> tuple[str, dict[str, Any]]:
    arguments = {
        "config": dict(member.config),
        "setup": dict(run.setup),
        "checkpoint": str(checkpoint.resolve()),
        "out": str((staged / member.name).resolve()),
        "max_latency": latency_limit(run),
    }
    return "seedleaf.export:deliver", arguments


def _broken(run: Run, member: Member, delivered: Mapping[str, Any]) -> str | None:
    """Which limit the exported network breaks, if any."""
    try:
        check_limits(run, {**learner_in(run).costs(run.spec, member.config), **delivered})
    except LimitError as error:
        return str(error)
    return None


def _keep(run: Run, member: Member, answer: Returned, trained: Trained, staged: Path) -> dict[str, Any]:
    """Write the member's metrics and card; its row of the front."""
    costs = learner_in(run).costs(run.spec, member.config)
    row = {
        "trial": member.trial.id,
        "share_of_widths": member.share,
        "folder": f"front/{member.name}",
        "test_accuracy": answer.value["test"]["accuracy"],
        "test": answer.value["test"],
        "valid_error": member.error,
        "params": costs["params"],
        "macs": costs["macs"],
        "bytes": answer.value["bytes"],
        "latency_ms": answer.value["latency_ms"],
        "steps": trained.steps,
        "full": run.study.problem.full,
        "trained_on": "train+valid" if trained.whole else "train",
    }
    folder = staged / member.name
    text = json.dumps({**row, "per_class": answer.value["per_class"]}, indent=2, ensure_ascii=False) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(member_card(run.spec, row), encoding="utf-8")
    return row


def _best_row(final: Mapping[str, Any], full: int) -> dict[str, Any]:
    """The winner's row."""
    kept = ("trial", "test", "params", "macs", "bytes", "latency_ms", "trained_on")
    return {
        "folder": "best",
        "test_accuracy": final["test"]["accuracy"],
        "steps": final["refit_steps"],
        "full": full,
        **{k: final[k] for k in kept},
    }
