"""The lines at the end of a run."""

from __future__ import annotations

from seedleaf.summary import _seen


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
