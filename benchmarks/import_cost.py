"""What starting costs: `python benchmarks/import_cost.py`. Median of ten starts, in seconds, beside a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "python -c pass": ["-c", "pass"],
    "seedleaf --help": ["-m", "seedleaf.cli", "--help"],
    "import seedleaf": ["-c", "import seedleaf"],
    "the tuner": ["-c", "import seedleaf.study"],
    "torch, for comparison": ["-c", "import torch"],
}


def main() -> None:
    for name, arguments in CASES.items():
        times = []
        for _ in range(10):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - begun)
        print(f"| {name} | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} |")


if __name__ == "__main__":
    main()
