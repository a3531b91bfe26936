"""Text for the page: escaping, and numbers as people read them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from seedleaf.core import Value

MISSING = "–"


def esc(text: object) -> str:
    """Safe inside an element and inside a quoted attribute."""
    return html.escape(str(text), quote=True)


def script_json(body: object) -> str:
    """JSON that is safe inside a script element: no "<", ">" or "&" is left to end it or to open a comment."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def figure(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits and no exponent where people would write none."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands apart: 14,210."""
    return f"{round(value):,}" if math.isfinite(value) else MISSING


def short(value: float) -> str:
    """A count as an axis or a tile writes it: 950, 14.2k, 1.24M."""
    if not math.isfinite(value):
        return MISSING
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale * 0.9995:
            return f"{float(f'{value / scale:.3g}'):g}{unit}"
    return f"{float(f'{value:.3g}'):g}"


def share(value: float, digits: int = 1) -> str:
    """0.9812 as 98.1 %."""
    return f"{100 * value:.{digits}f} %" if math.isfinite(value) else MISSING


def size(n_bytes: float) -> str:
    """Bytes in kB or MB (powers of ten, as file managers show them)."""
    if not math.isfinite(n_bytes):
        return MISSING
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    return f"{n_bytes / 1e3:.3g} kB" if n_bytes < 999_500 else f"{n_bytes / 1e6:.3g} MB"


def duration(seconds: float) -> str:
    """Seconds as 0.4 s, 58 s, 4 min 05 s or 2 h 10 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(epoch: float) -> str:
    """A time in UTC, so that the page reads the same on every machine."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def setting(value: Value) -> str:
    """One value of a config."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return figure(value, 3)
    return str(value)


def plural(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
    css: str = "",
    words: Collection[int] = (),
) -> str:
    """A table of cells that are HTML already; cells that start with a digit or a sign are set right, but for those of the
    columns `words`, which are sentences."""
    ths = "".join(f'<th scope="col">{h}</th>' for h in head)
    body = "".join(f"<tr>{''.join(_cell(c, k in words) for k, c in enumerate(row))}</tr>" for row in rows)
    label = f"<caption>{caption}</caption>" if caption else ""
    inside = f"{label}<thead><tr>{ths}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="{css}">{inside}</table></div>'


def _cell(content: str, words: bool) -> str:
    numeric = content[:1].isdigit() or content[:1] in "−±∞" or content == MISSING
    return f'<td class="n">{content}</td>' if numeric and content and not words else f"<td>{content}</td>"
