"""Bounds of a compression, held against the graph that is delivered: nothing that breaks one is.

Trials are priced by a sketch of their graph, and timed in one moment of a machine that others use. So the best recipe is
written and measured as it will be delivered before it gets the time of the last training, and once more after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.compression.candidates import speed
from seedleaf.core import State, Trial
from seedleaf.errors import LimitError
from seedleaf.finish import call_all
from seedleaf.train import CHECKPOINT
from seedleaf.tuner.base import best_trial

if TYPE_CHECKING:
    from seedleaf.compressing.finish import Compressing
    from seedleaf.compressing.job import CompressJob

TRIED = 8  # recipes that are measured as they would be delivered before the bounds are given up


def times_asked(job: CompressJob) -> dict[str, float]:
    """The bounds on time, which are measured again where they seem broken: what else runs can only make a graph slower."""
    found = {} if job.speedup is None else {"speedup": job.speedup}
    return found | {m: v for m, v in job.at_most.items() if m == "latency_ms"}


def broken_bounds(job: CompressJob, found: Mapping[str, Any]) -> str:
    """What a graph, measured as it is delivered, does not keep; "" where it keeps all."""
    rows = []
    if job.speedup is not None and found["speedup"] < job.speedup:
        now, asked = speed(found["speedup"], ".4g"), f"{job.speedup:g}"
        rows.append(f"it is {now}, not {asked}" + ("" if now.endswith("faster") else " times faster"))
    measured = {**found, "latency_ms": found["latency_ms"]["median"]}
    rows += [
        f"{m} is {_said(measured[m])}, over {_said(v)}" for m, v in job.at_most.items() if measured[m] > v
    ]
    return ", ".join(rows)


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def winner_within(run: Compressing, over: dict[int, str], trained: bool = False) -> Trial | None:
    """The best trial that keeps the bounds as it would be delivered; None where none of TRIED does, or none was trained.

    `over` says of trials what they break; what is found out is added. With `trained` only those count whose weights are
    still there.
    """
    left = [
        t for t in run.study.trials if t.measurements and t.state is not State.FAILED and t.id not in over
    ]
    if trained:
        left = [t for t in left if (trial_folder(run, t) / CHECKPOINT).exists()]
    while len(over) < TRIED and (trial := best_trial(run.study.problem, run.study.history, left)) is not None:
        if keeps(run, trial, over):
            return trial
        left.remove(trial)
    return None


def keeps(run: Compressing, trial: Trial, over: dict[int, str]) -> bool:
    """Whether the trial keeps the bounds as it would be delivered; if not, `over` says what it breaks."""
    missed = _missed(run, trial)
    if missed:
        over[trial.id] = missed
        run.view.message(f"trial {trial.id} is not delivered: {missed}; the next best is looked at")
    return not missed


def none_keeps(over: Mapping[int, str]) -> LimitError:
    """That all recipes there are break a bound."""
    said = "no recipe that was found keeps the bounds when it is measured as it would be delivered"
    return LimitError(f"{said} ({told(over, 3)})")


def told(over: Mapping[int, str], most: int) -> str:
    """What the first so many trials of `over` break."""
    return "; ".join(f"trial {i}: {missed}" for i, missed in list(over.items())[:most])


def _missed(run: Compressing, trial: Trial) -> str:
    """What the trial's network breaks, before it gets its last training. Params and MACs are counted, in every trial."""
    from seedleaf.compressing.finish import stored_recipe

    if not times_asked(run.job) and "bytes" not in run.job.at_most:
        return ""
    arguments = {
        "recipe": stored_recipe(run, trial),
        "setup": dict(run.setup),
        "scratch": str(trial_folder(run, trial).resolve()),
        "bounds": times_asked(run.job),
    }
    calls = {"weigh": ("seedleaf.compression.finishing:weigh", arguments)}
    answer = call_all(run, calls, "export", needed=set())["weigh"]
    return answer.error if answer.error is not None else broken_bounds(run.job, answer.value)


def trial_folder(run: Compressing, trial: Trial) -> Path:
    return run.folder / "trials" / f"{trial.id:04d}"
