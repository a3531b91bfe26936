"""The main job, measured: `python benchmarks/fit_images.py digits --seeds 5` or `... fashion --time 15m`.

One line per seed, then the median and the spread: test accuracy, wall time against the budget, the share of worker time
that went into training steps. Nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "images"

# name -> (data, time, the limit on parameters, the accuracy asked for)
JOBS = {
    "digits": ("digits", "60s", "20k", 0.985),
    "fashion": (str(SHARED / "fashion_mnist.npz"), "15m", "100k", 0.92),
    "cifar": (str(SHARED / "cifar10_12k_3k.npz"), "10m", "100k", None),
}
SECONDS = {"s": 1, "m": 60, "h": 3600}


def one(data: str, limit: str, params: str, seed: int, folder: Path) -> dict[str, Any]:
    """Run the command as a person would and time it from outside."""
    command = [sys.executable, "-m", "seedleaf.cli", "fit", data, "--time", limit, "--max-params", params]
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--out", str(folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"seed {seed} failed: {done.stderr}")
    body = json.loads(done.stdout)
    budget = float(limit[:-1]) * SECONDS[limit[-1]]
    return {**body, "wall": wall, "over": wall / budget}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--time")
    arguments = parser.parse_args()
    data, limit, params, asked = JOBS[arguments.job]
    limit = arguments.time or limit
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            body = one(data, limit, params, seed, Path(scratch) / f"seed-{seed}")
            rows.append(body)
            m = body["metrics"]
            print(
                f"| {arguments.job} | {seed} | {m['test_accuracy']:.4f} | {m['params']:,} | "
                f"{m['latency_ms']['median']:.3f} | {sum(body['trials'].values())} | {m['refit_steps']} | "
                f"{body['wall']:.1f} | {body['over']:.1%} | {body['training_share']:.1%} | {body['verdict']} |",
                flush=True,
            )
    accuracy = sorted(r["metrics"]["test_accuracy"] for r in rows)
    print(
        f"median {statistics.median(accuracy):.4f} ({accuracy[0]:.4f} to {accuracy[-1]:.4f}), asked {asked}; "
        f"worst wall time {max(r['over'] for r in rows):.1%} of the budget; "
        f"least training share {min(r['training_share'] for r in rows):.1%}"
    )


if __name__ == "__main__":
    main()
