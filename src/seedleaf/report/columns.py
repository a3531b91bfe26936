"""The section on a table's columns: how much worse the delivered model answers when one of them is shuffled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seedleaf.report.facts import Facts, number
from seedleaf.report.text import MISSING, count, esc, figure, plural, table

SHOWN = 20  # columns with a bar; the others are numbers, folded away
SURE = 2.0  # spreads over zero from which on a column is held to matter


@dataclass(frozen=True, slots=True)
class Shuffled:
    """One column: by how much the metric gets worse, and the spread of that over repeats (NaN where there was one)."""

    name: str
    mean: float
    spread: float

    @property
    def sure(self) -> bool:
        return self.mean > 0 and (math.isnan(self.spread) or self.mean > SURE * self.spread)

    @property
    def low(self) -> float:
        return self.mean - (0 if math.isnan(self.spread) else self.spread)

    @property
    def high(self) -> float:
        return self.mean + (0 if math.isnan(self.spread) else self.spread)


def columns_section(facts: Facts) -> str:
    """Bars with their spread, most important first; empty where nothing was shuffled."""
    note = facts.note("importance")
    columns = [_read(row) for row in note.get("columns") or ()]
    if not columns:
        why = str(note.get("why") or "")
        return f'<p class="hint">Not measured: {esc(why)}.</p>' if why else ""
    low = min(0.0, *(c.low for c in columns[:SHOWN]))
    high = max(*(c.high for c in columns[:SHOWN]), 1e-12)
    bars = "".join(_bar(c, low, high) for c in columns[:SHOWN])
    return f'<p class="lede">{_intro(facts, columns)}</p><div class="cols">{bars}</div>{_all(columns)}'


def _read(row: Sequence[object]) -> Shuffled:
    name, mean, spread = row
    return Shuffled(str(name), float(str(mean)), math.nan if spread is None else float(str(spread)))


def _intro(facts: Facts, columns: Sequence[Shuffled]) -> str:
    note = facts.note("importance")
    rows, repeats = number(note, "rows"), int(number(note, "repeats"))
    metric = esc(note.get("metric") or "")
    spread = " Whiskers are the spread over the shuffles." if repeats > 1 else ""
    lame = sum(not c.sure for c in columns)
    part = str(note.get("part") or "test")
    # On rows that it was trained on, a model that learnt noise by heart gets surely worse without it.
    grey = "are within chance" if part == "test" else "change no more than from one shuffle to the next"
    useless = f" Grey ones, {count(lame)} of {count(len(columns))}, {grey}." if lame else ""
    left = number(note, "left")
    late = f" For {plural(int(left), 'more column')} there was no time." if left > 0 else ""
    often = f", {repeats} times each" if repeats > 1 else ""
    plain = f"{count(rows)} {esc(part)} rows ({figure(number(note, 'score'), 3)} as they are)"
    trained = "The model was trained on them: what it uses need not be worth that on new rows."
    own = f" {trained}" if part == "training" else ""
    return (
        f"By how much the <b>{metric}</b> gets worse on {plain} when a column is shuffled{often}: what the model owes to "
        f"it.{own}{spread}{useless} Columns that say the same share what they are worth, and none need be a cause.{late}"
    )


def _bar(column: Shuffled, low: float, high: float) -> str:
    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    left, right = sorted((at(0), at(column.mean)))
    whisker = (
        ""
        if math.isnan(column.spread)
        else f'<i class="whisker" style="left:{at(column.low):.2f}%;width:{at(column.high) - at(column.low):.2f}%"></i>'
    )
    sure = "" if column.sure else " unsure"
    return (
        f'<div class="col{sure}"><b title="{esc(column.name)}">{esc(column.name)}</b>'
        f'<span class="track" aria-hidden="true"><i class="zero" style="left:{at(0):.2f}%"></i>'
        f'<i class="fill" style="left:{left:.2f}%;width:{max(right - left, 0.15):.2f}%"></i>{whisker}</span>'
        f"<span>{_said(column)}</span></div>"
    )


def _said(column: Shuffled) -> str:
    spread = "" if math.isnan(column.spread) else f" <small>± {figure(column.spread, 2)}</small>"
    return f"{figure(column.mean, 3)}{spread}"


def _all(columns: Sequence[Shuffled]) -> str:
    rows = [
        (esc(c.name), figure(c.mean, 4), MISSING if math.isnan(c.spread) else figure(c.spread, 2))
        for c in columns
    ]
    more = f"All {plural(len(columns), 'column')} as a table"
    return f"<details><summary>{more}</summary>{table(('column', 'worse by', 'spread'), rows)}</details>"
