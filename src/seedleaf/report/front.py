"""The section on the front: the networks that were delivered beside the best, what each gives away and for what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seedleaf.report.facts import Facts, number
from seedleaf.report.text import MISSING, count, esc, figure, plural, share, short, size, table


def front_section(facts: Facts) -> str:
    """Every delivered network in one table, lightest (or quickest) first; empty where only the best was delivered."""
    members = facts.note("front").get("members") or []
    rows = [m for m in members if isinstance(m, Mapping)]
    if len(rows) < 2:
        return ""
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
    left_out, slower = (number(facts.note("front"), name) for name in ("left_out", "slower"))
    more = f" {plural(int(left_out), 'more network')} had no time to be measured." if left_out > 0 else ""
    if slower > 0:
        more += (
            f" {plural(int(slower), 'more network')} turned out to be no quicker than a more accurate one."
        )
    chosen = "multiply-adds and parameters: in these three at once"
    if any(o.metric == "latency_ms" for o in facts.objectives[1:]):
        chosen = "the latency that is told from their configs: in both at once"
    said = (
        f"Those named after a trial alone were chosen by validation error, {chosen} "
        "no other trial beats them. A name with a w is the winner at that percentage of its widths, trained anew. What "
        f"was reached on the test part is only shown.{more}"
    )
    return f'<p class="lede">{esc(said)}</p>{table(heads, [_row(m) for m in rows], css="front")}'


def _row(member: Mapping[str, Any]) -> tuple[str, ...]:
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
        _trained(member),
    )


def _trained(member: Mapping[str, Any]) -> str:
    steps, full = number(member, "steps"), number(member, "full")
    if member.get("folder") == "best":
        return "to the end, on all but the test part"
    how = "to the end" if steps >= full else f"{count(steps)} of {count(full)} steps"
    on = (
        "on all but the test part" if member.get("trained_on") == "train+valid" else "without validation part"
    )
    return f"{how}, {on}"
