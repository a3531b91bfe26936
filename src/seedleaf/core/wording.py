"""How quantities are written, the same in every room."""

from __future__ import annotations

import math


def format_ms(ms: float) -> str:
    """Three digits at least and no power of ten, however quick or slow: 0.0134 ms, 12.3 ms, 1,230 ms."""
    decimals = max(2 - math.floor(math.log10(ms)), 0) if 0 < ms < math.inf else 0
    text = f"{ms:,.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} ms"
