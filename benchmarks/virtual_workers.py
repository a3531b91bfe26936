"""python benchmarks/virtual_workers.py: a thousand workers with stragglers on a virtual clock.

Two questions. How much of the workers' time does each scheduler of the registry use (asked: at least 95 %)? And what does
deciding with a thousand workers busy cost in regret, against one worker and the same total of steps (asked: under 20 %)?
The virtual clock does not count what deciding takes, so the CPU time per task handed out stands beside: it says from what
length of task on one driver keeps up with that many workers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

sys.path[0] = str(Path(__file__).parent)

from search.scenarios import Scenario, load  # noqa: E402
from sections import write_section  # noqa: E402
from seedleaf.core import Config, History, Metrics  # noqa: E402
from seedleaf.executors.sim import SimExecutor, stragglers  # noqa: E402
from seedleaf.study import Study  # noqa: E402
from seedleaf.tuner.registry import SCHEDULERS  # noqa: E402

SHARE, TAIL, MOST = 0.05, 1.2, 100.0  # every twentieth step is slower, by a Pareto factor of up to a hundred
PROBLEMS = ("synthetic/tree", "lcbench/3945", "lcbench/7593")


@dataclass(frozen=True)
class Outcome:
    """One run. `regrets` holds (steps, normalised regret of the incumbent at full fidelity) at the checkpoints."""

    used: float
    steps: int
    tasks: int
    trials: int
    seconds: float  # virtual
    cpu: float
    regrets: tuple[tuple[int, float], ...]


class Counted(SimExecutor):
    """Counts the tasks that it is given."""

    tasks = 0

    def submit(self, task):  # type: ignore[no-untyped-def]
        self.tasks += 1
        super().submit(task)


def drive(
    scenario: Scenario,
    workers: int,
    scheduler: str,
    sampler: str,
    seed: int,
    steps: Sequence[int],
    cpu: float = 1e9,
) -> Outcome:
    """Run a study up to the last of `steps` (in total), or until `cpu` seconds are spent, and judge it at each of them."""

    def evaluate(config: Config, start: int, stop: int, trial: int) -> Sequence[Metrics]:
        return [metrics for metrics, _ in scenario.evaluate(config, start, stop)]

    def seconds(config: Config, step: int, trial: int) -> float:
        return 0.8 + 0.4 * (trial % 97) / 96  # configs differ, and few steps end at one instant

    first = scenario.objectives[0]
    goal = {"minimize" if first.direction == "min" else "maximize": first.metric}
    study = Study(
        scenario.space, fidelity=scenario.fidelity, seed=seed, sampler=sampler, scheduler=scheduler, **goal
    )
    executor = Counted(workers, stragglers(seconds, share=SHARE, tail=TAIL, most=MOST, seed=seed), evaluate)
    left = list(steps)
    regrets: list[tuple[int, float]] = []
    begun = time.process_time()

    def until(history: History) -> str | None:
        while left and executor.steps >= left[0]:
            best = study.best
            regrets.append((left.pop(0), scenario.regret(scenario.full_loss(best.config)) if best else 1.0))
        return "enough" if not left or time.process_time() - begun > cpu else None

    study.run(executor, until)
    spent = time.process_time() - begun
    return Outcome(
        executor.utilisation,
        executor.steps,
        executor.tasks,
        len(study.trials),
        executor.now,
        spent,
        tuple(regrets),
    )


def utilisation_table(workers: int, steps: int, cpu: float, only: Sequence[str]) -> Iterator[str]:
    """A row for every scheduler of the registry, on the toy with random configs."""
    keeps_up = f"a driver keeps {workers:,} workers busy from"
    yield f"| scheduler | worker time used | trials | tasks | steps | virtual s | CPU ms a task | {keeps_up} |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in only or SCHEDULERS:
        o = drive(load("synthetic/tree"), workers, name, "random", 0, [steps], cpu)
        each = 1000 * o.cpu / o.tasks
        yield (
            f"| {name} | {o.used:.1%} | {o.trials:,} | {o.tasks:,} | {o.steps:,} | {o.seconds:.1f} | {each:.2f} "
            f"| {each * workers / 1000:.1f} s a task |"
        )


def regret_table(
    problems: Sequence[str], workers: int, steps: Sequence[int], seeds: int, pairs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Mean regret over seeds with one worker and with many, and their ratio; the last rows over all problems."""
    yield f"| method | problem | steps | 1 worker | {workers:,} workers | ratio |"
    yield "|---|---|---|---|---|---|"
    for scheduler, sampler in pairs:
        over_all: dict[int, list[tuple[float, float]]] = {}
        for problem in problems:
            runs = [
                [drive(load(problem), n, scheduler, sampler, seed, steps).regrets for n in (1, workers)]
                for seed in range(seeds)
            ]
            for i, total in enumerate(steps):
                one, many = (mean(run[k][i][1] for run in runs) for k in (0, 1))
                over_all.setdefault(total, []).append((one, many))
                yield row(f"{scheduler} + {sampler}", problem, total, one, many)
        for total, both in over_all.items():
            one, many = (mean(b[k] for b in both) for k in (0, 1))
            yield row(f"**{scheduler} + {sampler}**", "**mean**", total, one, many)


def row(method: str, problem: str, steps: int, one: float, many: float) -> str:
    ratio = f"{many / one:.2f}" if one > 0 else "-"
    return f"| {method} | {problem} | {steps:,} | {one:.4f} | {many:.4f} | {ratio} |"


def said(rows: Iterator[str]) -> list[str]:
    """The rows, each printed as soon as it is known."""
    found = []
    for text in rows:
        print(text, flush=True)
        found.append(text)
    return found


def available(problems: Sequence[str]) -> list[str]:
    """Those of `problems` whose data is there."""
    found = []
    for name in problems:
        try:
            load(name)
        except FileNotFoundError:
            print(f"{name}: its data is not there", file=sys.stderr)
        else:
            found.append(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--part", choices=["utilisation", "regret", "both"], default="both")
    parser.add_argument("--steps", type=int, default=20_000, help="of each run of the first part")
    parser.add_argument("--cpu", type=float, default=90.0, help="CPU seconds after which such a run ends")
    parser.add_argument("--schedulers", default="", help="of the first part; all by default")
    parser.add_argument("--totals", default="20000,60000", help="steps of the second part")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--methods", default="asha+random", help="of the second part: scheduler+sampler,…")
    parser.add_argument("--write", action="store_true", help="into RESULTS.md")
    given = parser.parse_args()
    names = [s for s in given.schedulers.split(",") if s]
    totals = [int(t) for t in given.totals.split(",")]
    pairs = [tuple(m.split("+")) for m in given.methods.split(",")]
    parts: dict[str, Callable[[], list[str]]] = {
        "utilisation": lambda: said(utilisation_table(given.workers, given.steps, given.cpu, names)),
        "regret": lambda: said(
            regret_table(available(given.problems.split(",")), given.workers, totals, given.seeds, pairs)  # type: ignore[arg-type]
        ),
    }
    for part, table in parts.items():
        if given.part in (part, "both"):
            rows = "\n".join(table())
            if given.write:
                write_section(
                    f"virtual-{part}", f"{TITLES[part].format(n=given.workers, seeds=given.seeds)}\n\n{rows}"
                )


TITLES = {
    "utilisation": f"""## A thousand workers

`python benchmarks/virtual_workers.py --write`: {{n:,}} workers on a virtual clock, random configs, steps of
about a second, of which {SHARE:.0%} are up to {MOST:.0f} times slower (Pareto, tail {TAIL}). Asked: at least 95 % of the
workers' time used. The clock does not count what deciding takes: the last column says from what length of a task on one
driver keeps up with so many workers.""",
    "regret": """### The same steps with one worker and with a thousand

Normalised regret of the incumbent at full fidelity, mean of {seeds} seeds; asked: a ratio below 1.2.""",
}


if __name__ == "__main__":
    main()
