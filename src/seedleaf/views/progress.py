"""What is said of a study while it runs, as plain text: its best trial, its states, curves as a row of blocks."""

from __future__ import annotations

import math
import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

from seedleaf.core import FOLD, OUT_OF_REACH, History, State, Trial, objective_of, out_of_reach

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"
REFRESH = 0.25  # seconds between two looks of a view at the history


def history_unit(history: History) -> str:
    fidelity = history.header.get("fidelity")
    return str(fidelity["name"]) if fidelity else "step"


def best_text(history: History, best: Trial | None) -> str:
    """ "best error 0.0164 (trial 13, epoch 27, 6,000 params) · default 0.08 · baseline 0.9"."""
    objective = objective_of(history)
    if best is None:
        return "no result yet"
    params = best.metrics.get("params", math.nan)
    inside = [f"trial {best.id}", f"{history_unit(history)} {best.step}"]
    inside += [f"{params:,.0f} params"] if math.isfinite(params) else []
    return f"best {objective.metric} {number(best.metrics[objective.metric])} ({', '.join(inside)})"


class Lead:
    """The best that a view has shown, to say why what it shows now is worse.

    A trial is judged by its last step, as its weights are what that step left: so training on can make the best worse.
    """

    def __init__(self) -> None:
        self._trial, self._step, self._value = -1, 0, math.nan

    def lost(self, history: History, best: Trial | None) -> str:
        """ "trial 3 had 0.04 at epoch 9, at epoch 12 it has 0.06"; empty while no better value was shown than that of
        `best`, the best now."""
        metric, sign = objective_of(history).metric, 1 if objective_of(history).direction == "min" else -1
        value = math.nan if best is None else best.metrics[metric]
        if best is not None and not sign * self._value < sign * value:  # NaN before the first
            self._trial, self._step, self._value = best.id, best.step, value
            return ""
        before, unit = history.trials.get(self._trial), history_unit(history)
        if before is None:
            return ""
        had = f"trial {before.id} had {number(self._value)} at {unit} {self._step}"
        if before.state is State.FAILED:
            return f"{had} and failed"
        now = before.metrics.get(metric, math.nan)
        if before.step > self._step and not sign * now <= sign * self._value:
            return f"{had}, at {unit} {before.step} it has {number(now)}"
        if unit != FOLD:
            return ""
        # It may have gone on since, though not as far as the best now.
        return f"{had} only" if before.step <= self._step else f"{had}, it is at {unit} {before.step} only"


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
    """ "2 running (of 2 workers) · 34 paused · 3 done · 1 failed": only the states that occur.

    A recipe that cannot keep the bounds of a compression is out of reach: nothing has failed.
    """
    counts = {s: sum(1 for _ in history.in_state(s)) for s in State}
    beyond = sum(out_of_reach(t) for t in history.in_state(State.FAILED))
    counts[State.FAILED] -= beyond
    order = (State.RUNNING, State.QUEUED, State.PAUSED, State.STOPPED, State.DONE, State.FAILED)
    shown = [f"{counts[s]} {s.value}" for s in order if counts[s]]
    shown += [f"{beyond} {OUT_OF_REACH}"] if beyond else []
    if workers is not None:
        busy = f"{counts[State.RUNNING]} of {_workers(workers)} busy"
        shown = [busy, *(s for s in shown if not s.endswith(" running"))]
    return " · ".join(shown) or "no trial yet"


def _workers(count: object) -> str:
    return f"{count} worker" if count == 1 else f"{count} workers"


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
    plain = text if is_unicode(encoding) else text.replace(" · ", ", ").replace("±", "+-")
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in plain)
    return plain.encode(encoding, "replace").decode(encoding)


def wrapped(text: str, width: int) -> str:
    """`text` in lines of at most `width`, broken between words only: a terminal breaks 359 into 3 and 59.

    What follows a line that begins with a label ("data      digits: …") is set in under what the label stands before.
    """
    label = re.match(r"\S+ {2,}", text)
    inset = " " * label.end() if label and label.end() < width // 2 else ""
    held = re.sub(r" (<=|±) ", "\xa0\\1\xa0", text)  # a bound stays beside what it bounds
    lines = (
        textwrap.wrap(line, width, subsequent_indent=inset, break_long_words=False, break_on_hyphens=False,
                      replace_whitespace=False) or [""]
        for line in held.split("\n")
    )  # fmt: skip
    return "\n".join(piece for pieces in lines for piece in pieces).replace("\xa0", " ")


def shortened(text: str, room: int, gap: str) -> str:
    """`text` without its middle where it is longer than `room`: the ends of a command and of a path say most."""
    if len(text) <= room:
        return text
    kept = max(room - len(gap), 2)
    return text[: kept // 3] + gap + text[len(text) - (kept - kept // 3) :]


def is_unicode(encoding: str | None) -> bool:
    return (encoding or "utf-8").lower().replace("-", "").startswith("utf")


def listed(info: Mapping[str, Any]) -> str:
    """ " · 2 workers · data x": what a view was told of a run, but for its times."""
    shown = [
        _workers(v) if k == "workers" else f"{k} {v}"
        for k, v in info.items()
        if k not in ("started", "time_limit") and v is not None
    ]
    return "".join(f" · {text}" for text in shown)


def started_at(info: Mapping[str, Any]) -> float:
    """When a run started, in seconds since the epoch: as its view was told, else now."""
    told = info.get("started")
    return float(told) if isinstance(told, (int, float)) else time.time()


def limit_of(info: Mapping[str, Any], given: float | None) -> float | None:
    """How many seconds a run has in all: as its view was told when it began, else as `given`."""
    told = info.get("time_limit")
    return float(told) if isinstance(told, (int, float)) else given
