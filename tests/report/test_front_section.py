"""What the section on the front says of its members: true of the kind of run, and of how each was trained."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from synthetic import whole

from seedleaf.core import Objective
from seedleaf.report.facts import Facts, read
from seedleaf.report.front import front_section

MEMBER: dict[str, Any] = {
    "folder": "front/0003",
    "share_of_widths": 1.0,
    "test": {"accuracy": 0.9, "low": 0.8, "high": 0.95},
    "params": 900,
    "macs": 9e4,
    "bytes": 4000,
    "steps": 3,
    "full": 9,
    "trained_on": "train",
}
BEST = {**MEMBER, "folder": "best", "steps": 9, "trained_on": "train+valid"}
NARROW = {**MEMBER, "folder": "front/0001-w50", "share_of_widths": 0.5}


def facts(*members: dict[str, Any], sought: str = "", compressed: bool = False, **note: Any) -> Facts:
    log = whole()
    log.note("front", members=[*members], **note)
    found = read(log.history())
    if compressed:
        final = {**found.note("final"), "original": {"params": 9000}}
        found = replace(found, notes={**found.notes, "final": final})
    return replace(found, objectives=(*found.objectives, *([Objective(sought)] if sought else [])))


def said(*members: dict[str, Any], **more: Any) -> str:
    """The section as it is read."""
    return html.unescape(re.sub("<[^>]+>", " ", front_section(facts(*members, **more))))


def test_the_best_alone_is_no_front() -> None:
    assert front_section(facts(BEST)) == ""


def test_a_fit_says_by_what_its_trials_were_chosen() -> None:
    assert "error, multiply-adds and parameters: in these three at once no other trial" in said(BEST, MEMBER)
    assert "the latency that is told from their configs: in both" in said(BEST, MEMBER, sought="latency_ms")
    assert "multiply-adds and parameters" in said(BEST, MEMBER, sought="macs")
    assert "were chosen by" not in said(BEST, NARROW), "none of these is a trial's"


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ("params", "parameters"),
        ("macs", "multiply-adds"),
        ("bytes", "the size of their files"),
        ("latency_ms", "latency, which was measured beside the original's"),
    ],
)
def test_a_compression_says_the_one_metric_that_it_was_against(metric: str, named: str) -> None:
    text = said(BEST, MEMBER, sought=metric, compressed=True)
    assert f"were chosen by validation error and {named}: in both at once no other trial beats them." in text
    assert "told from their configs" not in text
    assert "The same network from scratch was trained for best alone" in text


def test_widths_are_explained_where_a_member_has_fewer() -> None:
    assert "at that percentage of its widths" in said(BEST, NARROW)
    assert "percentage" not in said(BEST, MEMBER)
    assert "from scratch" not in said(BEST, NARROW)


def test_what_is_no_member_is_counted_by_cause() -> None:
    begin = "Of the networks that were to stand here as well, "
    text = said(BEST, MEMBER, no_time=2, over=1, failed=1, slower=3)
    listed = "2 had no time to be measured, 1 broke a limit, 1 failed and 3 turned out to be no quicker than"
    assert begin + listed in text
    assert f"{begin}1 failed." in said(BEST, MEMBER, no_time=0, over=0, failed=1, slower=0)
    assert "were to stand" not in said(BEST, MEMBER, no_time=0, over=0, failed=0)
    assert f"{begin}4 came to nothing." in said(BEST, MEMBER, left_out=4), "an earlier version's log"


def test_where_no_member_came_out_the_section_says_why() -> None:
    assert (
        said(BEST, failed=3)
        == said(failed=3)
        == " Of the networks that were to stand beside best/, 3 failed. "
    )
    assert front_section(facts(BEST, failed=0)) == ""


def test_a_log_that_does_not_tell_how_its_best_was_trained_has_it_of_the_whole() -> None:
    before = {k: v for k, v in BEST.items() if k not in {"trained_on", "full"}}
    found = facts(before, MEMBER)
    final = {**found.note("final"), "trained_on": "train+valid"}
    section = front_section(replace(found, notes={**found.notes, "final": final}))
    assert "to the end, on all but the test part" in section


@pytest.mark.parametrize(
    ("change", "how"),
    [
        ({}, "to the end, on all but the test part"),
        ({"steps": 18}, "to the end, on all but the test part"),
        ({"trained_on": "train"}, "to the end, without validation part"),
        ({"trained_on": "train", "steps": 4}, "4 of 9 steps, without validation part"),
        ({"trained_on": "nothing", "steps": 0}, "not fine-tuned"),
    ],
)
def test_the_best_is_told_of_as_it_was_trained(change: dict[str, Any], how: str) -> None:
    rows = re.findall(r"<tr>.*?</tr>", front_section(facts({**BEST, **change}, {**MEMBER, "steps": 2})))
    [best] = [row for row in rows if "<b>best</b>" in row]
    assert how in best
    assert "2 of 9 steps, without validation part" in rows[-1]
