"""The frame of a chart: scales, ticks and a plot area.

Lines and dots are drawn in an SVG that is stretched to whatever room there is (strokes keep their width); ticks and labels
are HTML placed in per cent. So a chart stays sharp and its text legible from a phone to a printed page, without a script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedleaf.report.text import esc, figure, short

UNITS = 1000  # the side of the SVG's square
SIDE = 0.6  # of the width: a label of a point further to the right stands to its left


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [0, 1]. On a log scale what is not positive sits on the lower end."""

    low: float
    high: float
    log: bool = False

    def unit(self, value: float) -> float:
        if self.high <= self.low:
            return 0.5
        if not self.log:
            raw = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            raw = 0.0
        else:
            raw = math.log(value / self.low) / math.log(self.high / self.low)
        return min(max(raw, 0.0), 1.0)

    def with_room(self, value: float, room: float) -> Scale:
        """This scale, its lower end so far down that `value` stands at `room` of the height, where that can be."""
        if self.unit(value) >= room or (self.log and value <= 0):
            return self
        if self.log:
            return replace(self, low=(value / self.high**room) ** (1 / (1 - room)))
        return replace(self, low=(value - room * self.high) / (1 - room))

    def ticks(self, n: int = 6) -> list[float]:
        """About `n` round values inside the scale."""
        if self.high <= self.low:
            return [self.low]
        return _log_ticks(self.low, self.high, n) if self.log else _linear_ticks(self.low, self.high, n)


def fit_scale(values: Iterable[float], log: bool | None = None, pad: float = 0.04) -> Scale:
    """A scale around `values`; with `log=None` it is logarithmic where the values span more than a factor of 8."""
    finite = np.array([v for v in values if math.isfinite(v)])
    if not finite.size:
        return Scale(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    positive = finite[finite > 0]
    if log is None:
        log = bool(low >= 0 and positive.size and high / float(positive.min()) > 8)
    if log and positive.size:
        low = float(positive.min()) / (2.0 if low <= 0 else 1.0)
        margin = (high / low) ** pad if high > low else 1.5
        return Scale(low / margin, high * margin, log=True)
    margin = (high - low) * pad if high > low else abs(high) * 0.1 or 1.0
    bottom = 0.0 if low >= 0 > low - margin else low - margin
    return Scale(bottom, high + margin)


def robust_top(values: Sequence[float], keep: float = 0.97) -> float:
    """An upper end that leaves diverged values above the chart: they would press all others flat."""
    finite = np.array([v for v in values if math.isfinite(v)])
    if finite.size < 8:
        return float(finite.max()) if finite.size else math.nan
    most, top = float(np.quantile(finite, keep)), float(finite.max())
    spread = most - float(finite.min())
    return top if top <= most + 0.6 * spread else most + 0.1 * spread


def path(points: Iterable[tuple[float, float]], xs: Scale, ys: Scale) -> str:
    """The `d` of a line through `points`, in the square's units; a lone point becomes a dot."""
    spots = [
        (round(UNITS * xs.unit(x)), round(UNITS * (1 - ys.unit(y)))) for x, y in points if math.isfinite(y)
    ]
    if not spots:
        return ""
    if len(spots) == 1:
        return f"M{spots[0][0]} {spots[0][1]}h.1"
    return "M" + " ".join(f"{x} {y}" for x, y in spots)


def dot(x: float, y: float, xs: Scale, ys: Scale, css: str, trial: int | None = None) -> str:
    """A round dot: a line of no length with round ends, which a stretched SVG cannot squash."""
    tag = "" if trial is None else f' data-t="{trial}"'
    return f'<path class="dot {css}"{tag} d="{path([(x, y)], xs, ys)}"/>'


def rule(ys: Scale, value: float, text: str, css: str) -> tuple[str, str]:
    """A horizontal reference line: its SVG and its HTML label; both empty where the value is off the scale."""
    if not (math.isfinite(value) and ys.low <= value <= ys.high):
        return "", ""
    y = ys.unit(value)
    svg = f'<path class="rule {css}" d="M0 {round(UNITS * (1 - y))}H{UNITS}"/>'
    css = (
        f"{css} left under" if y > 0.92 else f"{css} left"
    )  # above the top line there is only the axis' name
    return svg, f'<span class="mark {css}" style="bottom:{100 * y:.2f}%;left:0">{esc(text)}</span>'


def label(x: float, y: float, xs: Scale, ys: Scale, text: str, css: str) -> str:
    """A label beside a point, on the side where there is room."""
    left = xs.unit(x)
    side = "left" if left < SIDE else "right"
    place = f"left:{100 * left:.2f}%" if side == "left" else f"right:{100 * (1 - left):.2f}%"
    return (
        f'<span class="mark {css} {side}" style="bottom:{100 * ys.unit(y):.2f}%;{place}">{esc(text)}</span>'
    )


def frame(
    kind: str,
    aria: str,
    xs: Scale,
    ys: Scale,
    svg: str,
    marks: str = "",
    *,
    x_name: str,
    y_name: str,
    tall: bool = False,
) -> str:
    """The whole plot: grid, ticks, axis names and the `svg` inside. `aria` is what a screen reader says of it."""
    x_ticks, y_ticks = xs.ticks(7), ys.ticks(6)
    grid = "".join(f'<path class="grid" d="M0 {round(UNITS * (1 - ys.unit(v)))}H{UNITS}"/>' for v in y_ticks)
    left = "".join(f'<span style="bottom:{100 * ys.unit(v):.2f}%">{tick(v)}</span>' for v in y_ticks)
    below = "".join(f'<span style="left:{100 * xs.unit(v):.2f}%">{tick(v)}</span>' for v in x_ticks)
    return (
        f'<div class="plot{" tall" if tall else ""}" data-plot="{kind}">'
        f'<div class="yname" aria-hidden="true">{esc(y_name)}</div>'
        f'<div class="area" role="img" tabindex="0" aria-label="{esc(aria)}">'
        f'<svg viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none" aria-hidden="true">{grid}{svg}</svg>'
        f'<div class="yt" aria-hidden="true">{left}</div><div class="xt" aria-hidden="true">{below}</div>{marks}</div>'
        f'<div class="xname" aria-hidden="true">{esc(x_name)}</div></div>'
    )


def tick(value: float) -> str:
    return short(value) if abs(value) >= 1000 else figure(value, 3)


def _linear_ticks(low: float, high: float, n: int) -> list[float]:
    raw = (high - low) / max(n, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, n: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**d for d in decades for m in mantissas if low <= m * 10.0**d <= high]
        if len(found) <= n + 2:
            return found if len(found) >= 2 else _linear_ticks(low, high, n)
    return found[:: math.ceil(len(found) / n)]
