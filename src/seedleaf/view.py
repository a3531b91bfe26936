"""What a person sees while a study runs: a live view on a terminal, a few plain lines elsewhere, or nothing.

The driver calls `update` as often as it likes; a view looks at the clock first and at the history at most four times a
second, so that watching costs the study next to nothing.
"""

from __future__ import annotations

import atexit
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from seedleaf.core import History, Objective, State, Trial

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

REFRESH = 0.25  # seconds between two looks at the history
SPARK_ROWS = 8
LINES = 6  # that PlainView prints over the whole time: a whole command stays under 25
IMPROVEMENTS = 2  # more of them, when the best improves in between
BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"


class View(Protocol):
    """`start` and `stop` enclose any number of `update` and `message`; `stop` may be called twice, or without `start`.

    `info` may hold "started" (seconds since the epoch) and "workers"; what else it holds is shown as it is. `now` is
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

    def start(self, info: Mapping[str, Any]) -> None:
        self._started = _started(info)
        limit = "" if self._limit is None else f" · {clock(self._limit)}"
        self.message(f"{self._title}{limit}{_listed(info)}")

    def update(self, history: History, now: float, phase: str) -> None:
        self._started = now if self._started is None else self._started
        if now - self._looked < REFRESH:
            return
        self._looked, spent = now, now - self._started
        best = best_trial(history)
        improved = best is not None and best.id != self._shown
        span = self._limit or max(spent, 60.0)
        # The first line waits a moment, so that it is not spent on an empty study.
        due = spent >= self._next_line and (best is not None or spent > span / LINES)
        if improved and not due and self._improvements_left and now - self._last_line > span / 20:
            self._improvements_left -= 1
            due = True
        if due:
            self._line(history, best, spent, phase)
            self._last_line, self._shown = now, None if best is None else best.id
            step = span / LINES
            self._next_line = (math.floor(spent / step) + 1) * step if self._limit else max(10.0, spent * 2)

    def _line(self, history: History, best: Trial | None, spent: float, phase: str) -> None:
        parts = [f"{clock(spent):>6}", phase, states(history), best_text(history, best), yardsticks(history)]
        self.message(" · ".join(p for p in parts if p))

    def message(self, text: str) -> None:
        print(speakable(text, self._stream.encoding), file=self._stream, flush=True)

    def stop(self) -> None:
        self._stream.flush()


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
        self._fancy = _is_unicode(self._console.encoding)

    def start(self, info: Mapping[str, Any]) -> None:
        from rich.live import Live
        from rich.text import Text

        self._info, self._started = info, _started(info)
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

        self._console.print(Text(self._say(text)), soft_wrap=True)

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
        lines = [Text.assemble((self._title, "bold"), ("  " + phase, "green"), (_listed(self._info), "dim"))]
        lines.append(self._bar(spent, width))
        lines.append(Text(states(history, self._info.get("workers"))))
        best = best_trial(history)
        lines.append(Text.assemble(best_text(history, best), style="green" if best else "dim"))
        if held := yardsticks(history):
            lines.append(Text(f"     {held}", style="dim"))
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


# --- what the views say, as plain text ---


def objective_of(history: History) -> Objective:
    """The study's first objective; the error where the header names none."""
    listed = history.header.get("objectives") or [{"metric": "error"}]
    return Objective(str(listed[0]["metric"]), "max" if listed[0].get("direction") == "max" else "min")


def history_unit(history: History) -> str:
    fidelity = history.header.get("fidelity")
    return str(fidelity["name"]) if fidelity else "step"


def best_trial(history: History) -> Trial | None:
    """The trial that did not fail with the best objective at its last step."""
    objective = objective_of(history)
    pairs = ((objective.loss(t.metrics), t) for t in history.trials.values() if t.state is not State.FAILED)
    loss, best = min(pairs, key=lambda p: p[0], default=(math.inf, None))
    return best if math.isfinite(loss) else None


def best_text(history: History, best: Trial | None) -> str:
    """ "best error 0.0164 (trial 13, epoch 27, 6,000 params) · default 0.08 · baseline 0.9"."""
    objective = objective_of(history)
    if best is None:
        return "no result yet"
    params = best.metrics.get("params", math.nan)
    inside = [f"trial {best.id}", f"{history_unit(history)} {best.step}"]
    inside += [f"{params:,.0f} params"] if math.isfinite(params) else []
    return f"best {objective.metric} {number(best.metrics[objective.metric])} ({', '.join(inside)})"


def yardsticks(history: History) -> str:
    """ "default 0.08 · baseline 0.9": what the best is held against; empty where neither is known."""
    metric, parts = objective_of(history).metric, []
    default = history.trials.get((history.note("default") or {}).get("trial", -1))
    if default is not None and default.measurements:
        parts.append(f"default {number(default.metrics.get(metric, math.nan))}")
    baseline = (history.note("baseline") or {}).get(metric)
    if isinstance(baseline, (int, float)):
        parts.append(f"baseline {number(baseline)}")
    return " · ".join(parts)


def states(history: History, workers: object = None) -> str:
    """ "2 running (of 2 workers) · 34 paused · 3 done · 1 failed": only the states that occur."""
    counts = {s: sum(1 for _ in history.in_state(s)) for s in State}
    order = (State.RUNNING, State.QUEUED, State.PAUSED, State.STOPPED, State.DONE, State.FAILED)
    shown = [f"{counts[s]} {s.value}" for s in order if counts[s]]
    if workers is not None:
        busy = f"{counts[State.RUNNING]} of {workers} workers busy"
        shown = [busy, *(s for s in shown if not s.endswith(" running"))]
    return " · ".join(shown) or "no trial yet"


def newest(trials: Sequence[Trial], room: int) -> list[Trial]:
    return sorted(trials, key=lambda t: t.id)[-room:] if room else []


def sparkline(values: Sequence[float], cells: int, ramp: str = BLOCKS) -> str:
    """The last `cells` values as bars between their own least and greatest; a blank where a value is NaN."""
    recent = list(values)[-cells:] if cells > 0 else []
    finite = [v for v in recent if math.isfinite(v)]
    if not finite:
        return " " * len(recent)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    top = len(ramp) - 1
    return "".join(ramp[round(top * (v - low) / span)] if math.isfinite(v) else " " for v in recent)


def number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def clock(seconds: float) -> str:
    """42s, 3:05 or 2:10:00."""
    whole = max(round(seconds), 0)
    if whole < 100:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def speakable(text: str, encoding: str | None) -> str:
    """`text` in what the encoding can write, without control characters: a class name must not steer the terminal."""
    encoding = encoding or "utf-8"
    plain = text if _is_unicode(encoding) else text.replace(" · ", ", ").replace("±", "+-")
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in plain)
    return plain.encode(encoding, "replace").decode(encoding)


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "utf-8").lower().replace("-", "").startswith("utf")


def _started(info: Mapping[str, Any]) -> float | None:
    told = info.get("started")
    return float(told) if isinstance(told, (int, float)) else time.time()


def _listed(info: Mapping[str, Any]) -> str:
    shown = [
        f"{v} {k}" if k == "workers" else f"{k} {v}"
        for k, v in info.items()
        if k != "started" and v is not None
    ]
    return "".join(f" · {text}" for text in shown)
