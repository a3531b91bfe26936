"""`python benchmarks/light/latency.py`: is the latency that is told from the plan the one that is measured?

Measures the machine's pace anew, then times other random networks and compares: rank correlation and relative error of the
prediction, beside a power law of the multiply-adds and one of the parameters, fitted to the same networks as the pace.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr

from seedleaf import stopwatch
from seedleaf.learners.cost import costs
from seedleaf.learners.ops import NetPlan

Array = np.ndarray[tuple[int], np.dtype[np.float64]]


def power_law(plans: list[NetPlan], times: Array, cost: str) -> Callable[[NetPlan], float]:
    """The least-squares line of log time over log cost."""
    slope, shift = np.polyfit([np.log(costs(p)[cost]) for p in plans], np.log(times), 1)
    return lambda plan: float(np.exp(shift + slope * np.log(costs(plan)[cost])))


def row(name: str, predict: Callable[[NetPlan], float], plans: list[NetPlan], times: Array) -> str:
    told = np.array([predict(p) for p in plans])
    off = np.abs(told / times - 1)
    rank = spearmanr(told, times)[0]
    within = float((off <= 0.1).mean())
    return f"| {name} | {rank:.3f} | {np.median(off):.1%} | {np.quantile(off, 0.9):.0%} | {off.max():.0%} | {within:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=90, help="to compare on")
    given = parser.parse_args()
    begun = time.perf_counter()
    plans, times = stopwatch.measure_networks(stopwatch.NETWORKS)
    measured = time.perf_counter() - begun
    pace = stopwatch.solve(plans, times, stopwatch.machine_name())
    solved = time.perf_counter() - begun - measured
    others, truth = stopwatch.measure_networks(given.networks, "compared")
    begun = time.perf_counter()
    for plan in others:
        pace(plan)
    each = 1000 * (time.perf_counter() - begun) / len(others)
    print(f"machine: {pace.machine}; channels in a block: {pace.block}")
    print(
        f"{len(plans)} networks timed in {measured:.1f} s, solved in {solved:.1f} s, one prediction {each:.2f} ms"
    )
    low, middle, high = np.quantile(truth, (0, 0.5, 1))
    print(f"{len(others)} others take {low:.3f} to {high:.2f} ms, half of them less than {middle:.2f}")
    again = np.array([stopwatch.milliseconds(p) for p in others])
    print(f"measured a second time they differ by {np.median(np.abs(again / truth - 1)):.1%} (median)\n")
    print("| told from | rank correlation | median error | 9 of 10 within | largest | within 10 % |")
    print("|---|---|---|---|---|---|")
    print(row("the plan (seedleaf)", pace, others, truth))
    print(row("multiply-adds", power_law(plans, times, "macs"), others, truth))
    print(row("parameters", power_law(plans, times, "params"), others, truth))


if __name__ == "__main__":
    main()
