"""A competing tool on the benchmark's scenarios; the same result lines as `benchmarks/search/run.py` writes.

    python benchmarks/search/peers/run.py --peer mobster --families lcbench --seeds 0-2 --full 20 --split report --out FOLDER

Any Python may start it: it goes on in the environment that `envs.sh` made for that peer. Runs that stand in the file
FOLDER/PEER.jsonl are not repeated. A run that breaks, or is cut off after `--cpu` seconds of deciding, is kept with its
error and what it had found until then, and tried again by the next command; after three in a row nothing more is tried.
`--full` counts evaluations where there is no fidelity.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS: Mapping[str, str] = {  # peer -> environment, which is also the name of its driver
    "mobster": "syne",
    "syne-asha": "syne",
    "hypertune": "syne",
    "dyhpo": "syne",
    "syne-bo": "syne",
    "optuna-tpe-hyperband": "optuna",
    "optuna-group-hyperband": "optuna",
    "optuna-tpe": "optuna",
    "optuna-group": "optuna",
    "optuna-tpe-two": "optuna",
    "optuna-nsga2": "optuna",
    "smac": "smac",
    "smac-parego": "smac",
    "dehb": "dehb",
    "bohb": "bohb",
    "neps-hyperband": "neps",
    "neps-asha": "neps",
    "neps-ifbo": "neps",
    "neps-bo": "neps",
    "hebo": "hebo",
}


def main() -> None:
    given = arguments()
    enter(PEERS[given.peer])
    from search import scenarios, trace

    methods = importlib.import_module(f"search.peers.drive_{PEERS[given.peer]}").METHODS
    path = given.out / f"{given.peer}.jsonl"
    known, broken = trace.done(path), 0
    for name, seed in tasks(given, scenarios.names):
        if (given.peer, name, seed) in known:
            continue
        line = one(methods[given.peer], scenarios.load(name), given, seed)
        trace.append(path, line)
        print(given.peer, name, seed, f"{line['deciding_s']:.1f} s", line.get("error", ""), flush=True)
        broken = broken + 1 if line.get("error") else 0
        if line["deciding_s"] > given.patience or broken == 3:
            print(f"{given.peer}: stopped after {name} seed {seed}", flush=True)
            break


def one(method, scenario, given, seed):  # type: ignore[no-untyped-def]
    """One run as a line of results."""
    from search.peers.work import NothingNew, TooSlow, Work
    from search.trace import BudgetUsed, Meter, seed_for

    meter = Meter(scenario, steps=given.full * scenario.full)
    begun, more = time.time(), {}
    try:
        method(
            Work(scenario, meter, given.cpu), seed_for(scenario.name, seed) % 2**31
        )  # not every peer takes more
    except BudgetUsed:
        pass
    except NothingNew as end:
        more["ended"] = str(end)
    except TooSlow as problem:
        more["error"] = f"TooSlow: {problem}"
    except Exception as problem:
        traceback.print_exc()
        more["error"] = f"{type(problem).__name__}: {problem}"[:500]
    return meter.line(given.peer, seed, wall_s=round(time.time() - begun, 1), **more)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument(
        "--families", required=True, help="comma-separated; or whole names such as lcbench/3945"
    )
    parser.add_argument("--seeds", default="0-2", help="0-2 or 0,3,5")
    parser.add_argument("--full", type=int, default=20, help="full trainings that a run pays for")
    parser.add_argument("--split", default="report", choices=("tune", "report", "spare"))
    parser.add_argument("--instances", type=int, default=4, help="the first so many of each family")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results")
    parser.add_argument(
        "--cpu", type=float, default=600, help="a run is cut off after so many seconds of deciding"
    )
    parser.add_argument(
        "--patience", type=float, default=240, help="no further run after one that took longer"
    )
    return parser.parse_args()


def tasks(given, names) -> Iterator[tuple[str, int]]:  # type: ignore[no-untyped-def]
    low, _, high = given.seeds.partition("-")
    seeds = range(int(low), int(high) + 1) if high else map(int, given.seeds.split(","))
    for seed in seeds:
        for family in given.families.split(","):
            whole = [family] if "/" in family else names(family, given.split)[: given.instances]
            for name in whole:
                yield name, seed


def enter(environment: str) -> None:
    """Go on in that environment: one thread, hashes fixed (NePS depends on them), no GPU."""
    root = Path(os.environ.get("SEEDLEAF_PEERS", Path.home() / ".cache" / "seedleaf-peers"))
    python = root / environment / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is missing: run {HERE / 'envs.sh'} {environment}")
    if (
        Path(sys.prefix).resolve() == (root / environment).resolve()
        and os.environ.get("PYTHONHASHSEED") == "0"
    ):
        sys.path[0] = str(HERE.parents[1])
        return
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    path = os.pathsep.join(str(HERE.parents[k] / f) for k, f in ((1, ""), (2, "src")))
    env = {**os.environ, **threads, "PYTHONHASHSEED": "0", "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    os.execve(python, [str(python), str(HERE / "run.py"), *sys.argv[1:]], env)


if __name__ == "__main__":
    main()
