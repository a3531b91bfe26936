"""The sections of the report: what stands in benchmarks/RESULTS.md for each family, and over all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from search import plots
from search.archive import CLOCK, GRID
from search.scenarios import TIMED, Scenario, load, seconds_of_full
from search.stats import MARKS, Array, Run, Spread, by_scenario, covering, rank, regrets, spread
from search.volume import growth

OURS = "seedleaf"
BASELINES = ("random", "random-asha", "i-epoch")
EVALUATIONS = (5, 10, 20, 50, 100)  # the marks of families without a fidelity


def ordered(methods: set[str]) -> list[str]:
    """seedleaf first, its variants, the baselines, then the peers by name."""
    return sorted(methods, key=lambda m: (m != OURS, not m.startswith(OURS), m not in BASELINES, m))


def marks_of(family: Sequence[Run]) -> Sequence[int]:
    """The marks that a family is read at, as far as its runs reach."""
    single = family[0]["full"] == 1
    reach = max(r["budget"] / r["full"] for r in family)
    return [m for m in (EVALUATIONS if single else MARKS) if m <= reach]


def spreads(runs: Sequence[Run], score: Callable[[Run, Scenario], Array]) -> list[Spread]:
    """One Spread for each entry of what `score` gives for a run."""
    values = np.array([score(r, load(r["scenario"])) for r in runs])
    groups = [r["scenario"] for r in runs]
    return [spread(column, groups) for column in values.T]


def family_section(family: str, runs: Sequence[Run], folder: Path) -> list[str]:
    """The tables of one family with one objective, and its plot."""
    marks = marks_of(runs)
    unit = "evaluations" if runs[0]["full"] == 1 else "full trainings"
    wide, shared = covering(runs, least=0.25)
    text = [
        f"### {family}",
        "",
        f"On the instances that all of these methods ran on: {_instances(shared)}.",
        "",
    ]
    chosen = [r for r in runs if r["method"] in wide and r["scenario"] in shared]
    text += _regret_tables(chosen, marks, unit)
    every, whole = covering(runs, least=1.0)
    if whole > shared:
        text += [f"On all {len(whole)} ({_instances(whole)}):", ""]
        text += _regret_tables([r for r in runs if r["method"] in every], marks, unit)
    at = [m for m in GRID if (0.1 if runs[0]["full"] > 1 else 1) <= m <= marks[-1]]
    lines = {
        m: np.mean([regrets(r, load(r["scenario"]), at) for r in chosen if r["method"] == m], axis=0)
        for m in ordered(set(wide))
    }
    name = f"search-{family}.svg"
    (folder / name).write_text(plots.curves(family, unit, at, lines, OURS))
    return [*text, f"![{family}: regret over {unit}](plots/{name})", ""]


def _instances(scenarios: set[str]) -> str:
    return ", ".join(sorted(s.partition("/")[2] for s in scenarios))


def _regret_tables(runs: Sequence[Run], marks: Sequence[int], unit: str) -> list[str]:
    rows = {
        m: spreads([r for r in runs if r["method"] == m], lambda r, s: regrets(r, s, marks))
        for m in ordered({r["method"] for r in runs})
    }
    means = [[m, *map(str, row), str(row[0].n)] for m, row in rows.items()]
    worst = [[m, *(s.worse_half for s in row)] for m, row in rows.items()]
    return [
        *table([f"mean regret after {unit}", *map(str, marks), "runs"], means),
        *table(["median / worst", *map(str, marks)], worst),
    ]


def pareto_section(family: str, runs: Sequence[Run]) -> list[str]:
    """Hypervolume of a family with two objectives, as a share of what the front of the whole table has, below the point that
    a tenth of the table exceeds in either."""
    marks = marks_of(runs)

    def score(run: Run, scenario: Scenario) -> Array:
        steps = [m * scenario.full for m in marks]
        found = np.array(growth(run["evaluated"], scenario.nadir, steps)) / scenario.volume
        return np.where(np.array(steps) <= run["budget"], found, np.nan)

    rows = []
    for m in ordered({r["method"] for r in runs}):
        row = spreads([r for r in runs if r["method"] == m and "evaluated" in r], score)
        rows.append([m, *map(str, row), str(row[0].n)])
    head = ["share of the table's hypervolume after", *map(str, marks), "runs"]
    return [f"### {family}: two objectives", "", *table(head, rows)]


def summary(families: Mapping[str, Sequence[Run]]) -> list[str]:
    """seedleaf's mean regret beside that of the method that comes nearest or lies ahead, pairwise on shared scenarios."""
    rows = []
    for family, runs in families.items():
        for mark in marks_of(runs):
            pairs = []
            for m in {r["method"] for r in runs if not r["method"].startswith(OURS)}:
                both = by_scenario(runs, partial(_score, mark=mark), [OURS, m])
                if both[OURS]:
                    ours, theirs = float(np.mean(both[OURS])), float(np.mean(both[m]))
                    pairs.append((ours / theirs if theirs > 0 else np.inf, m, ours, theirs, len(both[m])))
            if pairs:
                ratio, m, ours, theirs, n = max(pairs)
                drawn = by_scenario(runs, partial(_score, mark=mark, drawn=True), [OURS, m])
                second = float(np.mean(drawn[OURS])) / float(np.mean(drawn[m]))
                ahead = sum(pair[0] > 1 for pair in pairs)
                figures = [f"{ours:.3f}", f"{theirs:.3f} ({m})", f"{ratio:.2f}", f"{second:.2f}"]
                figures += [str(n), f"{ahead} of {len(pairs)}"]
                rows.append([family, str(mark), *figures])
    told = (
        "Ratio*: with regret 0 for the best of 20,000 random configs, which a local search may beat by far."
    )
    head = [
        "family",
        "after",
        OURS,
        "best other",
        "ratio",
        "ratio*",
        "shared instances",
        "methods ahead of seedleaf",
    ]
    return [*table(head, rows), told, ""] if rows else []


def rank_section(families: Mapping[str, Sequence[Run]], folder: Path) -> list[str]:
    """Mean ranks over the scenarios that the methods share, with the critical-difference plots."""
    text: list[str] = []
    for kind, single in (("with a fidelity", False), ("without", True)):
        for mark in (50, 100) if single else (5, 20, 50):
            runs = [
                r
                for rows in families.values()
                for r in rows
                if (r["full"] == 1) == single and r["budget"] >= mark * r["full"]
            ]
            methods, _ = covering([r for r in runs if not r["method"].startswith(f"{OURS}:")], least=0.25)
            ranking = rank(by_scenario(runs, partial(_score, mark=mark), ordered(set(methods))))
            if ranking is None:
                continue
            name = f"search-ranks-{'single' if single else 'fidelity'}-{mark}.svg"
            title = f"Families {kind}, after {mark}"
            (folder / name).write_text(plots.critical_difference(title, ranking, OURS))
            text += [f"![{title}](plots/{name})", ""]
    return ["### Mean ranks", "", *text] if text else []


def _score(run: Run, mark: int, drawn: bool = False) -> float:
    scenario = load(run["scenario"])
    return float(regrets(run, replace(scenario, best=scenario.drawn) if drawn else scenario, [mark])[0])


def clock_section(families: Mapping[str, Sequence[Run]]) -> list[str]:
    """Regret by simulated seconds, where the data has them; the unit is that of a full training."""
    text = []
    for family, runs in families.items():
        if family not in TIMED:
            continue
        marks = [m for m in CLOCK if m in marks_of(runs)]
        rows = []
        for m in ordered({r["method"] for r in runs}):

            def score(r: Run, s: Scenario, marks: Sequence[int] = marks) -> Array:
                return regrets(r, s, marks, "clock", seconds_of_full(s.name))

            row = spreads([r for r in runs if r["method"] == m], score)
            rows.append([m, *map(str, row)])
        if rows:
            text += table([f"{family}: mean regret by the clock after", *map(str, marks)], rows)
    head = "### By simulated seconds\n\nThe unit is the mean time of a full training of a random config."
    return [head, "", *text] if text else []


def rule_section(families: Mapping[str, Sequence[Run]], rule: str) -> list[str]:
    """Mean regret at 20 full trainings under both rules of the incumbent, that of all other tables first."""
    deep = {f: rows for f, rows in families.items() if 20 in marks_of(rows) and rows[0]["full"] > 1}
    rows = []
    for m in ordered({r["method"] for runs in deep.values() for r in runs}):
        row = [m]
        for runs in deep.values():
            own = [r for r in runs if r["method"] == m]
            both = [[regrets(r, load(r["scenario"]), [20], key)[0] for r in own] for key in ("trace", "last")]
            row.append(" / ".join(f"{np.nanmean(v):.3f}" if np.isfinite(v).any() else "–" for v in both))
        rows.append(row)
    first, second = ("best value seen", "best latest value")[:: 1 if rule == "seen" else -1]
    told = (
        f"Mean regret after 20 full trainings: incumbent by the {first} (all other tables) / by the {second}."
    )
    head = ["### How much the rule of the incumbent matters", "", told, ""]
    return [*head, *table(["method", *deep], rows)] if deep else []


def cost_section(families: Mapping[str, Sequence[Run]]) -> list[str]:
    """CPU seconds of deciding in a run and milliseconds for each piece of work, median over runs."""
    kinds = {"with a fidelity": False, "without": True}
    runs = {
        k: [r for rows in families.values() for r in rows if (r["full"] == 1) == v] for k, v in kinds.items()
    }
    rows = []
    for m in ordered({r["method"] for some in runs.values() for r in some}):
        row = [m]
        for some in runs.values():
            own = [r for r in some if r["method"] == m]
            spent = [(r["deciding_s"], 1000 * r["deciding_s"] / max(r["calls"], 1)) for r in own]
            row += [f"{v:.1f}" for v in np.median(spent, axis=0)] if own else ["–", "–"]
        rows.append(row)
    head = [x for k in kinds for x in (f"{k}: CPU s a run", "ms a piece of work")]
    return ["### What deciding costs", "", "Medians over runs.", "", *table(["method", *head], rows)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]
