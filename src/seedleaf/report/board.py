"""The leaderboard: the best trials, and always the trivial baseline and the default config to hold them against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from seedleaf.core import OUT_OF_REACH, History, State
from seedleaf.report.facts import Facts, Row, number, read


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the leaderboard. `rank` counts trials only; the baseline has none. NaN where a cost is unknown.

    `value` is the objective (the error, unless the study was told otherwise) at the trial's last step.
    """

    rank: int | None
    label: str
    value: float
    params: float
    macs: float
    steps: int
    seconds: float
    note: str
    trial: int | None = None


def leaderboard(history: History, rows: int = 5) -> list[Place]:
    """The best `rows` lines, best first; the baseline and the default config are among them where the log names them."""
    return places(read(history), rows)


def places(facts: Facts, rows: int = 5) -> list[Place]:
    """`leaderboard` on facts that were read before."""
    ranked = facts.scored
    rank = {row.id: i + 1 for i, row in enumerate(ranked)}
    chosen = [r for r in (facts.winner, facts.default) if r is not None]
    kept = {r.id: r for r in chosen}
    extra = [_baseline(facts)] if math.isfinite(baseline_value(facts)) else []
    for row in ranked:
        if len(kept) + len(extra) >= rows:
            break
        kept[row.id] = row
    found = [_place(facts, row, rank.get(row.id)) for row in kept.values()]
    found.sort(key=lambda p: p.rank or math.inf)
    for base in extra:
        found.insert(next((i for i, p in enumerate(found) if not _beats(facts, p, base)), len(found)), base)
    return found


def _beats(facts: Facts, place: Place, base: Place) -> bool:
    """Whether a trial is at least as good as the baseline; one that never was measured is not."""
    return place.value >= base.value if facts.objective.direction == "max" else place.value <= base.value


def table_rows(facts: Facts) -> Iterator[list[str]]:
    """The whole leaderboard as a table, head first: every trial, the failed ones with their reasons last."""
    metrics = list(dict.fromkeys(k for r in facts.rows for k in r.metrics))
    keys = list(dict.fromkeys(k for r in facts.rows for k in r.config))
    yield ["rank", "trial", "role", "state", facts.steps_name, "seconds", "reason", *metrics, *keys]
    ranked = facts.scored
    base = facts.note("baseline")
    if math.isfinite(baseline_value(facts)):
        shown = [_cell(base.get(m)) for m in metrics]
        yield ["", "", "baseline", "", "0", "0", str(base.get("what", "")), *shown, *("" for _ in keys)]
    for i, row in enumerate([*ranked, *(r for r in facts.rows if not r.scored)]):
        rank = str(i + 1) if i < len(ranked) else ""
        fixed = [
            rank,
            str(row.id),
            facts.role(row),
            OUT_OF_REACH if row.out_of_reach else row.state.value,
            str(row.step),
            f"{row.seconds:.3f}",
            row.reason,
        ]
        found = [_cell(row.metrics.get(m)) for m in metrics]
        yield [*fixed, *found, *(_cell(row.config.get(k)) for k in keys)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _place(facts: Facts, row: Row, rank: int | None) -> Place:
    return Place(
        rank=rank,
        label="default config" if facts.role(row) == "default" else f"trial {row.id}",
        value=row.value,
        params=row.metric("params"),
        macs=row.metric("macs"),
        steps=row.step,
        seconds=row.seconds,
        note=_remark(facts, row),
        trial=row.id,
    )


def _remark(facts: Facts, row: Row) -> str:
    if facts.winner is not None and row.id == facts.winner.id:
        if facts.note("verdict").get("plainer") == row.id:
            return "winner: the plainer model of a tie"
        same = facts.default is not None and row.id == facts.default.id
        return "winner, the default config itself" if same else "winner"
    if row.state is State.FAILED:
        if row.out_of_reach:
            return row.reason
        return f"failed: {row.reason}" if row.reason else "failed"
    if not row.keeps:
        return "breaks a limit"
    full = facts.fidelity.high if facts.fidelity else 1
    return "" if row.step >= full else f"{row.state.value} at {facts.steps_name} {row.step} of {full}"


def _baseline(facts: Facts) -> Place:
    body = facts.note("baseline")
    what = str(body.get("what") or "trivial")
    return Place(None, f"baseline: {what}", baseline_value(facts), math.nan, math.nan, 0, 0.0, "no training")


def baseline_value(facts: Facts) -> float:
    """What the trivial baseline reaches in the study's own objective; NaN where that is not known."""
    return number(facts.note("baseline"), facts.objective.metric)
