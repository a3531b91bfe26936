"""The section of a compression: the network beside its original and control, and layer by layer what was done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seedleaf.report.facts import Facts, number
from seedleaf.report.text import MISSING, count, esc, figure, share, size, table

LISTED = 200  # rows; a network with more is listed in recipe.json


def compression_section(facts: Facts) -> str:
    """Empty where nothing was compressed."""
    final = facts.note("final")
    old = final.get("original")
    if not isinstance(old, Mapping):
        return ""
    control = final.get("control") or {}
    rows = [
        ("test accuracy", _accuracy(final), _accuracy(old), _accuracy(control)),
        ("parameters", count(number(final, "params")), count(number(old, "params")), ""),
        ("multiply-adds", count(number(final, "macs")), count(number(old, "macs")), ""),
        ("file", size(number(final, "bytes")), size(number(old, "bytes")), ""),
        ("one image, median", _ms(final, "median"), _ms(old, "median"), ""),
        ("one image, 9 of 10 within", _ms(final, "p90"), _ms(old, "p90"), ""),
    ]
    heads = ("", "compressed", "the original", "the same from scratch")
    note = (
        '<p class="hint">Both graphs were timed in turns in one run of ONNX Runtime on one thread, warm. The last column is '
        "the compressed network with new weights, trained as long as the compressed one was fine-tuned.</p>"
    )
    return f"{table(heads, rows)}{note}{_layers(final)}"


def _accuracy(body: Mapping[str, Any]) -> str:
    low, high = number(body, "test", "low"), number(body, "test", "high")
    span = f" ({100 * low:.1f} to {100 * high:.1f})" if math.isfinite(low + high) else ""
    return f"{share(number(body, 'test', 'accuracy'), 2)}{span}"


def _ms(body: Mapping[str, Any], which: str) -> str:
    ms = number(body, "latency_ms", which)
    return f"{figure(ms, 3)} ms" if math.isfinite(ms) else MISSING


def _layers(final: Mapping[str, Any]) -> str:
    layers = [row for row in final.get("layers") or [] if isinstance(row, Mapping)]
    if not layers:
        return ""
    rows = [tuple(esc(row.get(k, "")) for k in ("pass", "layer", "what", "why")) for row in layers[:LISTED]]
    more = f'<p class="hint">And {len(layers) - LISTED} more.</p>' if len(layers) > LISTED else ""
    listed = table(("pass", "layer", "what", "why"), rows, words=(2, 3))
    return f"<h3>What was done, layer by layer</h3>{listed}{more}"
