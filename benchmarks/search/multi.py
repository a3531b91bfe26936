"""Two objectives: the hypervolume that each method covers, from the results that run.py and peers/run.py wrote.

    python benchmarks/search/run.py --families nb201_pareto,accel_nasbench --seeds 0-9 --out FOLDER \\
        --methods seedleaf,seedleaf:tpe+full,seedleaf:evolution+full,random
    python benchmarks/search/multi.py FOLDER       # beside the peers' runs in results/peers.csv

Every evaluation is a full training. The reference point is the 95th percentile of each objective over the table, so that
what nobody would take does not count; figures are the share of the whole table's hypervolume that is still missing.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

# In place of this folder, whose trace.py would hide the standard library's.
sys.path[0] = str(Path(__file__).parents[1])

from search import volume  # noqa: E402
from search.archive import unpack  # noqa: E402
from search.scenarios import load  # noqa: E402
from search.tabular import Table  # noqa: E402
from search.trace import read  # noqa: E402

MARKS = (20, 50, 100)
PERCENTILE = 95
ARCHIVE = Path(__file__).with_name("results") / "peers.csv"


def table_of(name: str) -> tuple[np.ndarray[Any, Any], list[float]]:
    """All rows' losses, shape (rows, 2), and the reference point."""
    scenario = load(name)
    assert isinstance(scenario.source, Table)
    values = scenario.source.values
    signs = [1 if o.direction == "min" else -1 for o in scenario.objectives]
    losses = np.column_stack(
        [s * values[o.metric][:, -1] for s, o in zip(signs, scenario.objectives, strict=True)]
    )
    return losses, [float(v) for v in np.percentile(losses, PERCENTILE, axis=0)]


def missing(rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """The missing share of runs on one scenario after each of MARKS evaluations, shape (runs, marks)."""
    losses, nadir = table_of(rows[0]["scenario"])
    whole = volume.hypervolume(losses, nadir)
    return np.array([1 - np.array(volume.growth(row["evaluated"], nadir, MARKS)) / whole for row in rows])


def main(folder: Path) -> None:
    runs: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    rows = unpack(ARCHIVE) + read(sorted(folder.glob("*.jsonl")))
    for row in {(r["method"], r["scenario"], r["seed"]): r for r in rows}.values():
        if row.get("evaluated"):
            runs[row["scenario"]][row["method"]].append(row)
    for name, methods in sorted(runs.items()):
        print(f"\n{name}, missing hypervolume in %, mean ± standard error\n")
        print(
            "| method | runs | " + " | ".join(f"{m} evaluations" for m in MARKS) + " | s of deciding a run |"
        )
        print("|---|---|" + "---|" * (len(MARKS) + 1))
        found = {method: missing(rows) for method, rows in methods.items()}
        for method in sorted(found, key=lambda m: found[m][:, -1].mean()):
            share = 100 * found[method]
            error = (
                share.std(axis=0, ddof=1) / np.sqrt(len(share))
                if len(share) > 1
                else np.full(len(MARKS), np.nan)
            )
            cells = " | ".join(f"{a:.1f} ± {e:.1f}" for a, e in zip(share.mean(axis=0), error, strict=True))
            spent = np.mean([row["deciding_s"] for row in methods[method]])
            print(f"| {method} | {len(share)} | {cells} | {spent:.1f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
