"""What a compression delivers where its time was over before any trial had finished a step."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import State, Trial
from seedleaf.errors import RunError, Unfinished
from seedleaf.job import ARRAYS
from seedleaf.space import fingerprint
from seedleaf.timing import format_seconds

if TYPE_CHECKING:
    from seedleaf.compress_finish import Compressing
    from seedleaf.compress_job import CompressJob


def least_harmful(run: Compressing) -> Trial:
    """Of the trials whose recipe is there, measured and within the targets, the one nearest to the original at first look.

    Its recipe then lies in its folder. Unfinished (RunError where trials have failed) where there is none.
    """
    from seedleaf.compression.resolving import RECIPE
    from seedleaf.compression.scout import looked_at

    looks = run.study.history.note("looks") or {"configs": (), "harms": ()}
    pairs = zip(looks["configs"], looks["harms"], strict=True)
    harms = {fingerprint(config): harm for config, harm in pairs if harm is not None}
    found: list[tuple[float, int, Trial, Path]] = []
    for trial in run.study.trials:
        own = run.folder / "trials" / f"{trial.id:04d}" / RECIPE
        path = own if own.exists() else looked_at(run.setup, trial.config) / RECIPE
        if trial.state is not State.FAILED and path.exists():
            found.append((harms.get(fingerprint(dict(trial.config)), math.inf), trial.id, trial, path))
    if not found:
        raise _nothing(run)
    _, _, chosen, path = min(found)
    own = run.folder / "trials" / f"{chosen.id:04d}" / RECIPE
    if path != own:
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, own)
    return chosen


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
    return Path(job.model).is_dir() and job.data != ARRAYS


def remark(winner: Trial, fitted: Mapping[str, Any]) -> str:
    """How much less than a search and a fine-tuning the delivered network has had; empty where it has had both."""
    steps, seconds = int(fitted["steps"]), float(fitted["train_seconds"])
    if winner.measurements:
        return "" if steps else "there was no time to fine-tune it longer than its trial"
    begun = "no trial was finished in the time given, so this is the least harmful of the recipes that were looked at"
    if not steps:
        return f"{begun}; it was not fine-tuned"
    return f"{begun}, fine-tuned for {format_seconds(max(seconds, 1.0))}"
