"""The lines at the end of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seedleaf.cli.shared import show_result
from seedleaf.core import Event, History
from seedleaf.summary import _seen, as_body


def test_a_latency_is_neither_rounded_away_nor_written_with_a_power_of_ten() -> None:
    test = {"accuracy": 0.98, "low": 0.97, "high": 0.99}
    metrics = {
        "test": test,
        "params": 6274,
        "macs": 152_384,
        "bytes": 26_100,
        "latency_ms": {"median": 0.01342},
    }
    assert _seen(metrics).endswith("26 kB, 0.0134 ms an image")
    slow = {**metrics, "latency_ms": {"median": 1234.4}}
    assert _seen(slow).endswith("26 kB, 1,234 ms an image")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_last_lines_break_between_words_on_a_terminal_alone(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [
        "it is " + 9 * "long, very " + "long, with 12,345,678 MACs",
        "next    seedleaf predict " + "a/b c/" * 15,
    ]
    result: Any = None
    monkeypatch.setattr("seedleaf.summary.as_lines", lambda result: said)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    show_result(result, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == said[-1], "a command is to be copied"
    assert (max(map(len, lines[:-1])) <= 80) is terminal
    assert " ".join(lines[:-1]) == said[0]


def test_recipes_that_are_out_of_reach_are_not_counted_as_failed() -> None:
    events = [Event(1, 0.0, "study", {})]
    for trial, reason in enumerate(
        ("out of reach: latency_ms 0.2 > 0.1", "diverged", "out of reach: params")
    ):
        for kind, body in (("start", {"config": {}, "budget": 1}), ("fail", {"reason": reason})):
            events.append(Event(len(events) + 1, 0.0, kind, {"trial": trial, **body}))
    best = SimpleNamespace(path=Path("run/best"), metrics={}, config={})
    result: Any = SimpleNamespace(history=History.fold(events), folder=Path("run"), best=best, front_rows=[])
    assert as_body(result)["trials"] == {"out_of_reach": 2, "failed": 1}
