"""Does the audit find what was planted, and only that: `python benchmarks/tables/audit.py --write`.

Faults, one of each kind, are planted in clean tables: each alone, and all of them at once. A fault is found when a finding
of its kind names its column. A false alarm is any finding in a table with nothing planted, and any finding beside one
planted fault that neither is of its kind nor names its column. Settings were chosen on the tables of TUNED; those of JUDGED
were looked at for this table only, but for the thresholds of `label`, which have seen both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from sections import write_section
from seedleaf.data.tables import load_table
from tables.faults import FAULTS, OF_CLASSES, Table

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular" / "pmlb"
MOST_ROWS = 4000
HEAD = """## The audit of tables

`python benchmarks/tables/audit.py --write`: in each table one fault of each kind (13; a table of numbers to be predicted
has no rare class: 12), planted alone and all at once, in a random form. Found: a finding of its kind names its column. False
alarm: a finding where nothing is planted, or beside a planted fault and neither of its kind nor on its column. Asked: at
least 95 % found, at most one false alarm a table. Up to 4,000 rows of tables of the Penn Machine Learning Benchmarks,
cleaned of true constants and repeats.

"""
TUNED = "german car satimage vehicle waveform_40 197_cpu_act 503_wind 529_pollen churn segmentation".split()  # noqa: SIM905
JUDGED = "krkopt nursery shuttle tic_tac_toe vowel optdigits magic 537_houses 225_puma8NH 564_fried".split()  # noqa: SIM905


def clean_table(name: str, seed: int) -> Table:
    """Up to MOST_ROWS rows without repeated rows, constant or repeated columns, three to one in training and test part."""
    frame = pd.read_csv(ROOT / f"{name}.tsv.gz", sep="\t").drop_duplicates()
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=seed)
    gone = [c for c in frame.columns[:-1] if frame[c].nunique() < 2]
    numbers = frame.drop(columns=[*gone, frame.columns[-1]])
    r = np.triu(np.abs(np.corrcoef(numbers.to_numpy(float), rowvar=False)), 1)
    gone += [numbers.columns[k] for k in range(r.shape[1]) if (r[:, k] > 0.998).any()]
    gone += [c for c in frame.columns[:-1] if c == "phone number"]
    frame = frame.drop(columns=gone)
    y = frame.iloc[:, -1]
    regression = y.nunique() > 30 or y.dtype.kind == "f"
    if not regression:
        frame = frame[y.map(y.value_counts()) >= 20]
    cut = len(frame) * 3 // 4
    return Table(frame[:cut], frame[cut:], regression)


def findings(table: Table, folder: Path) -> list[tuple[str, str, str]]:
    """(kind, column, text) of what is found in the table's two files."""
    train, test = folder / "train.csv", folder / "test.csv"
    table.train.to_csv(train, index=False)
    table.test.to_csv(test, index=False)
    task = "regression" if table.regression else "classification"
    found = load_table(train, target=table.target, test=test, task=task).schema.findings
    return [(f.kind, f.column, str(f)) for f in found]


def facts(table: Table) -> list[str]:
    """Kinds of finding that are no false alarm: planting one fault (missing cells) can make rows equal."""
    train, both = table.train.astype(str), pd.concat([table.train, table.test]).astype(str)
    return ["duplicate-rows"] * bool(train.duplicated().any()) + ["test-rows"] * bool(both.duplicated().any())


def is_found(found: list[tuple[str, str, str]], kind: str, column: str) -> bool:
    return any(k == kind and c == column for k, c, _ in found)


def one(name: str, seed: int, folder: Path) -> dict[str, object]:
    """What became of every fault in one table."""
    begun = time.perf_counter()
    table = clean_table(name, seed)
    false = [text for _, _, text in findings(table, folder)]
    kinds = [k for k in FAULTS if not (table.regression and k in OF_CLASSES)]
    alone: dict[str, bool] = {}
    for number, kind in enumerate(kinds):
        spoilt, column = FAULTS[kind](table, np.random.default_rng([seed, number]))
        found = findings(spoilt, folder)
        alone[kind] = is_found(found, kind, column)
        true = facts(spoilt)
        false += [
            text for k, c, text in found if k not in (kind, *true) and c != column and text not in false
        ]
    spoilt, columns = table, {}
    for number, kind in enumerate(k for k in kinds if k != "duplicate-rows"):
        spoilt, columns[kind] = FAULTS[kind](spoilt, np.random.default_rng([seed, 99, number]))
    spoilt, columns["duplicate-rows"] = FAULTS["duplicate-rows"](
        spoilt, np.random.default_rng([seed, 99, 99])
    )
    found = findings(spoilt, folder)
    together = {kind: is_found(found, kind, column) for kind, column in columns.items()}
    seconds = time.perf_counter() - begun
    return {
        "table": name,
        "seed": seed,
        "alone": alone,
        "together": together,
        "false": false,
        "seconds": seconds,
    }


def summary(rows: list[dict[str, object]]) -> str:
    """The table for RESULTS.md."""
    lines = [
        "| table | planted | found alone | found all at once | false alarms |",
        "|---|---|---|---|---|",
    ]
    total: Counter[str] = Counter()
    for row in rows:
        alone, together, false = row["alone"], row["together"], row["false"]
        assert isinstance(alone, dict)
        assert isinstance(together, dict)
        assert isinstance(false, list)
        total.update(
            n=len(alone), alone=sum(alone.values()), together=sum(together.values()), false=len(false)
        )
        lost = [k for k in alone if not alone[k]]
        lost_too = [k for k in together if not together[k]]
        lines.append(
            f"| {row['table']} | {len(alone)} | {sum(alone.values())}{_names(lost)} "
            f"| {sum(together.values())}{_names(lost_too)} | {len(false)} |"
        )
    share = [f"{total[k]} ({100 * total[k] / total['n']:.1f} %)" for k in ("alone", "together")]
    lines.append(f"| **all** | {total['n']} | {share[0]} | {share[1]} | {total['false']} |")
    return "\n".join(lines)


def _names(lost: list[str]) -> str:
    return f" (not {', '.join(lost)})" if lost else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="tables; default: those of JUDGED")
    parser.add_argument("--tuned", action="store_true", help="the tables on which settings were chosen")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=Path, help="a file of earlier output: its rows count, nothing is run")
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    options = parser.parse_args()
    names = options.names or (TUNED if options.tuned else JUDGED)
    rows = []
    if options.rows:
        rows = [json.loads(line) for line in options.rows.read_text().splitlines() if line.startswith("{")]
        names = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for seed in range(options.seeds):
                rows.append(one(name, seed, Path(folder)))
                print(json.dumps(rows[-1]), flush=True)
    text = summary(rows)
    print(text)
    if options.write:
        write_section("audit", HEAD + text)


if __name__ == "__main__":
    main()
