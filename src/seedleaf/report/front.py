"""The section on the front: the networks that were delivered beside the best, what each gives away and for what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from seedleaf.report.facts import Facts, number
from seedleaf.report.text import MISSING, count, esc, figure, share, short, size, table

SHOWN = "What was reached on the test part is only shown."
# What a compression's front is of, beside the error.
COMPRESSED_BY = {
    "params": "parameters",
    "macs": "multiply-adds",
    "bytes": "the size of their files",
    "latency_ms": "latency, which was measured beside the original's",
}
# Why a network that was chosen is no member. Earlier versions counted the first three as one, "left_out".
CAUSES = {
    "no_time": "had no time to be measured",
    "over": "broke a limit",
    "failed": "failed",
    "left_out": "came to nothing",
    "slower": "turned out to be no quicker than a more accurate one",
}
PARTS = {"train+valid": "on all but the test part", "train": "without validation part"}


def front_section(facts: Facts) -> str:
    """Every delivered network in one table, lightest (or quickest) first. Where only the best was delivered: why, if others
    were to stand beside it."""
    members = facts.note("front").get("members") or []
    rows = [m for m in members if isinstance(m, Mapping)]
    if len(rows) < 2:
        why = _missing(facts.note("front"), "beside best/")
        return f'<p class="lede">{esc(why)}</p>' if why else ""
    heads = (
        "folder",
        "test accuracy",
        "95 % interval",
        "params",
        "multiply-adds",
        "file",
        "latency",
        "trained",
    )
    said = (_chosen(facts, rows), _narrower(rows), _control(facts), SHOWN, _missing(facts.note("front")))
    lede = " ".join(part for part in said if part)
    return f'<p class="lede">{esc(lede)}</p>{table(heads, [_row(m, facts.note("final")) for m in rows], css="front")}'


def _compressed(facts: Facts) -> bool:
    """Whether this is the report of a compression: there alone is an original."""
    return bool(facts.note("final").get("original"))


def _chosen(facts: Facts, rows: Sequence[Mapping[str, Any]]) -> str:
    """By what the members were chosen that are trials themselves."""
    sought = facts.objectives[1].metric if len(facts.objectives) > 1 else ""
    if _compressed(facts):
        by = f"validation error and {COMPRESSED_BY.get(sought, sought)}: in both at once"
        return f"Those beside best were chosen by {by} no other trial beats them."
    if not any(m.get("folder") != "best" and not _is_narrower(m) for m in rows):
        return ""
    by = "validation error, multiply-adds and parameters: in these three at once"
    if sought == "latency_ms":
        by = "validation error and the latency that is told from their configs: in both at once"
    return f"Those named after a trial alone were chosen by {by} no other trial beats them."


def _is_narrower(member: Mapping[str, Any]) -> bool:
    return number(member, "share_of_widths") < 1


def _narrower(rows: Sequence[Mapping[str, Any]]) -> str:
    if not any(map(_is_narrower, rows)):
        return ""
    return "A name with a w is the winner at that percentage of its widths, trained anew."


def _control(facts: Facts) -> str:
    """What is measured of a compression's best alone."""
    if not _compressed(facts):
        return ""
    return "The same network from scratch was trained for best alone, if at all: that takes as long as the fine-tuning."


def _missing(front: Mapping[str, Any], where: str = "here as well") -> str:
    """How many were to be members and are none, by cause."""
    counts = [(int(n), why) for name, why in CAUSES.items() if (n := number(front, name)) > 0]
    if not counts:
        return ""
    *others, last = (f"{n} {why}" for n, why in counts)
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"Of the networks that were to stand {where}, {listed}."


def _row(member: Mapping[str, Any], final: Mapping[str, Any]) -> tuple[str, ...]:
    low, high, median = (
        number(member, *k) for k in (("test", "low"), ("test", "high"), ("latency_ms", "median"))
    )
    name = esc(member.get("folder", ""))
    return (
        f"<b>{name}</b>" if member.get("folder") == "best" else name,
        share(number(member, "test", "accuracy")),
        f"{100 * low:.1f} to {100 * high:.1f}" if math.isfinite(low + high) else MISSING,
        count(number(member, "params")),
        short(number(member, "macs")),
        size(number(member, "bytes")),
        f"{figure(median, 2)} ms" if math.isfinite(median) else MISSING,
        _trained(member, final),
    )


def _trained(member: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    on = str(member.get("trained_on", ""))
    if not on and member.get("folder") == "best":  # as earlier versions left it
        on = str(final.get("trained_on", ""))
    if on not in PARTS:
        return "not fine-tuned" if on == "nothing" else MISSING
    steps, full = number(member, "steps"), number(member, "full")
    return f"{f'{count(steps)} of {count(full)} steps' if steps < full else 'to the end'}, {PARTS[on]}"
