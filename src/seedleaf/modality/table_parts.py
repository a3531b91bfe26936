"""What a delivered table model is made of: a member's models of the folds, its fit on all training rows, or both.

Averaging the models of the folds costs no further fit and, where a learner's answers vary from fit to fit, gains more than
the fifth of the rows that each of them lacks; one more fit on all rows wins that back where there is time, and then two of
them beside it are enough. Where folds are in the order of time, all but the last have seen old rows only: then it is the fit
on all rows alone, or the last fold's model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import Trial
from seedleaf.finish import call_all
from seedleaf.learners.tables.registry import split_config
from seedleaf.learners.tables.trial import model_file
from seedleaf.learners.tables.written import is_written

if TYPE_CHECKING:
    from seedleaf.finish import Run

Members = Sequence[tuple[Trial, float]]  # with their weights
MORE_ROWS = 1.1  # trees or epochs for the fit on all rows over those that were best on fewer
GROW_ON = 2.5  # the same where the clock had ended the fits: their loss still fell
BESIDE = 2  # models of the folds beside a fit on all rows: more of them are bytes for nothing (benchmarks/RESULTS.md)
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


def bag(trial: Trial, folder: Path, folds: int, ordered: bool = False) -> list[Path]:
    """The models of the folds where averaging them is as good as a fit on all rows; else nothing."""
    able = trial.step == folds and split_config(trial.config)[0].varies and not was_cut(trial) and not ordered
    places = spare(trial, folder)
    return places if able and len(places) == folds else []


def spare(trial: Trial, folder: Path, ordered: bool = False) -> list[Path]:
    """The models of those folds that it has done, as they were written; of `ordered` folds the last alone."""
    places = [p for j in range(trial.step) if is_written(p := folder / model_file(j))]
    return places[-1:] if ordered else places


def averaged(bagged: Sequence[Path], spared: Sequence[Path], whole: bool) -> list[Path]:
    """Which models of the folds go into the file, `whole` = beside a fit on all rows."""
    return list(bagged[:BESIDE] if whole else bagged or spared)


def rounds_of(trial: Trial, ordered: bool = False) -> float:
    """The trees or epochs that were best in the folds, on average; of `ordered` folds in the last, which has most rows."""
    rounds = trial.metrics.get("rounds", 0.0)
    return trial.metrics.get("own_rounds", rounds) if ordered else rounds


def plan(
    members: Members,
    bagged: Sequence[bool],
    spared: Sequence[bool],
    folds: int,
    workers: int,
    end: float,
    ordered: bool = False,
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
        rounds = math.ceil((GROW_ON if cut else MORE_ROWS) * rounds_of(trial, ordered))
        until = max(end, busy[worker] + max(0.5 * seconds, 0.5))
        fits.append(Fit(trial, rounds, seconds, until))
        busy[worker] = until if cut else min(busy[worker] + seconds, until)
    return fits


@dataclass(frozen=True)
class Parts:
    """What a file may be made of: models with their weights, those of `members`; `power` calibrates their answers."""

    places: Sequence[Path]
    weights: Sequence[float]
    members: Members
    power: float = 1.0


@dataclass(frozen=True)
class Models:
    """The models of a member: its fit on all rows, if there is one, and those of its folds that are averaged beside it;
    `spared` are all of its folds that there are."""

    trial: Trial
    weight: float
    whole: Sequence[Path]
    folded: Sequence[Path]
    spared: Sequence[Path]

    def parts(self) -> tuple[list[Path], list[float]]:
        each = self.weight / 2 if self.whole and self.folded else self.weight
        groups = (self.whole, self.folded)
        return [*self.whole, *self.folded], [each / len(g) for g in groups for _ in g]

    @property
    def one(self) -> Models:
        """With the one model that says most."""
        return replace(self, whole=[*self.whole, *self.spared][:1], folded=[])


def together(made: Sequence[Models], power: float) -> Parts:
    """One file of them all."""
    places: list[Path] = []
    weights: list[float] = []
    total = sum(m.weight for m in made)
    for one in made:
        some, shares = one.parts()
        places, weights = places + some, weights + [w / total for w in shares]
    return Parts(places, weights, [(m.trial, m.weight / total) for m in made], power)


def smaller(made: Sequence[Models], others: Sequence[tuple[Trial, Path]], power: float) -> list[Parts]:
    """What stands in for all of `made` where that breaks a limit, richest first: fewer models of members, fewer members, the
    first alone; then `others`, each a trial with a model that had kept the limits."""
    order = sorted(made, key=lambda m: -m.weight)
    found = [
        together([m if i < k else m.one for i, m in enumerate(order)], power)
        for k in range(len(order) - 1, -1, -1)
    ]
    found += [together([m.one for m in order[:n]], power) for n in range(len(order) - 1, 1, -1)]
    found += [together([m.one], 1.0) for m in made]
    found += [Parts([place], [1.0], [(trial, 1.0)]) for trial, place in others]
    return [p for i, p in enumerate(found) if p.places not in [q.places for q in found[:i]]]


def make_parts(run: Run, members: Members, end: float) -> tuple[list[Models], float]:
    """Fit what is to be fitted by `end`; the models of each member, and the seconds of the fits."""
    folds = run.study.problem.full
    ordered = bool(run.spec.schema.order_by)
    folders = [Path(run.trial_folder(t)) for t, _ in members]
    bags = [bag(t, f, folds, ordered) for (t, _), f in zip(members, folders, strict=True)]
    spares = [spare(t, f, ordered) for (t, _), f in zip(members, folders, strict=True)]
    bagged, spared = ([bool(x) for x in each] for each in (bags, spares))
    fits = plan(members, bagged, spared, folds, run.workers, end, ordered)
    trained = _fit(run, fits, needed={str(t.id) for (t, _), s in zip(members, spares, strict=True) if not s})
    made = []
    for (trial, weight), some, spare_ones in zip(members, bags, spares, strict=True):
        whole = [_place(run, trial)] if trial.id in trained else []
        made.append(Models(trial, weight, whole, averaged(some, spare_ones, bool(whole)), spare_ones))
    return made, sum(trained.values())


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
