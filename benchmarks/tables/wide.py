"""What a very wide table costs to read and audit: `python benchmarks/tables/wide.py [ROWS] [COLUMNS]`, in CPU seconds."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seedleaf.data.tables import load_table


def main() -> None:
    rows, columns = (int(v) for v in (sys.argv[1:3] or ("100", "10000")))
    x = np.random.default_rng(0).normal(size=(rows, columns)).round(3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.csv"
        lines = [",".join([*map(str, row), "ab"[int(row[0] > 0)]]) for row in x]
        path.write_text("\n".join([",".join([*(f"c{k}" for k in range(columns)), "y"]), *lines]) + "\n")
        load_table({"a": list(range(40)), "y": ["u", "v"] * 20}, keep=["a"])  # what is only imported once
        begun = time.process_time()
        found = load_table(path).schema.findings
    print(f"{rows} x {columns}: {time.process_time() - begun:.1f} CPU s, {len(found)} findings")


if __name__ == "__main__":
    main()
