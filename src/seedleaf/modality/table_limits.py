"""Limits on the file of a table and on the time of a row: what is said of them, and why no model keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedleaf.core import Limit, Trial, format_ms
from seedleaf.errors import LimitError
from seedleaf.learners.tables.cost import reader_costs
from seedleaf.learners.tables.registry import family_name
from seedleaf.learners.tables.source import Source
from seedleaf.study import Study

if TYPE_CHECKING:
    from seedleaf.finish import Run

HOPELESS = (
    4.0  # times the limit on a latency that the reading of cells alone takes: no busy machine explains that
)


def check_reachable(limits: Mapping[str, float], source: Source) -> None:
    """LimitError where reading the cells of this table alone is beyond a limit: then nothing needs to be trained."""
    if not limits:
        return
    least = reader_costs(source)
    if least["bytes"] > limits.get("bytes", math.inf):
        raise LimitError(
            f"no model can have {limits['bytes']:,.0f} bytes: reading the cells of this table alone takes "
            f"{least['bytes']:,.0f}; give a larger --max-bytes, or a table with fewer columns"
        )
    if least["latency_ms"] > HOPELESS * limits.get("latency_ms", math.inf):
        raise LimitError(
            f"no model can take {limits['latency_ms']:g} ms a row: reading its cells alone takes "
            f"{least['latency_ms']:.3g}; give a larger --max-latency, or a table with fewer columns"
        )


def measured(study: Study) -> list[Trial]:
    return [t for t in study.trials if t.measurements]


def beyond(study: Study) -> str:
    """Why there is no winner though trials were measured: they all break a limit. "" where that is not the reason."""
    trials = measured(study)
    if not study.problem.limits or not trials:
        return ""
    least = [_nearest(limit, trials) for limit in study.problem.limits]
    return (
        f"no model that was tried keeps {_all(study)}: {'; '.join(least)}; give a larger limit or more --time"
    )


def out_of_reach(run: Run, reached: Mapping[str, Any]) -> str:
    """The same where trials had kept the limits, but no file does."""
    least = f"the smallest file has {reached['bytes']:,} bytes"
    if math.isfinite(took := float(reached["latency_ms"]["median"])):
        least += f", the quickest takes {format_ms(took)} a row"
    return (
        f"nothing is delivered, for no file keeps {_all(run.study)}: {least}; "
        f"if the machine was busy: seedleaf resume {run.folder}"
    )


def limits_told(study: Study, delivered: Mapping[str, Any]) -> dict[str, Any]:
    """{"limits": {metric: {"at_most", "has"}}} of a delivered file; nothing where nothing was asked for."""
    has = {"bytes": delivered["bytes"], "latency_ms": delivered["latency_ms"]["median"]}
    found = {x.metric: {"at_most": x.at_most, "has": has[x.metric]} for x in study.problem.limits}
    return {"limits": found} if found else {}


def _all(study: Study) -> str:
    return " and ".join(f"{x.metric} <= {said(x.metric, x.at_most)}" for x in study.problem.limits)


def said(metric: str, value: float) -> str:
    """A limit, or what there is of it, in words."""
    return f"{value:,.0f}" if metric == "bytes" else f"{value:.3g}"


def _nearest(limit: Limit, trials: list[Trial]) -> str:
    nearest = min(trials, key=lambda t: t.metrics.get(limit.metric, math.inf))
    which = f"trial {nearest.id}, {family_name(nearest.config)}"
    return f"the least {limit.metric} was {said(limit.metric, nearest.metrics.get(limit.metric, math.inf))} ({which})"
