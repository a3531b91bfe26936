"""Results that are kept in git: what the incumbent of each run was worth at the marks, a line of CSV for every run.

    python benchmarks/search/archive.py FOLDER [FOLDER …] --methods mobster,smac --into benchmarks/search/results/peers.csv

What stands there already stays, but for runs that are in the folders too.

Peers need an environment each and some take hours, so their runs stand beside the code and `tables.py` reads them with
fresh runs of everything else. Losses are kept, not regrets: a better reference changes the tables, not the file. Columns
`best@M`: loss at full fidelity of the incumbent after M full trainings, by its latest value; `seen@M`: by the best value
seen; `clock@M`, `clock-seen@M`: after M times the seconds of a full training. Empty: there was none yet, or the run had
ended; nan: it had diverged. `front`, with two objectives: steps used and both losses of every config that none before it
dominated. A run that broke keeps its error.
"""

from __future__ import annotations

import argparse
import csv
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # in place of this folder, whose trace.py would hide the standard library's
    sys.path[0] = str(Path(__file__).parents[1])

from search.scenarios import load, seconds_of_full
from search.stats import MARKS, Run
from search.trace import read

GRID = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 50, 70, 100)
CLOCK = (5, 20)
PLAIN = ("method", "scenario", "seed", "budget", "steps", "configs", "calls", "deciding_s", "simulated_s")
KINDS: Mapping[str, tuple[str, Sequence[float]]] = {  # column -> key of a results line, marks
    "best": ("last", GRID),
    "seen": ("trace", MARKS),
    "clock": ("clock_last", CLOCK),
    "clock-seen": ("clock", CLOCK),
}
COLUMNS = [*PLAIN, *(f"{kind}@{m:g}" for kind, (_, marks) in KINDS.items() for m in marks), "front", "error"]


def unit(kind: str, scenario: str) -> float:
    """What a full training is on the axis of that trace: steps or seconds."""
    return seconds_of_full(scenario) if kind.startswith("clock") else float(load(scenario).full)


def row_of(run: Run) -> dict[str, Any]:
    """A results line as a row of the CSV."""
    row = {key: run[key] for key in PLAIN}
    for kind, (key, marks) in KINDS.items():
        end = run["simulated_s"] if kind.startswith("clock") else run["budget"]
        each = unit(kind, run["scenario"])
        for m in marks:
            if m * each <= end and run.get(key):
                row[f"{kind}@{m:g}"] = _at(run[key], m * each)
    row["front"] = ";".join(
        f"{used}:{a:.7g}:{b:.7g}" for used, (a, b) in undominated(run.get("evaluated", ()))
    )
    row["error"] = run.get("error", "")
    return row


def _at(points: Sequence[Any], used: float) -> str:
    at = bisect_right([p[0] for p in points], used + 1e-9) - 1
    if at < 0:
        return ""
    return "nan" if points[at][1] is None else f"{points[at][1]:.7g}"


def undominated(evaluated: Iterable[Any]) -> list[tuple[int, tuple[float, float]]]:
    """Those of (steps used, two losses) that nothing before them is at least as good as: the hypervolume stays the same."""
    kept: list[tuple[int, tuple[float, float]]] = []
    for used, losses in evaluated:
        if None not in losses and not any(a <= losses[0] and b <= losses[1] for _, (a, b) in kept):
            kept.append((used, (losses[0], losses[1])))
    return kept


def run_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of the CSV as a results line, its traces as fine as the marks."""
    name = row["scenario"]
    run: dict[str, Any] = {"method": row["method"], "scenario": name, "family": name.partition("/")[0]}
    run |= {key: int(float(row[key])) for key in ("seed", "budget", "steps", "configs", "calls")}
    run |= {key: float(row[key]) for key in ("deciding_s", "simulated_s")}
    run["full"] = load(name).full
    for kind, (key, marks) in KINDS.items():
        known = [(m, row[f"{kind}@{m:g}"]) for m in marks if row[f"{kind}@{m:g}"]]
        each = unit(kind, name)
        run[key] = [[m * each, None if value == "nan" else float(value)] for m, value in known]
    if load(name).second:
        points = [point.split(":") for point in row["front"].split(";") if point]
        run["evaluated"] = [[int(used), [float(a), float(b)]] for used, a, b in points]
    if row["error"]:
        run["error"] = row["error"]
    return run


def unpack(path: Path) -> list[dict[str, Any]]:
    """The runs of a CSV; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [run_of(row) for row in csv.DictReader(file)]


def pack(runs: Iterable[Run], path: Path) -> int:
    """Write the latest of the runs of each (method, scenario, seed), in that order; how many there are."""
    latest: dict[tuple[str, str, int], Run] = {}
    for run in runs:
        key = run["method"], run["scenario"], run["seed"]
        if key not in latest or "error" in latest[key] or "error" not in run:
            latest[key] = run
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row_of(latest[key]) for key in sorted(latest))
    return len(latest)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--methods", default="", help="all by default")
    parser.add_argument("--into", type=Path, default=Path(__file__).with_name("results") / "peers.csv")
    given = parser.parse_args(arguments)
    wanted = set(filter(None, given.methods.split(",")))
    runs = read(sorted(p for folder in given.folders for p in folder.glob("*.jsonl")))
    n = pack([*unpack(given.into), *(r for r in runs if not wanted or r["method"] in wanted)], given.into)
    print(f"{n} runs, {given.into.stat().st_size / 1000:.0f} kB: {given.into}")


if __name__ == "__main__":
    main()
