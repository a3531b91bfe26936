"""The lines at the end of a run."""

from __future__ import annotations

from seedleaf.summary import _seen


def test_the_latency_of_a_small_network_is_not_rounded_away() -> None:
    test = {"accuracy": 0.98, "low": 0.97, "high": 0.99}
    metrics = {
        "test": test,
        "params": 6274,
        "macs": 152_384,
        "bytes": 26_100,
        "latency_ms": {"median": 0.01342},
    }
    assert _seen(metrics).endswith("26 kB, 0.0134 ms an image")
