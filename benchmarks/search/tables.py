"""`python benchmarks/search/tables.py`: from the results files to tables and plots in benchmarks/RESULTS.md.

Reads the peers' runs that are kept in results/peers.csv (see archive.py) and every *.jsonl of the results folder
(--results, may be given several times; they count where both have a run), takes the scenarios of --split, and rewrites
what stands between the two markers in RESULTS.md; plots go to benchmarks/plots/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # in place of this folder, whose trace.py would hide the standard library's
    sys.path[0] = str(Path(__file__).parents[1])

from search.archive import unpack
from search.scenarios import FAMILIES, load, names
from search.sections import (
    clock_section,
    cost_section,
    family_section,
    pareto_section,
    rank_section,
    rule_section,
    summary,
    table,
)
from search.stats import CAP, Run
from search.trace import read

HERE = Path(__file__).parent
BEGIN, END = "<!-- search:begin -->", "<!-- search:end -->"


def select(runs: Sequence[Run], split: str | None) -> list[Run]:
    """One run for each (method, scenario, seed), the latest; of the scenarios of that split; without the broken ones."""
    wanted = {n for f in FAMILIES if f != "synthetic" or split is None for n in names(f, split)}  # type: ignore[arg-type]
    latest = {(r["method"], r["scenario"], r["seed"]): r for r in runs if r["scenario"] in wanted}
    return [r for r in latest.values() if "error" not in r]


def broken(runs: Sequence[Run], split: str | None) -> list[str]:
    """The runs that ended in an error, counted by method."""
    wanted = {n for f in FAMILIES for n in names(f, split)}  # type: ignore[arg-type]
    latest = {(r["method"], r["scenario"], r["seed"]): r for r in runs if r["scenario"] in wanted}
    kinds: dict[tuple[str, str], int] = {}
    for r in latest.values():
        if "error" in r:
            key = (r["method"], str(r["error"])[:100].replace("|", "/"))
            kinds[key] = kinds.get(key, 0) + 1
    rows = [[m, str(n), e] for (m, e), n in sorted(kinds.items())]
    return ["### Runs that broke", "", *table(["method", "runs", "error"], rows)] if rows else []


INTRODUCTION = f"""## Searching, side by side

`python benchmarks/search/peers/campaign.py`, then `python benchmarks/search/tables.py`; what is compared and how stands in
benchmarks/search/README.md, the peers' runs in benchmarks/search/results/peers.csv. "runs" counts instances times seeds:
slow peers have fewer seeds, on longer curves fewest, and 20 full trainings instead of 50. Regret is normalised (0 the best
known config, 1 the median random one, capped at {CAP:g}) and that of the incumbent at full fidelity; in brackets 95 %
bootstrap intervals over runs within instances."""


RULES = {
    "seen": "The incumbent is the config with the best value seen at any step.",
    "latest": "The incumbent is the config with the best latest value, as `Study.best`.",
}


def under(rule: str, run: Run) -> Run:
    """The run with the traces of that rule of the incumbent as its `trace` and `clock`, those of the other as `last`."""
    if rule == "seen":
        return run
    return {**run, "trace": run["last"], "last": run["trace"], "clock": run.get("clock_last", run["clock"])}


def block(runs: Sequence[Run], split: str | None, folder: Path, rule: str) -> str:
    """Everything between the markers."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [under(rule, r) for r in select(runs, split)]
    grouped = {f: [r for r in chosen if r["family"] == f] for f in FAMILIES}
    present = {f: rows for f, rows in grouped.items() if rows}
    two = {f: rows for f, rows in present.items() if load(rows[0]["scenario"]).second}
    one = {f: rows for f, rows in present.items() if f not in two}
    text = [f"{INTRODUCTION} {RULES[rule]}", "", *summary(one), *rank_section(one, folder)]
    for family, rows in one.items():
        text += family_section(family, rows, folder)
    for family, rows in two.items():
        text += pareto_section(family, rows)
    text += [*clock_section(one), *rule_section(one, rule), *cost_section(one), *broken(runs, split)]
    return "\n".join(text).rstrip() + "\n"


def write(path: Path, content: str) -> None:
    """Put `content` between the markers of the file at `path`; at its end where there are none."""
    old = path.read_text() if path.exists() else ""
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{content}{END}{after}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, action="append", default=None)
    parser.add_argument("--split", choices=["tune", "report", "spare", "all"], default="report")
    parser.add_argument("--archive", type=Path, default=HERE / "results" / "peers.csv")
    parser.add_argument(
        "--rule", choices=list(RULES), default="latest", help="whom to call the incumbent, see README.md"
    )
    parser.add_argument(
        "--into", type=Path, default=HERE.parent / "RESULTS.md", help="the file with the markers"
    )
    given = parser.parse_args(arguments)
    folders = given.results or [HERE / "results"]
    runs = unpack(given.archive) + read(sorted(p for folder in folders for p in folder.glob("*.jsonl")))
    split = None if given.split == "all" else given.split
    if not select(runs, split):
        sys.exit(f"no runs on {given.split} scenarios in {', '.join(map(str, folders))}")
    write(given.into, block(runs, split, given.into.parent / "plots", given.rule))


if __name__ == "__main__":
    main()
