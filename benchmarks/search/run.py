"""One command runs methods over scenarios under one accounting; a results file per method, one line per run.

    python benchmarks/search/run.py --families lcbench,iaml_super --methods seedleaf,random,random-asha,i-epoch --seeds 0-4
    python benchmarks/search/tables.py

Runs that stand in the results are skipped, so an interrupted command goes on. Methods:

    seedleaf          Study with its defaults: sampler "auto", scheduler "auto"
    seedleaf:S+D      Study with sampler S and scheduler D of seedleaf.tuner.registry
    random            random search, every config trained fully
    random-asha       ASHA (Li et al. 2020) over random configs, as in seedleaf; rungs 1, 3, 9, … of Fidelity
    i-epoch           every config for one step, then the best ones fully (Egele et al. 2024, arXiv 2404.04111)

`i-epoch` draws random configs and trains each for a single step. Before the marks 2, 5, 10, 20, 50 and 100 (in full
trainings) it keeps back as many steps as it takes to train its best 1, 2, 3, 3, 3 and 3 configs fully, those already trained
aside: it is told when it will be judged. Without a fidelity random-asha and i-epoch are random search, and are left out.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import heapq
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # in place of this folder, whose trace.py would hide the standard library's
    sys.path[0] = str(Path(__file__).parents[1])

from search.scenarios import Scenario, load, names
from search.trace import BudgetUsed, Meter, append, done, seed_for
from seedleaf.core import Config
from seedleaf.study import Study

RESULTS = Path(__file__).with_name("results")
MULTI_FIDELITY = ("random-asha", "i-epoch")
Job = tuple[
    str, str, int, float, float
]  # method, scenario, seed, full trainings, evaluations where there is no fidelity
MARKS = {
    2: 1,
    5: 2,
    10: 3,
    20: 3,
    50: 3,
    100: 3,
}  # i-epoch: full trainings used -> configs trained fully before


def drive_study(
    scenario: Scenario, meter: Meter, seed: int, sampler: str = "auto", scheduler: str = "auto"
) -> None:
    """Ask and tell a Study with one worker until the steps are used or the space is exhausted."""
    by = {"min": [o.metric for o in scenario.objectives if o.direction == "min"]}
    by["max"] = [o.metric for o in scenario.objectives if o.direction == "max"]
    with meter.deciding():
        study = Study(
            scenario.space,
            minimize=by["min"] or None,
            maximize=by["max"] or None,
            fidelity=scenario.fidelity,
            seed=seed,
            sampler=sampler,
            scheduler=scheduler,
        )
    while True:
        with meter.deciding():
            task = study.ask()
        if task is None:
            return
        before = meter.seconds
        steps = meter.step(task.config, task.start, task.stop)
        diverged = None if np.isfinite(scenario.loss(steps[-1])) else "diverged"
        with meter.deciding():
            study.tell(task, steps, seconds=meter.seconds - before, error=diverged)


def drive_i_epoch(scenario: Scenario, meter: Meter, seed: int) -> None:
    """i-Epoch with i = 1; see the top of this file for when it completes its best configs."""
    rng = np.random.default_rng(seed)
    ranked: list[tuple[float, int, Config]] = []
    complete: set[int] = set()
    for mark, top in MARKS.items():
        end = mark * scenario.full
        while meter.used + len(_unfinished(ranked, complete, top)) * (scenario.full - 1) < end:
            with meter.deciding():
                config = scenario.space.sample(rng)
            loss = scenario.loss(meter.step(config, 0, 1)[-1])
            ranked.append((loss, len(ranked), config))
        for _, number, config in _unfinished(ranked, complete, top):
            complete.add(number)
            meter.step(config, 1, scenario.full)


def _unfinished(
    ranked: Sequence[tuple[float, int, Config]], complete: set[int], top: int
) -> list[tuple[float, int, Config]]:
    best = heapq.nsmallest(top, ranked, key=lambda row: row[:2])
    return [row for row in best if row[1] not in complete and np.isfinite(row[0])]


def drive(method: str) -> Callable[[Scenario, Meter, int], None]:
    """The function that drives the method of that name; KeyError for an unknown one."""
    if method == "i-epoch":
        return drive_i_epoch
    pairs = {"seedleaf": "auto+auto", "random": "random+full", "random-asha": "random+asha"}
    pair = pairs.get(method) or (method.removeprefix("seedleaf:") if method.startswith("seedleaf:") else "")
    sampler, plus, scheduler = pair.partition("+")
    if not plus:
        raise KeyError(
            f"no method is called {method!r}; there are {', '.join([*pairs, 'i-epoch', 'seedleaf:S+D'])}"
        )
    return lambda scenario, meter, seed: drive_study(scenario, meter, seed, sampler, scheduler)


def run_one(job: Job) -> dict[str, object]:
    """One run, as a row of the results; a method that raises gives a row with an `error`."""
    method, name, seed, full, evaluations = job
    scenario = load(name)
    meter = Meter(scenario, round((full if scenario.fidelity else evaluations) * scenario.full))
    begun = time.perf_counter()
    more: dict[str, object] = {}
    try:
        drive(method)(scenario, meter, seed_for(name, seed))
    except BudgetUsed:
        pass
    except Exception as error:  # a run that breaks is a result too
        more["error"] = f"{type(error).__name__}: {error}"
    return meter.line(method, seed, wall_s=round(time.perf_counter() - begun, 3), **more)


def jobs(given: argparse.Namespace) -> list[Job]:
    """What is still to be run, all scenarios of a seed before the next seed."""
    scenarios = given.scenarios.split(",") if given.scenarios else []
    for family in given.families.split(",") if not scenarios else []:
        scenarios += names(family, given.split)[: given.instances]
    found = []
    for method in given.methods.split(","):
        drive(method)
        known = done(file_of(given.out, method))
        for name in scenarios:
            if method in MULTI_FIDELITY and load(name).fidelity is None:
                continue
            found += [
                (method, name, seed, given.full, given.evaluations)
                for seed in seeds(given.seeds)
                if (method, name, seed) not in known
            ]
    return sorted(found, key=lambda job: job[2])


def file_of(out: Path, method: str) -> Path:
    """The results file of a method."""
    return out / f"{method.replace(':', '-')}.jsonl"


def seeds(text: str) -> list[int]:
    """ "0-2,7" is [0, 1, 2, 7]."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", default="lcbench,iaml_super,taskset,arlbench", help="see scenarios.py")
    parser.add_argument("--scenarios", default="", help="names such as lcbench/3945, instead of families")
    parser.add_argument("--methods", default="seedleaf,random,random-asha,i-epoch")
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument(
        "--full", type=float, default=50, help="full trainings a run, where there is a fidelity"
    )
    parser.add_argument(
        "--evaluations", type=float, default=100, help="evaluations a run, where there is none"
    )
    parser.add_argument("--split", choices=["tune", "report", "spare"], default="report")
    parser.add_argument("--instances", type=int, default=12, help="the first so many of each family")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    todo = jobs(given)
    print(f"{len(todo)} runs to do", flush=True)
    if given.jobs == 1:
        for at, job in enumerate(todo, 1):
            _keep(given.out, run_one(job), at, len(todo))
        return
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = [pool.submit(run_one, job) for job in todo]
        for at, future in enumerate(as_completed(futures), 1):
            _keep(given.out, future.result(), at, len(todo))


def _keep(out: Path, line: dict[str, object], at: int, total: int) -> None:
    append(file_of(out, str(line["method"])), line)
    told = (
        line.get("error")
        or f"{line['configs']} configs, {line['deciding_s']} s of deciding, {line['wall_s']} s"
    )
    print(f"{at}/{total} {line['method']} {line['scenario']} {line['seed']}: {told}", flush=True)


if __name__ == "__main__":
    main()
