"""What a person sees while a study runs: a live view on a terminal, a few plain lines elsewhere, or nothing.

The driver calls `update` as often as it likes; a view looks at the clock first and at the history at most four times a
second, so that watching costs the study next to nothing.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from seedleaf.core import History, Trial, best_logged
from seedleaf.views.live import LiveView
from seedleaf.views.progress import (
    REFRESH,
    Lead,
    best_text,
    clock,
    limit_of,
    listed,
    speakable,
    started_at,
    states,
    yardsticks,
)

LINES = 6  # that PlainView prints over the whole time: a whole command stays under 25
IMPROVEMENTS = 2  # more of them, when the best improves in between


class View(Protocol):
    """`start` and `stop` enclose any number of `update` and `message`; `stop` may be called twice, or without `start`.

    `info` may hold "started" (seconds since the epoch), "time_limit" (seconds; a run that goes on knows it, its command
    may not) and "workers"; what else it holds is shown as it is. `now` is
    seconds since the epoch, `phase` a word on what the run is at ("search", "refit", "export").
    """

    def start(self, info: Mapping[str, Any]) -> None: ...
    def update(self, history: History, now: float, phase: str) -> None: ...
    def message(self, text: str) -> None: ...
    def stop(self) -> None: ...


def open_view(
    title: str, time_limit: float | None, *, silent: bool = False, stream: TextIO | None = None
) -> View:
    """The view that fits: none, live where `stream` (stdout by default) is a terminal, plain lines elsewhere."""
    stream = stream or sys.stdout
    if silent:
        return SilentView()
    if stream.isatty():
        return LiveView(title, time_limit, stream=stream)
    return PlainView(title, time_limit, stream=stream)


class SilentView:
    """Shows nothing."""

    def start(self, info: Mapping[str, Any]) -> None:
        pass

    def update(self, history: History, now: float, phase: str) -> None:
        pass

    def message(self, text: str) -> None:
        pass

    def stop(self) -> None:
        pass


class PlainView:
    """Lines for logs and pipes: one for each sixth of the time, and a few when the best improves in between."""

    def __init__(self, title: str, time_limit: float | None, *, stream: TextIO | None = None) -> None:
        self._title, self._limit, self._stream = title, time_limit, stream or sys.stdout
        self._started: float | None = None
        self._next_line = 0.0
        self._improvements_left = IMPROVEMENTS
        self._last_line = self._looked = -math.inf
        self._shown: int | None = None
        self._said = ""
        self._lead = Lead()

    def start(self, info: Mapping[str, Any]) -> None:
        self._started, self._limit = started_at(info), limit_of(info, self._limit)
        limit = "" if self._limit is None else f" · {clock(self._limit)}"
        self.message(f"{self._title}{limit}{listed(info)}")

    def update(self, history: History, now: float, phase: str) -> None:
        self._started = now if self._started is None else self._started
        if now - self._looked < REFRESH:
            return
        self._looked, spent = now, now - self._started
        best = best_logged(history)
        lost = self._lead.lost(history, best)
        improved = best is not None and best.id != self._shown
        span = self._limit or max(spent, 60.0)
        # The first line waits a moment, so that it is not spent on an empty study.
        due = spent >= self._next_line and (best is not None or spent > span / LINES)
        if improved and not due and self._improvements_left and now - self._last_line > span / 20:
            self._improvements_left -= 1
            due = True
        if due:
            self._line(history, best, lost, spent, phase)
            self._last_line, self._shown = now, None if best is None else best.id
            step = span / LINES
            self._next_line = (math.floor(spent / step) + 1) * step if self._limit else max(10.0, spent * 2)

    def _line(self, history: History, best: Trial | None, lost: str, spent: float, phase: str) -> None:
        told = [states(history), best_text(history, best), lost, yardsticks(history)]
        line = " · ".join(p for p in [f"{clock(spent):>6}", phase, *told] if p)
        if line != self._said:  # the best may improve a moment before a line is due
            self.message(line)
        self._said = line

    def message(self, text: str) -> None:
        print(speakable(text, self._stream.encoding), file=self._stream, flush=True)

    def stop(self) -> None:
        self._stream.flush()


__all__ = ["LiveView", "PlainView", "SilentView", "View", "open_view"]
