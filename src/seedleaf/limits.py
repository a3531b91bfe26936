"""Limits that only a measurement can tell: the winner is one that keeps them, nothing that breaks one is delivered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from seedleaf.core import Trial, format_ms
from seedleaf.errors import LimitError
from seedleaf.finish import Run, call_all
from seedleaf.horizon import able, most_promising
from seedleaf.planning import step_share

TRIED = 12  # trials whose latency is measured before a limit on it is given up


def latency_limit(run: Run) -> float:
    """Milliseconds; +inf where there is no limit."""
    return next((x.at_most for x in run.study.problem.limits if x.metric == "latency_ms"), math.inf)


def winner_within(run: Run, trials: Iterable[Trial] | None = None) -> Trial:
    """The most promising of `trials` (all), or the default where none was measured; where the latency is limited, of those
    whose network keeps the limit when it is measured. LimitError where none of TRIED does."""
    limit, share = latency_limit(run), step_share(run.study.history)
    left = able(run.study.trials if trials is None else trials)
    if limit == math.inf:
        return most_promising(run.study, left, share) or run.default
    quickest = math.inf
    for _ in range(TRIED):
        trial = most_promising(run.study, left, share)
        if trial is None:
            break
        took = _milliseconds(run, trial, limit)
        if took <= limit:
            return trial
        quickest = min(quickest, took)
        run.view.message(
            f"trial {trial.id} takes {format_ms(took)} an image, more than the limit: the next best is taken"
        )
        left.remove(trial)
    raise LimitError(
        f"no network that was trained keeps latency_ms <= {limit:g} when it is measured (the quickest took "
        f"{quickest:.3g}); if the machine was busy, go on with: seedleaf resume {run.folder}"
    )


def _milliseconds(run: Run, trial: Trial, limit: float) -> float:
    arguments = {
        "config": dict(trial.config),
        "setup": dict(run.setup),
        "scratch": str(run.folder.resolve()),
        "at_most": limit,
    }
    calls = {"latency": ("seedleaf.export:untrained_latency", arguments)}
    return float(call_all(run, calls, "export", needed={"latency"})["latency"].value["median"])


def check_limits(run: Run, found: Mapping[str, Any]) -> None:
    """LimitError where what is to be delivered breaks a limit: then it is not delivered."""
    took = found.get("latency_ms")
    measured = {**found, "latency_ms": took["median"] if took else 0.0}
    broken = [x for x in run.study.problem.limits if measured.get(x.metric, 0.0) > x.at_most]
    if broken:
        said = ", ".join(f"{x.metric} is {measured[x.metric]:g}, the limit {x.at_most:g}" for x in broken)
        raise LimitError(
            f"the network is not delivered: {said}; if the machine was busy: seedleaf resume {run.folder}"
        )
