"""What a person reads when a run is over: a leaderboard of five rows, one honest verdict, the next command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedleaf.amounts import format_seconds
from seedleaf.core import format_ms, objectives_of, out_of_reach
from seedleaf.data.tables.words import part_of_folds
from seedleaf.front.members import SPEED, given_for, milliseconds
from seedleaf.report import leaderboard

if TYPE_CHECKING:
    from seedleaf.result import Result


def as_body(result: Result) -> dict[str, Any]:
    """The final JSON of `--json`."""
    history = result.history
    states: dict[str, int] = {}
    for trial in history.trials.values():
        state = "out_of_reach" if out_of_reach(trial) else str(trial.state)
        states[state] = states.get(state, 0) + 1
    verdict = history.note("verdict") or {}
    shares = history.note("shares") or {}
    return {
        "run": str(result.folder),
        "model": str(result.best.path / "model.onnx"),
        "report": str(result.folder / "report.html"),
        "metrics": {k: v for k, v in result.best.metrics.items() if k != "per_class"},
        "config": result.best.config,
        "front": result.front_rows,
        "baseline": history.note("baseline"),
        "verdict": verdict.get("text"),
        "trials": states,
        "training_share": shares.get("training"),
        "seconds": (history.note("took") or {}).get("seconds"),
    }


def as_lines(result: Result) -> list[str]:
    """At most 10 lines."""
    body, metrics = as_body(result), result.best.metrics
    front = [row for row in body["front"] if row["folder"] != "best"]
    lines = _board(result, rows=4 if front else 5)
    table = "macs" not in metrics
    lines.append(_tested(metrics) if table else _seen(metrics))
    if front:
        lines.append(_smaller(result, front))
    if body["verdict"]:
        lines.append(body["verdict"])
    took, share = body["seconds"], body["training_share"]
    spent = (
        f"took {format_seconds(took)}; {share:.0%} of the workers' time was training; "
        if took and share
        else ""
    )
    lines.append(f"{spent}report {result.folder / 'report.html'}")
    lines.append(f"next    seedleaf predict {result.folder} {'FILE.csv' if table else 'IMAGE'}")
    return lines


def _seen(metrics: Mapping[str, Any]) -> str:
    """A classifier of images in one line."""
    test = metrics["test"]
    return (
        f"test accuracy {test['accuracy']:.4f} ({test['low']:.4f} to {test['high']:.4f}), "
        f"{metrics['params']:,} params, {metrics['macs']:,} MACs, {metrics['bytes'] / 1000:.0f} kB, "
        f"{format_ms(metrics['latency_ms']['median'])} an image"
    )


def _tested(metrics: Mapping[str, Any]) -> str:
    """A model of a table in one line: what it was chosen by first."""
    test = metrics["test"]
    names = dict.fromkeys((str(metrics["metric"]), "accuracy", "auc", "r2"))
    shown = ", ".join(f"{k} {test[k]:.4g}" for k in names if k in test)
    size, median = metrics["bytes"] / 1000, metrics["latency_ms"]["median"]
    folds = ", ".join(f"{k} {v:.4g}" for k, v in dict(metrics.get("cross_validated") or {}).items())
    part = f"{told}; " if (told := part_of_folds(metrics.get("folds"))) else ""
    said = f"test    {shown}" if shown else f"folds   {folds} ({part}no test rows)"
    return f"{said}, {size:,.0f} kB, {median:.3f} ms a row"


def _smaller(result: Result, front: list[dict[str, Any]]) -> str:
    """The front in one line: how many there are, and the lightest and the most accurate of them."""
    lightest, best = front[0], max(front, key=lambda row: row["test_accuracy"])
    shown = [lightest] if lightest is best else [lightest, best]
    quick = given_for(objectives_of(result.history)) == SPEED
    costs = [format_ms(milliseconds(x)) if quick else f"{x['macs']:,} MACs" for x in shown]
    said = ", ".join(f"{cost} {x['test_accuracy']:.4f}" for cost, x in zip(costs, shown, strict=True))
    return f"front   {len(front)} {'quicker' if quick else 'lighter'} in {result.folder / 'front'}: {said}"


def _board(result: Result, rows: int) -> list[str]:
    rows_shown = leaderboard(result.history, rows)
    lines = [f"{'':>4} {'config':<28} {_judged_by(result):>11} {'params':>9} {'steps':>6} {'seconds':>8}"]
    for row in rows_shown:
        lines.append(
            f"{row.rank or '':>4} {row.label:<28.28} {_number(row.value, '.4f'):>11} {_number(row.params, ',.0f'):>9} "
            f"{row.steps or '':>6} {_number(row.seconds, '.1f'):>8}"
        )
    return lines


def _judged_by(result: Result) -> str:
    objectives = result.history.header.get("objectives") or [{"metric": "error"}]
    return f"valid {objectives[0]['metric']}"


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)
