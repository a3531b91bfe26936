"""Which trial a compression delivers, also where its time was over before any had finished a step."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seedleaf.amounts import format_seconds
from seedleaf.compressing.limits import TRIED, keeps, none_keeps, trial_folder, winner_within
from seedleaf.core import State, Trial
from seedleaf.errors import RunError, Unfinished
from seedleaf.job import ARRAYS
from seedleaf.space import fingerprint

if TYPE_CHECKING:
    from seedleaf.compressing.finish import Compressing
    from seedleaf.compressing.job import CompressJob


def best_within(run: Compressing, over: dict[int, str], trained: bool = False) -> Trial:
    """The trial to deliver: the best that keeps the bounds, else the least harmful of the recipes that were looked at.

    `over` and `trained` as for `winner_within`. LimitError where all break a bound, RunError where there is none at all.
    """
    winner = winner_within(run, over, trained) or least_harmful(run, over)
    if winner is None:
        raise none_keeps(over) if over else _nothing(run)
    return winner


def least_harmful(run: Compressing, over: dict[int, str]) -> Trial | None:
    """Of the trials that were not trained but whose recipe is there, the one nearest to the original at first look.

    None where none keeps the bounds as it would be delivered; `over` says what each breaks. Its recipe then lies in its
    folder.
    """
    for _, _, trial, path in sorted(_looked(run), key=lambda row: row[:2]):
        if trial.id in over or len(over) >= TRIED:
            continue
        own = trial_folder(run, trial) / path.name
        if path != own:
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, own)
        if keeps(run, trial, over):
            return trial
    return None


def _looked(run: Compressing) -> Iterator[tuple[float, int, Trial, Path]]:
    """Harm, number, trial and recipe of those that were looked at or begun, and not trained."""
    from seedleaf.compression.resolving import RECIPE
    from seedleaf.compression.scout import looked_at

    looks = run.study.history.note("looks") or {"configs": (), "harms": ()}
    pairs = zip(looks["configs"], looks["harms"], strict=True)
    harms = {fingerprint(config): harm for config, harm in pairs if harm is not None}
    for trial in run.study.trials:
        own = trial_folder(run, trial) / RECIPE
        path = own if own.exists() else looked_at(run.setup, trial.config) / RECIPE
        if trial.state is not State.FAILED and not trial.measurements and path.exists():
            yield harms.get(fingerprint(dict(trial.config)), math.inf), trial.id, trial, path


def _nothing(run: Compressing) -> RunError:
    reasons = sorted({t.reason for t in run.study.trials if t.state is State.FAILED and t.reason})
    if reasons:
        return RunError(f"no recipe was trained in the time given: {'; '.join(reasons[:2])}")
    said = "the time was over before a recipe had been found that keeps the bounds"
    if not resumable(run.job):
        return RunError(f"{said}; give more --time")
    error = Unfinished(said)
    more = format_seconds(2 * run.job.time_limit)
    error.add_note(f"go on with: seedleaf resume {shlex.quote(str(run.folder))} --time {more}")
    return error


def resumable(job: CompressJob) -> bool:
    """Whether model and data lie on a disk, to be read again."""
    return job.of_run and Path(job.model).is_dir() and job.data != ARRAYS
