"""Trials that failed for their config alone, which cannot keep the bounds: nothing went wrong."""

from __future__ import annotations

from seedleaf.core.history import Trial
from seedleaf.core.types import State

OUT_OF_REACH = "out of reach"  # how the reason of such a trial begins


def out_of_reach(trial: Trial) -> bool:
    """Whether a trial failed only because its config cannot keep the bounds."""
    return trial.state is State.FAILED and trial.reason.startswith(OUT_OF_REACH)
