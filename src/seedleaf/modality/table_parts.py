"""What a delivered table model is made of: a member's models of the folds, its fit on all training rows, or both.

Averaging the models of the folds costs no further fit and, where a learner's answers vary from fit to fit, gains more than
the fifth of the rows that each of them lacks; one more fit on all rows beside them wins that back where there is time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import Trial
from seedleaf.finish import call_all
from seedleaf.learners.tables.trial import model_file
from seedleaf.learners.tables.written import is_written

if TYPE_CHECKING:
    from seedleaf.finish import Run

Members = Sequence[tuple[Trial, float]]  # with their weights
BAGGED = ("boosting", "mlp")  # what varies from fit to fit
MORE_ROWS = 1.1  # trees or epochs for the fit on all rows over those that were best on fewer
GROW_ON = 2.5  # the same where the clock had ended the fits: their loss still fell
WORTH_IT = 0.5  # of the time that a fit needs: with less, the folds' models are better than a fit cut short


@dataclass(frozen=True)
class Fit:
    """A member's fit on all training rows: `seconds` are what it should take, `end` is when it must be over."""

    trial: Trial
    rounds: int
    seconds: float
    end: float


def refit_seconds(trial: Trial, folds: int) -> float:
    """What the fit on all rows will take, from what the folds took."""
    took = max((m.metrics.get("train_seconds", m.seconds) for m in trial.measurements), default=0.0)
    return 1.3 * took * folds / max(folds - 1, 1) + 0.3


def was_cut(trial: Trial) -> bool:
    """Did the clock end the fits of most folds?"""
    return trial.metrics.get("cut", 0.0) >= 0.5


def bag(trial: Trial, folder: Path, folds: int) -> list[Path]:
    """The models of the folds where averaging them is as good as a fit on all rows; else nothing."""
    able = trial.step == folds and trial.config["learner"] in BAGGED and not was_cut(trial)
    places = spare(trial, folder)
    return places if able and len(places) == folds else []


def spare(trial: Trial, folder: Path) -> list[Path]:
    """The models of those folds that it has done, as they were written."""
    places = [folder / model_file(j) for j in range(trial.step)]
    return [p for p in places if is_written(p)]


def plan(
    members: Members, bagged: Sequence[bool], spared: Sequence[bool], folds: int, workers: int, end: float
) -> list[Fit]:
    """Which members to fit on all rows, worker by worker as they come free: what must be first, then what there is time for.

    `bagged`: the models of its folds stand in for it; `spared`: there are some. A fit whose time is known to fall short is
    not begun where there is something in its place.
    """
    now = time.time()
    busy = [now] * workers
    fits = []
    order = sorted(range(len(members)), key=lambda i: (bagged[i], -members[i][1], i))
    for i in order:
        trial = members[i][0]
        seconds = refit_seconds(trial, folds)
        worker = min(range(workers), key=busy.__getitem__)
        left = end - busy[worker]
        if left < (seconds if bagged[i] else WORTH_IT * seconds) and spared[i]:
            continue
        cut = was_cut(trial)
        rounds = math.ceil((GROW_ON if cut else MORE_ROWS) * trial.metrics.get("rounds", 0.0))
        until = max(end, busy[worker] + max(0.5 * seconds, 0.5))
        fits.append(Fit(trial, rounds, seconds, until))
        busy[worker] = until if cut else min(busy[worker] + seconds, until)
    return fits


def make_parts(run: Run, members: Members, end: float) -> tuple[list[Path], list[float], float]:
    """Fit what is to be fitted by `end`; the models of the file, their weights, and the seconds of the fits."""
    folds = run.study.problem.full
    folders = [Path(run.trial_folder(t)) for t, _ in members]
    bags = [bag(t, f, folds) for (t, _), f in zip(members, folders, strict=True)]
    spares = [spare(t, f) for (t, _), f in zip(members, folders, strict=True)]
    fits = plan(members, [bool(b) for b in bags], [bool(s) for s in spares], folds, run.workers, end)
    trained = _fit(run, fits, needed={str(t.id) for (t, _), s in zip(members, spares, strict=True) if not s})
    places: list[Path] = []
    weights: list[float] = []
    for (trial, weight), bagged, spared in zip(members, bags, spares, strict=True):
        whole = [_place(run, trial)] if trial.id in trained else []
        folded = bagged or ([] if whole else spared)
        each = weight / 2 if whole and folded else weight
        for group in (whole, folded):
            places += group
            weights += [each / max(len(group), 1)] * len(group)
    return places, weights, sum(trained.values())


def _place(run: Run, trial: Trial) -> Path:
    return (run.folder / "refit" / f"{trial.id:04d}").resolve()


def _fit(run: Run, fits: Sequence[Fit], needed: set[str]) -> dict[int, float]:
    """Carry the fits out, side by side; by trial the seconds that they trained. One that fails is left out unless needed."""
    begun = time.time()
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    for fit in fits:
        arguments = {
            "config": dict(fit.trial.config),
            "setup": dict(run.setup),
            "place": str(_place(run, fit.trial)),
            "rounds": fit.rounds,
            "deadline": fit.end,
        }
        calls[str(fit.trial.id)] = ("seedleaf.learners.tables.deliver:refit", arguments)
    answers = call_all(run, calls, "refit", needed=needed & set(calls)) if calls else {}
    for name, answer in answers.items():
        if answer.error is not None:
            run.view.message(f"trial {name} is delivered as its folds left it: {answer.error}")
    run.study.note("refit", trials=[f.trial.id for f in fits], seconds=time.time() - begun)
    return {int(n): float(a.value["train_seconds"]) for n, a in answers.items() if a.error is None}
