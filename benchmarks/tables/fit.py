"""Tables beside peers: the same splits, the same time, one after the other; log loss and RMSE on rows that nobody saw.

    python benchmarks/tables/fit.py DATA... --time 60 --splits 3 --out RUNS
        [--flaml VENV/bin/python] [--autogluon VENV/bin/python] [--realmlp VENV/bin/python] [--write]

DATA are CSV or TSV files (.gz too) with a column "target", else the last one is it; a file without names is taken raw
(adult-train.csv.gz). What a run leaves in RUNS is not done again, so a table grows by calls; `--write` puts it into
RESULTS.md. Peers run in environments of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).parents[1]))
from sections import write_section

PEER = Path(__file__).with_name("peer.py")
SIMPLE = ("linear", "hgb", "realmlp")
MOST_CLASSES = 30  # whole numbers with so few values are classes


@dataclass(frozen=True)
class Split:
    name: str
    folder: Path
    n_classes: int


def read_frame(data: Path) -> pd.DataFrame:
    """A table with a column "target". A file without names, as adult comes raw, keeps its cells: blanks, "?"."""
    separator = "\t" if ".tsv" in data.name else ","
    frame = pd.read_csv(data, sep=separator, skipinitialspace=True)
    if frame.shape[1] < 2:
        sys.exit(f"{data} has one column: only commas and, in .tsv files, tabs separate them here")
    if "target" not in frame and any(str(n).replace(".", "", 1).isdigit() for n in frame.columns):
        frame = pd.read_csv(data, header=None, dtype=str, keep_default_na=False)
        frame.columns = [f"column{k + 1}" for k in range(frame.shape[1])]
    return frame if "target" in frame else frame.rename(columns={frame.columns[-1]: "target"})


def split_of(data: Path, seed: int, out: Path) -> Split:
    """A fifth of the rows, drawn by `seed`, as test.csv; the others as train.csv."""
    name = data.name.split(".")[0]
    folder = out / f"{name}-{seed}"
    frame = read_frame(data)
    y = frame["target"]
    n_classes = int(y.nunique()) if not pd.api.types.is_float_dtype(y) and y.nunique() <= MOST_CLASSES else 0
    if not (folder / "test.csv").exists():
        folder.mkdir(parents=True, exist_ok=True)
        held = np.zeros(len(frame), bool)
        rng = np.random.default_rng(seed)
        for _, rows in frame.groupby(y if n_classes else np.zeros(len(frame)), sort=True).indices.items():
            held[rng.permutation(rows)[: round(len(rows) / 5)]] = True
        frame[~held].to_csv(folder / "train.csv", index=False)
        frame[held].to_csv(folder / "test.csv", index=False)
    return Split(name, folder, n_classes)


def run(system: str, python: str, split: Split, seconds: float) -> None:
    """Unless it has been run."""
    out = split.folder / system
    if (out / "told.json").exists() or (out / "failed.txt").exists():
        return
    command = [python, str(PEER), system, "train.csv", "test.csv", str(seconds), system, str(split.n_classes)]
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    if system == "seedleaf":
        env["PYTHONPATH"] = str(PEER.parents[2] / "src")
    log = split.folder / f"{system}.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            command, cwd=split.folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
        peak = watched(process, 10 * seconds + 300)
    if process.returncode:
        out.mkdir(exist_ok=True)
        why = log.read_text(errors="replace")
        (out / "failed.txt").write_text(why[-4000:])
        print(f"{split.folder.name} {system}: failed: {why.strip().splitlines()[-1:]}", flush=True)
        return
    noted = json.loads((out / "told.json").read_text())
    (out / "told.json").write_text(json.dumps({**noted, "peak_mb": peak / 1e6}))


def watched(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait until it ends, or end it after so many seconds; the most bytes that it and what it started held at once."""
    peak, end = 0, time.monotonic() + seconds
    while process.poll() is None:
        all_of_it = with_descendants(process.pid)
        peak = max(peak, sum(map(held, all_of_it)))
        if time.monotonic() > end:
            for pid in all_of_it:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        time.sleep(0.5)
    return peak


def with_descendants(pid: int) -> set[int]:
    """A process and all that came from it, in whatever sessions."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):  # it has just ended
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def held(pid: int) -> int:
    """Bytes of a process, its part of what it shares with others (PSS)."""
    try:
        rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * int(rolled.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError):
        return 0


def losses(split: Split, system: str) -> np.ndarray | None:
    """The loss of each test row: log loss, or the squared error over the target's variance; None without an answer."""
    path = split.folder / system / "answers.npy"
    if not path.exists():
        return None
    answer, y = np.load(path), pd.read_csv(split.folder / "test.csv")["target"]
    if not split.n_classes:
        return np.asarray((answer.reshape(-1) - y) ** 2 / y.var(ddof=0))
    names = sorted(set(pd.read_csv(split.folder / "train.csv")["target"].astype(str)))
    place = y.astype(str).map({n: k for k, n in enumerate(names)}).to_numpy()
    return np.asarray(-np.log(np.maximum(answer[np.arange(len(y)), place] / answer.sum(1), 1e-6)))


def loss(split: Split, system: str) -> float:
    """Log loss, or RMSE over the target's spread; infinite where there is no answer."""
    found = losses(split, system)
    if found is None:
        return np.inf
    return float(found.mean()) if split.n_classes else float(np.sqrt(found.mean()))


def behind(split: Split, systems: list[str]) -> tuple[float, str]:
    """By how many standard errors of the difference, row by row, seedleaf is behind the best of the simple `systems`."""
    ours = losses(split, "seedleaf")
    found = {s: v for s in systems if (v := losses(split, s)) is not None}
    if ours is None or not found:
        return np.nan, ""
    best = min(found, key=lambda s: float(found[s].mean()))
    gap = ours - found[best]
    return float(gap.mean() / max(gap.std() / np.sqrt(len(gap)), 1e-12)), best


def told(split: Split, system: str, key: str) -> float:
    path = split.folder / system / "told.json"
    return float(json.loads(path.read_text()).get(key, np.nan)) if path.exists() else np.nan


def tables(splits: list[Split], systems: list[str], seconds: float) -> str:
    """The section: a row a set, mean ranks, sizes, times."""
    found = {s.folder.name: [loss(s, x) for x in systems] for s in splits}
    ranks = np.array([rankdata(row) for row in found.values()])
    lines = [
        f"## Tables beside peers, {seconds:.0f} s each",
        "",
        f"{len({s.name for s in splits})} sets, {len(splits)} splits in all; {platform.machine()}, 2 cores. Log loss, or "
        "RMSE over the target's spread (r), on a fifth of the rows. One run a cell.",
        "",
        "| set | " + " | ".join(systems) + " |",
        "|---|" + "---|" * len(systems),
    ]
    for split in splits:
        row = found[split.folder.name]
        best = min(row)
        shown = [f"**{v:.4f}**" if v == best else f"{v:.4f}" if np.isfinite(v) else "failed" for v in row]
        lines.append(
            f"| {split.folder.name}{'' if split.n_classes else ' (r)'} | " + " | ".join(shown) + " |"
        )
    lines.append("| **mean rank** | " + " | ".join(f"{v:.2f}" for v in ranks.mean(0)) + " |")
    for key, name, scale in (
        ("bytes", "file, kB", 1e-3),
        ("row_ms", "one row, ms", 1.0),
        ("seconds", "wall, s", 1.0),
        ("peak_mb", "memory at its peak, MB", 1.0),
    ):
        values = [np.array([scale * told(s, x, key) for s in splits]) for x in systems]
        for most, of in (("median", np.median), ("most", np.max)):
            shown = [f"{of(v[np.isfinite(v)]):.3g}" if np.isfinite(v).any() else "–" for v in values]
            lines.append(f"| {name}, {most} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", *against(splits, systems, seconds)])


def against(splits: list[Split], systems: list[str], seconds: float) -> list[str]:
    """What was asked for, in figures."""
    lines = ["| asked | found |", "|---|---|"]
    walls = [told(s, "seedleaf", "seconds") / seconds for s in splits]
    lines.append(
        f"| wall time at most 1.02 of the budget | most {np.nanmax(walls):.3f}, median {np.nanmedian(walls):.3f} |"
    )
    for key, name, most in (("bytes", "file", 1 / 10), ("row_ms", "one row", 1 / 20)):
        ratios = np.array([told(s, "seedleaf", key) / told(s, "autogluon", key) for s in splits])
        if np.isfinite(ratios).any():
            kept = int((ratios <= most).sum())
            lines.append(
                f"| {name} at most {most:g} of AutoGluon's | median {np.nanmedian(ratios):.3f}; "
                f"{kept} of {np.isfinite(ratios).sum()} splits |"
            )
    simple = [s for s in systems if s in SIMPLE]
    gaps = {s.folder.name: behind(s, simple) for s in splits}
    worst = [f"{n} ({z:+.1f} standard errors, {best})" for n, (z, best) in gaps.items() if z > 2]
    lines.append(
        f"| never significantly behind the best of {', '.join(simple)} | {'; '.join(worst) or 'nowhere'} |"
    )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--time", type=float, default=60.0)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--flaml")
    parser.add_argument("--autogluon")
    parser.add_argument("--realmlp")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    pythons = {
        "seedleaf": sys.executable,
        "flaml": given.flaml,
        "autogluon": given.autogluon,
        "realmlp": given.realmlp,
    }
    pythons |= {"linear": sys.executable, "hgb": sys.executable}
    systems = [s for s, python in pythons.items() if python]
    splits = [split_of(data, seed, given.out) for data in given.data for seed in range(given.splits)]
    for split in splits:
        for system in systems:
            run(system, str(pythons[system]), split, given.time)
    text = tables(splits, systems, given.time)
    print(text)
    if given.write:
        write_section("tables-peers", text)


if __name__ == "__main__":
    main()
