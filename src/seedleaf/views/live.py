"""What stands at the foot of a terminal while a study runs."""

from __future__ import annotations

import atexit
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from seedleaf.core import History, Trial, best_logged, objective_of
from seedleaf.views.progress import (
    ASCII,
    BLOCKS,
    REFRESH,
    Lead,
    best_text,
    clock,
    history_unit,
    is_unicode,
    limit_of,
    listed,
    newest,
    number,
    shortened,
    sparkline,
    speakable,
    started_at,
    states,
    wrapped,
    yardsticks,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

SPARK_ROWS = 8


class LiveView:
    """A few lines at the foot of a terminal, redrawn at most four times a second."""

    def __init__(
        self,
        title: str,
        time_limit: float | None,
        *,
        stream: TextIO | None = None,
        console: Console | None = None,
    ) -> None:
        from rich.console import Console

        self._title, self._limit = title, time_limit
        self._console = console or Console(file=stream or sys.stdout, highlight=False)
        self._live: Live | None = None
        self._info: Mapping[str, Any] = {}
        self._started: float | None = None
        self._drawn = -math.inf
        self._cells: tuple[int, ...] = ()
        self._lead = Lead()
        self._fancy = is_unicode(self._console.encoding)

    def start(self, info: Mapping[str, Any]) -> None:
        from rich.live import Live
        from rich.text import Text

        self._info, self._started, self._limit = info, started_at(info), limit_of(info, self._limit)
        self._live = Live(Text(""), console=self._console, auto_refresh=False, transient=True, redirect_stdout=False,
                          redirect_stderr=False, vertical_overflow="crop")  # fmt: skip
        self._live.start()
        atexit.register(self.stop)  # a driver that dies in an exception must still give the cursor back

    def update(self, history: History, now: float, phase: str) -> None:
        if self._live is None or now - self._drawn < REFRESH:
            return
        self._drawn = now
        self._started = now if self._started is None else self._started
        self._live.update(self._draw(history, now - self._started, phase), refresh=True)

    def message(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(wrapped(self._say(text), max(self._console.width, 1))), soft_wrap=True)

    def stop(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
        atexit.unregister(self.stop)

    def _say(self, text: str) -> str:
        return speakable(text, self._console.encoding)

    def _draw(self, history: History, spent: float, phase: str) -> RenderableType:
        from rich.text import Text

        width, height = self._console.size
        self._take_back_wrapped(width)
        rest = listed(self._info)
        room = width - 1 - len(f"  {phase}{rest}")
        title = shortened(self._title, max(room, 20), "…" if self._fancy else "...")
        lines = [Text.assemble((title, "bold"), ("  " + phase, "green"), (rest, "dim"))]
        lines.append(self._bar(spent, width))
        lines.append(Text(states(history, self._info.get("workers"))))
        best = best_logged(history)
        lines.append(Text.assemble(best_text(history, best), style="green" if best else "dim"))
        below = (self._lead.lost(history, best), yardsticks(history))
        lines += [Text(f"     {said}", style="dim") for said in below if said]
        room = max(min(SPARK_ROWS, height - len(lines) - 2), 0)
        lines += [self._spark_line(t, history, width) for t in newest(history.running(), room)]
        for line in lines:
            line.plain = self._say(line.plain)
            line.truncate(max(width - 1, 1), overflow="ellipsis" if self._fancy else "crop")
        self._cells = tuple(line.cell_len for line in lines)
        return Text("\n").join(lines)

    def _take_back_wrapped(self, width: int) -> None:
        """A narrower window wraps the lines that stand there into rows that Rich does not know of: erase those."""
        from rich.control import Control
        from rich.segment import ControlType

        extra = sum(-(-cells // width) - 1 for cells in self._cells if cells > width)
        if extra:
            self._console.control(
                Control(*[(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * extra)
            )

    def _bar(self, spent: float, width: int) -> Any:
        from rich.text import Text

        if not self._limit:
            return Text(f"{clock(spent)} so far")
        left = max(self._limit - spent, 0.0)
        label = f" {clock(left)} left of {clock(self._limit)}"
        cells = max(min(width - len(label) - 2, 48), 0)
        full = round(cells * min(spent / self._limit, 1.0))
        on, off = ("━", "─") if self._fancy else ("#", "-")
        return Text.assemble((on * full, "green"), (off * (cells - full), "dim"), label)

    def _spark_line(self, trial: Trial, history: History, width: int) -> Any:
        from rich.text import Text

        objective = objective_of(history)
        values = [m.metrics.get(objective.metric, math.nan) for m in trial.measurements]
        head = f"  trial {trial.id:<5} {history_unit(history)} {trial.step:>3}/{trial.budget:<3} "
        cells = max(min(width - len(head) - 10, 32), 0)
        line = sparkline(values, cells, BLOCKS if self._fancy else ASCII)
        last = number(values[-1]) if values else ""
        return Text.assemble((head, "dim"), (f"{line:<{cells}}", "cyan"), f" {last}")
