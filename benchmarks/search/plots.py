"""Two pictures as plain SVG: curves of the regret over the steps, and the critical-difference diagram of Demšar (2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from search.stats import Array, Ranking

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 58, 190, 30, 44
# Okabe and Ito's colours, legible with every kind of colour vision; the first is for the method in question.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555", "#b8a800")
DASHES = ("", "6 3", "2 2")


def curves(title: str, unit: str, at: Sequence[float], lines: Mapping[str, Array], bold: str) -> str:
    """Mean regret over `unit`, both on log scales. `lines`: method -> values, shape (len(at),); `bold` lies on top."""
    drawn = np.concatenate(list(lines.values()))
    drawn = drawn[np.isfinite(drawn)]
    low = max(0.8 * float(drawn[drawn > 0].min(initial=0.5)), 1e-3)
    high = max(1.2, float(drawn.max()) * 1.1)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def x(value: float) -> float:
        return LEFT + (right - LEFT) * math.log(value / at[0]) / math.log(at[-1] / at[0])

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * math.log(max(value, low) / low) / math.log(high / low)

    parts = [_text(LEFT, 18, f"{title}: mean normalised regret", size=14, weight="bold")]
    for tick in (t * 10.0**e for e in range(-3, 3) for t in (1, 2, 5)):
        if low <= tick <= high:
            parts += [
                _line(LEFT, y(tick), right, y(tick), "#ddd"),
                _text(LEFT - 6, y(tick) + 4, f"{tick:g}", "end"),
            ]
        if at[0] <= tick <= at[-1]:
            parts += [
                _line(x(tick), TOP, x(tick), bottom, "#eee"),
                _text(x(tick), bottom + 16, f"{tick:g}", "middle"),
            ]
    parts.append(_text((LEFT + right) / 2, HEIGHT - 8, f"{unit} used", "middle"))
    for number, (method, values) in sorted(enumerate(lines.items()), key=lambda row: row[1][0] == bold):
        colour, dash = style(number)
        width = 3 if method == bold else 1.6
        points = " ".join(
            f"{x(a):.1f},{y(float(v)):.1f}" for a, v in zip(at, values, strict=True) if np.isfinite(v)
        )
        drawing = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{points}" {drawing}/>')
        row = TOP + 8 + 17 * number
        parts.append(_line(right + 12, row, right + 36, row, colour, width, dash))
        parts.append(_text(right + 42, row + 4, method, weight="bold" if method == bold else "normal"))
    return _svg(WIDTH, max(HEIGHT, TOP + 17 * len(lines) + 10), parts)


def style(number: int) -> tuple[str, str]:
    """Colour and dashes of the line with that number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def critical_difference(title: str, ranking: Ranking, bold: str) -> str:
    """Methods on the axis of mean ranks, best on the left; a bar joins those that the test does not tell apart."""
    names, k = list(ranking.ranks), len(ranking.ranks)
    half = (k + 1) // 2
    left, right, axis = 190, WIDTH - 190, 74
    bars = groups(list(ranking.ranks.values()), ranking.critical)
    first_row = axis + 22 + 8 * len(bars)
    height = first_row + 18 * half + 14

    def x(rank: float) -> float:
        return left + (right - left) * (rank - 1) / max(k - 1, 1)

    p = "p < 0.001" if ranking.p < 1e-3 else f"p = {ranking.p:.3f}"
    told = f"{title}: {ranking.n} problems, Friedman {p}"
    parts = [_text(12, 18, told, size=13, weight="bold"), _line(left, axis, right, axis, "#000")]
    for tick in range(1, k + 1):
        parts += [
            _line(x(tick), axis - 5, x(tick), axis, "#000"),
            _text(x(tick), axis - 9, str(tick), "middle"),
        ]
    end = min(x(1 + ranking.critical), right)
    parts += [
        _line(left, 40, end, 40, "#000", 2),
        _text(end + 6, 44, f"critical difference {ranking.critical:.2f}"),
    ]
    for row, (start, stop) in enumerate(bars):
        ends = [ranking.ranks[names[i]] for i in (start, stop)]
        parts.append(
            _line(x(ends[0]) - 4, axis + 10 + 8 * row, x(ends[1]) + 4, axis + 10 + 8 * row, "#000", 4)
        )
    for at, name in enumerate(names):
        rank, on_left = ranking.ranks[name], at < half
        y = first_row + 18 * (at if on_left else k - 1 - at)
        edge = left - 12 if on_left else right + 12
        colour = COLOURS[0] if name == bold else "#666"
        parts.append(
            f'<polyline points="{x(rank):.1f},{axis} {x(rank):.1f},{y} {edge},{y}" fill="none" stroke="{colour}"/>'
        )
        label, weight = f"{name} {rank:.2f}", "bold" if name == bold else "normal"
        parts.append(
            _text(edge + (-4 if on_left else 4), y + 4, label, "end" if on_left else "start", weight=weight)
        )
    return _svg(WIDTH, height, parts)


def groups(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Maximal stretches (first, last) of the ascending `ranks` that lie within `critical` of each other."""
    found: list[tuple[int, int]] = []
    for start in range(len(ranks)):
        stop = max(i for i in range(start, len(ranks)) if ranks[i] - ranks[start] < critical)
        if stop > start and (not found or stop > found[-1][1]):
            found.append((start, stop))
    return found


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 12, weight: str = "normal"
) -> str:
    look = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> str:
    look = f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">'
    body = "\n".join(parts)
    return f'{head}\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
