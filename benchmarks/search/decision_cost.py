"""`python benchmarks/search/decision_cost.py`: CPU seconds a decision, every sampler under `full` and `asha`, and peers.

A history of n trials is folded without asking (its configs are drawn at random, its values come from a formula), then 50
trials are asked for and told, and the CPU time of each is taken. Peers do the same (ask, ten suggests, tell) in the same
run, row by row with ours, in processes and environments of their own, which peers/envs.sh makes. Asked of the default:
median at most 5 ms and p99 at most 100 ms at 1,000 trials, median at most 20 ms at 10,000; of a freeze-thaw scheduler:
150 ms at 1,000 observed steps.
"""

from __future__ import annotations

import argparse
import json
import math
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # waiting threads would count as deciding
)

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)  # in place of this folder, whose trace.py would hide the standard library's

PEERS = ("optuna", "rustuna")
SIZES = (100, 1000, 5000, 10_000)
DECISIONS = 50
HIGH = 27  # steps of a full training, where there are rungs
STEPS = 1000  # observed, where a scheduler models curves
CAP = 60.0  # CPU seconds for one row: what is slower is judged by fewer decisions

# kind, low, high, log or step; a list of choices
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "lr": ("float", 1e-5, 1e-1, True),
    "wd": ("float", 1e-6, 1e-2, True),
    "drop": ("float", 0.0, 0.6, False),
    "mom": ("float", 0.5, 0.999, False),
    "layers": ("int", 1, 8, False),
    "width": ("int", 16, 512, True),
    "batch": ("int", 16, 256, False),
    "opt": ("choice", ["sgd", "adam", "adamw", "rmsprop"]),
    "act": ("choice", ["relu", "gelu", "silu"]),
    "aug": ("choice", ["none", "flip", "ra"]),
}


def drawn(rng: random.Random) -> dict[str, Any]:
    """A random config."""
    config: dict[str, Any] = {}
    for name, (kind, *rest) in PARAMETERS.items():
        if kind == "choice":
            config[name] = rng.choice(rest[0])
            continue
        low, high, log = rest
        value = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
        config[name] = min(max(round(value), low), high) if kind == "int" else min(max(value, low), high)
    return config


def error(config: dict[str, Any], step: int = HIGH) -> float:
    """A made-up error after `step` steps."""
    floor = (math.log10(config["lr"]) + 3) ** 2 + 0.1 * config["layers"] + config["drop"]
    return floor + 0.3 * (config["opt"] != "adamw") + 1 / step


def clocked(decide: Callable[[], bool], warm_up: int = 2) -> list[float]:
    """CPU milliseconds of DECISIONS decisions; `decide` says whether it was one to count.

    The first are left out: what is built once when a study is opened is no decision's cost.
    """
    found: list[float] = []
    begun = time.process_time()
    while len(found) < DECISIONS + warm_up and (time.process_time() - begun < CAP or len(found) <= warm_up):
        before = time.process_time()
        counts = decide()
        if counts:
            found.append(1000 * (time.process_time() - before))
    return found[warm_up:]


# --- ours ---


def events_of(n: int, rungs: tuple[int, ...], steps: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The log of n trials, or of as many as give `steps` measurements: about the best third of each rung has gone on."""
    rng = random.Random(0)
    sample = sorted(error(drawn(rng), 1) for _ in range(3**6))
    bars = [sample[len(sample) // 3**k] for k in range(1, len(rungs))]
    trial = measured = 0
    while (trial < n) if steps is None else (measured < steps):
        config = drawn(rng)
        deep = rungs[sum(error(config, 1) < bar for bar in bars)]
        yield "start", {"trial": trial, "config": config, "budget": deep}
        for step in range(1, deep + 1):
            metrics = {"error": error(config, step)}
            yield "measure", {"trial": trial, "step": step, "metrics": metrics, "seconds": 1.0}
        measured, trial = measured + deep, trial + 1


def ours(sampler: str, scheduler: str, n: int, steps: int | None = None) -> list[float]:
    """At n trials: decisions that start one; at `steps` observed steps: every decision."""
    from seedleaf.core import Fidelity
    from seedleaf.space import Choice, Float, Int, Space
    from seedleaf.store import MemoryStore
    from seedleaf.study import Study

    makers: Mapping[str, Callable[..., Any]] = {
        "float": lambda low, high, log: Float(low, high, log=log),
        "int": lambda low, high, log: Int(low, high, log=log),
        "choice": lambda options: Choice(*options),
    }
    space = Space({name: makers[kind](*rest) for name, (kind, *rest) in PARAMETERS.items()})
    store = MemoryStore()

    def opened() -> Study:
        fidelity = None if scheduler == "full" else Fidelity("epoch", 1, HIGH)
        return Study(space, fidelity=fidelity, sampler=sampler, scheduler=scheduler, store=store)

    store.append("study", 1, list(events_of(n, opened().problem.rungs, steps)))
    study = opened()

    def decide() -> bool:
        trials = len(study.trials)
        task = study.ask()
        if task is None:
            raise RuntimeError(f"{sampler} + {scheduler} has nothing to do at {n} trials")
        study.tell(task, [{"error": error(task.config, s)} for s in range(task.start + 1, task.stop + 1)])
        return steps is not None or len(study.trials) > trials

    return clocked(decide)


# --- peers: TPE with its defaults, in memory ---


def suggested(trial: Any) -> dict[str, Any]:
    """The ten values, asked for one by one."""
    config = {}
    for name, (kind, *rest) in PARAMETERS.items():
        if kind == "choice":
            config[name] = trial.suggest_categorical(name, rest[0])
        else:
            suggest = trial.suggest_int if kind == "int" else trial.suggest_float
            config[name] = suggest(name, rest[0], rest[1], log=rest[2])
    return config


def peer(name: str, n: int) -> list[float]:
    """Optuna or Rustuna, which has the same interface but for `tell`; runs where that package is installed."""
    import importlib

    library = importlib.import_module(name)
    kinds = library.distributions
    made = {
        parameter: kinds.CategoricalDistribution(rest[0])
        if kind == "choice"
        else (kinds.IntDistribution if kind == "int" else kinds.FloatDistribution)(
            rest[0], rest[1], log=rest[2]
        )
        for parameter, (kind, *rest) in PARAMETERS.items()
    }
    if name == "optuna":
        library.logging.set_verbosity(library.logging.ERROR)
    storage = library.storages.InMemoryStorage()
    sampler = library.samplers.TPESampler(seed=0)
    study = library.create_study(study_name="cost", storage=storage, sampler=sampler, direction="minimize")
    rng = random.Random(0)
    for _ in range(n):
        config = drawn(rng)
        study.add_trial(library.create_trial(params=config, distributions=made, value=error(config)))

    def decide() -> bool:
        trial = study.ask()
        value = error(suggested(trial))
        study.tell(trial if name == "optuna" else trial.number, value)
        return True

    return clocked(decide)


def peer_elsewhere(name: str, n: int, root: Path) -> list[float]:
    """`peer` in its own environment; RuntimeError with the last line of what it said where that fails."""
    python = root / name / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"no environment: benchmarks/search/peers/envs.sh {name}")
    command = [str(python), str(Path(__file__).resolve()), "--peer", name, "--size", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    return [float(x) for x in json.loads(done.stdout.splitlines()[-1])]


# --- the table ---


def quantiles(found: list[float]) -> tuple[float, float]:
    """Median and 99th percentile, which of fifty decisions is the slowest but for its half."""
    ordered = sorted(found)
    at = 0.99 * (len(ordered) - 1)
    low = ordered[int(at)]
    high = ordered[min(int(at) + 1, len(ordered) - 1)]
    return ordered[len(ordered) // 2], low + (at - int(at)) * (high - low)


def rows(sizes: list[int], root: Path, only: list[str]) -> Iterator[tuple[str, int, list[float] | str]]:
    """(method, trials, CPU ms a decision, or why there are none), peers between ours."""
    from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS

    models_curves = [s for s in SCHEDULERS if "freeze" in s or "thaw" in s]
    pairs = [(sampler, scheduler) for sampler in SAMPLERS for scheduler in ("full", "asha")]
    methods: dict[str, Callable[[int], list[float]]] = {}
    for sampler, scheduler in [("auto", "full"), ("auto", "auto"), *pairs]:
        methods[f"{sampler} + {scheduler}"] = lambda n, a=sampler, b=scheduler: ours(a, b, n)  # type: ignore[misc]
    for name in PEERS:
        methods[name] = lambda n, name=name: peer_elsewhere(name, n, root)  # type: ignore[misc]
    for n in sizes:
        for name, measure in methods.items():
            if not only or any(o in name for o in only):
                yield name, n, attempt(lambda measure=measure, n=n: measure(n))  # type: ignore[misc]
    for scheduler in models_curves:
        if not only or any(o in scheduler for o in only):
            name = f"auto + {scheduler}, {STEPS:,} steps"
            yield name, 0, attempt(lambda s=scheduler: ours("auto", s, 0, STEPS))  # type: ignore[misc]


def attempt(measure: Callable[[], list[float]]) -> list[float] | str:
    try:
        return measure()
    except Exception as failed:  # one method that cannot be run must not cost the others their rows
        return f"{type(failed).__name__}: {failed}"


def table(found: Mapping[tuple[str, int], list[float] | str]) -> Iterator[str]:
    """A row for every method, a column for every size: median / p99 in CPU ms."""
    sizes = sorted({n for _, n in found if n})
    yield "| method | " + " | ".join(f"{n:,} trials" for n in sizes) + " |"
    yield "|---" * (len(sizes) + 1) + "|"
    for method in dict.fromkeys(m for m, n in found if n):
        yield f"| {method} | " + " | ".join(cell(found.get((method, n), "")) for n in sizes) + " |"
    for (method, n), value in found.items():
        if not n:
            yield f"| {method} | {cell(value)} |" + " |" * (len(sizes) - 1)


def cell(value: list[float] | str) -> str:
    if isinstance(value, str) or not value:
        return "-"
    median, late = quantiles(value)
    few = f" ({len(value)} decisions)" if len(value) < DECISIONS else ""
    return f"{median:.3g} / {late:.3g}{few}"


TITLE = """## What a decision costs

`python benchmarks/search/decision_cost.py --write`: CPU ms of ask and tell for a new trial with 10 parameters (Optuna and
Rustuna: ask, 10 suggests, tell; TPE with their defaults, in memory), median / 99th percentile of 50, one thread, all in one
run. Asked of the default: 5 / 100 at 1,000 trials, a median of 20 at 10,000; of freeze-thaw: 150 at 1,000 observed steps."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="trials before the timed ones")
    parser.add_argument("--only", default="", help="methods whose name holds one of these")
    parser.add_argument("--peers", type=Path, help="folder of their environments")
    parser.add_argument("--write", action="store_true", help="into RESULTS.md")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        print(json.dumps(peer(given.peer, given.size)))
        return
    standard = os.environ.get("SEEDLEAF_PEERS", Path.home() / ".cache" / "seedleaf-peers")
    only = [o for o in given.only.split(",") if o]
    found: dict[tuple[str, int], list[float] | str] = {}
    for method, n, value in rows(
        [int(n) for n in given.sizes.split(",")], given.peers or Path(standard), only
    ):
        found[method, n] = value
        print(f"{n:>6} {method:<28} {value if isinstance(value, str) else cell(value)}", flush=True)
    text = "\n".join(table(found))
    print(text)
    if given.write:
        from sections import write_section

        write_section("decision-cost", f"{TITLE}\n\n{text}")


if __name__ == "__main__":
    main()
