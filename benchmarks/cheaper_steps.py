"""python benchmarks/cheaper_steps.py run --out FILE [--minutes 4]; then ... table --out FILE: what cheap steps tell.

60 random configs of at most 50,000 parameters are trained along each axis of fidelity, every axis at the same full cost
(nine epochs' worth of CPU seconds), and judged where a 27th, a 9th, a third and all of that cost is spent. How well does
each ranking agree with that of whole trainings? Those are judged by another seed, so that no axis is favoured by sharing
its draws with the yardstick. `run` appends one line per training and goes on where it stopped; `table` writes the section
of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sections import write_section
from seedleaf.core import Config, Context, Limit, Objective
from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageData
from seedleaf.data.splits import nested_order
from seedleaf.errors import TrialError
from seedleaf.learners.base import learner_named
from seedleaf.learners.images import Source, network, training_feed
from seedleaf.learners.trial import prepare_process, seconds_by_third
from seedleaf.seeds import rng_for
from seedleaf.space import Problem
from seedleaf.train.evaluate import evaluate
from seedleaf.train.feed import Feed
from seedleaf.train.ramp import AXES, Ramp
from seedleaf.train.trainer import Trainer

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "images"
SETS = {"fashion": SHARED / "fashion_mnist.npz", "cifar": SHARED / "cifar10_12k_3k.npz"}
CONFIGS, TRAIN, VALID, EPOCHS = 60, 1_500, 1_500, 9
MOST_PARAMS, MOST_MACS = 50_000, 0.75  # MACs: in those of the default network, so that all fits half an hour
SLICES = 3  # steps of an epoch: the first mark lies at a third of one
MARKS = (27, 9, 3, 1)
YARDSTICK = "yardstick"  # whole trainings from another seed
RUNS = (*AXES, YARDSTICK)
LOSS = Objective("error", "min", "loss")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A set of images as the trainings see it, and the configs to be ranked."""

    name: str
    source: Source
    configs: tuple[Config, ...]
    epochs: int = EPOCHS

    @classmethod
    def of(cls, name: str, data: ImageData, n: int = CONFIGS, train: int = TRAIN, valid: int = VALID) -> Task:
        order = nested_order(np.asarray(data.y_train), rng_for(0, "cheaper steps"))
        rows, held = order[:train], order[train : train + valid]
        pixels = np.take(data.x_train, rows, axis=0).astype(np.float32)
        mean, std = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
        spec = replace(data.spec, n_train=len(rows))
        source = Source(
            replace(data, spec=spec), rows, rows, held, tuple(map(float, mean)), tuple(map(float, std))
        )
        family = learner_named("convnet")
        asked = (Limit("params", MOST_PARAMS),)
        macs = MOST_MACS * family.costs(spec, family.default(spec, asked))["macs"]
        problem = Problem(
            family.space(spec, asked),
            limits=(*asked, Limit("macs", macs)),
            costs=lambda config: family.costs(spec, config),
        )
        return cls(name, source, tuple(valid_configs(problem, n)))


def valid_configs(problem: Problem, n: int) -> Iterator[Config]:
    rng, found = rng_for(0, "configs"), 0
    while found < n:
        config = problem.space.sample(rng)
        if problem.feasible(config):
            found += 1
            yield config


def schedule(axis: str, cost: Sequence[float], epochs: int) -> tuple[int, list[int]]:
    """(steps of a full training, those at which 1/27, 1/9, 1/3 and all of its cost is spent), all axes costing the same;
    `cost` is that of a step in each third, in whole steps."""
    whole = epochs * SLICES
    full = max(round(whole / (sum(cost) / len(cost))), 3)
    ramp = Ramp(axis, full)
    spent = np.cumsum([cost[ramp.third(step)] for step in range(1, full + 1)])
    marks = [int(np.argmin(np.abs(spent - whole / part))) + 1 for part in MARKS[:-1]]
    return full, [*marks, full]


def measure_costs(task: Task, axis: str) -> list[float]:
    """Seconds of a step in each third relative to a whole step, over all configs together."""
    total = np.zeros(3)
    for config in task.configs:
        total += seconds_by_third(config, task.source, {"fidelity": axis}, batches=4)
    return [float(v) for v in total / total[-1]]


def one_training(task: Task, index: int, run: str, full: int, marks: Sequence[int]) -> dict[str, Any]:
    """Losses (None where it diverged) and CPU seconds of training so far at each mark."""
    axis, seed = ("epochs", 1) if run == YARDSTICK else (run, 0)
    config, setup = task.configs[index], {"fidelity": axis, "steps_per_epoch": SLICES}
    ctx = Context(index, 0, full, full, 1000 * seed + index, Path(), setup=setup)
    source, data = task.source, task.source.data
    trainer = Trainer(
        network(learner_named("convnet"), config, source, ctx.seed, "cpu"),
        config,
        training_feed(source, setup, "cpu"),
        ctx,
    )
    valid = Feed.on("cpu", data.x_train, data.y_train, source.valid)
    losses: list[float | None] = []
    seconds, spent = [], 0.0
    why = ""
    for step in range(1, full + 1):
        begun = time.process_time()
        try:
            trainer.advance()
            spent += time.process_time() - begun
            if step in marks:
                losses.append(LOSS.loss(evaluate(trainer.judged, valid, trainer.side)))
                seconds.append(spent)
        except TrialError as error:
            why = str(error)
            break
    missing = len(marks) - len(losses)
    return {"losses": losses + [None] * missing, "seconds": seconds + [spent] * missing, "failed": why}


def carry_on(tasks: Sequence[Task], out: Path, until: float) -> bool:
    """Do what `out` lacks, line by line, until the clock says `until`; whether nothing is missing any more."""
    rows = read(out)
    costs = {(r["data"], r["axis"]): r["costs"] for r in rows if "costs" in r}
    done = {(r["data"], r["config"], r["run"]) for r in rows if "run" in r}
    with out.open("a", encoding="utf-8") as file:

        def keep(row: Mapping[str, Any]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        for task in tasks:
            for axis in AXES:
                if (task.name, axis) not in costs:
                    costs[task.name, axis] = measure_costs(task, axis)
                    keep({"data": task.name, "axis": axis, "costs": costs[task.name, axis]})
        for index in range(max(len(task.configs) for task in tasks)):
            for task in tasks:
                for run in RUNS:
                    if index >= len(task.configs) or (task.name, index, run) in done:
                        continue
                    if time.time() >= until:
                        return False
                    axis = "epochs" if run == YARDSTICK else run
                    full, marks = schedule(axis, costs[task.name, axis], task.epochs)
                    found = one_training(task, index, run, full, marks)
                    keep({"data": task.name, "config": index, "run": run, "marks": marks, **found})
    return True


def read(out: Path) -> list[dict[str, Any]]:
    """The lines so far; one that was cut off while it was written is passed over."""
    rows = []
    for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


# --- what it says ---


@dataclass(frozen=True)
class Agreement:
    """Of one axis at one mark: Kendall's tau-b with the yardstick, how far it is ahead of epochs at the same mark (both
    with a 95 % bootstrap interval over configs), and the share of the seconds of whole trainings."""

    axis: str
    part: int
    tau: float
    low: float
    high: float
    ahead: float
    ahead_low: float
    ahead_high: float
    cost: float


def agreements(rows: Sequence[Mapping[str, Any]], data: str, draws: int = 2000) -> list[Agreement]:
    """One per axis and mark, over the configs for which every run is there."""
    by, whole = complete(rows, data)
    if len(whole) < 3:
        return []
    truth = order(losses(by, whole, YARDSTICK, -1))
    base = sum(by[i, "epochs"]["seconds"][-1] for i in whole)
    picks = np.random.default_rng(0).integers(0, len(whole), (draws, len(whole)))
    found = []
    for mark, part in enumerate(MARKS):
        ours = order(losses(by, whole, "epochs", mark))
        against = np.array([tau(ours, truth, p) for p in picks])
        for axis in AXES:
            mine = order(losses(by, whole, axis, mark))
            taus = np.array([tau(mine, truth, p) for p in picks])
            low, high = np.percentile(taus, [2.5, 97.5])
            apart = np.percentile(taus - against, [2.5, 97.5])
            cost = sum(by[i, axis]["seconds"][mark] for i in whole) / base
            value = tau(mine, truth)
            found.append(Agreement(axis, part, value, low, high, value - tau(ours, truth), *apart, cost))
    return found


def complete(
    rows: Sequence[Mapping[str, Any]], data: str
) -> tuple[dict[tuple[int, str], Mapping[str, Any]], list[int]]:
    """(row by config and run, the configs for which every run is there)."""
    by = {(r["config"], r["run"]): r for r in rows if r.get("data") == data and "run" in r}
    return by, sorted({i for i, _ in by if all((i, run) in by for run in RUNS)})


def losses(
    by: Mapping[tuple[int, str], Mapping[str, Any]], configs: Sequence[int], run: str, mark: int
) -> Array:
    given = (by[i, run]["losses"][mark] for i in configs)
    return np.array([np.inf if v is None else v for v in given])


def ahead_in_all(
    rows: Sequence[Mapping[str, Any]], axis: str, draws: int = 1000
) -> tuple[float, float, float]:
    """How far an axis is ahead of epochs, the mean over all sets and cheap marks, with a 95 % bootstrap interval."""
    sums, count = np.zeros(draws + 1), 0
    for data in SETS:
        by, whole = complete(rows, data)
        if len(whole) < 3:
            continue
        picks = np.random.default_rng(0).integers(0, len(whole), (draws, len(whole)))
        truth = order(losses(by, whole, YARDSTICK, -1))
        for mark in range(len(MARKS) - 1):
            mine, ours = (order(losses(by, whole, run, mark)) for run in (axis, "epochs"))
            sums += [tau(mine, truth, p) - tau(ours, truth, p) for p in (None, *picks)]
            count += 1
    found = sums / max(count, 1)
    low, high = np.percentile(found[1:], [2.5, 97.5])
    return float(found[0]), float(low), float(high)


def order(losses: Array) -> Array:
    """Who is above whom: the signs of all differences; failed trainings (+inf) are level with each other."""
    ranks = rankdata(losses)
    return np.asarray(np.sign(ranks[:, None] - ranks))


def tau(a: Array, b: Array, pick: NDArray[np.int64] | None = None) -> float:
    """Kendall's tau-b of two orders, of the rows `pick` where given; 0 where one is all ties."""
    if pick is not None:
        a, b = a[pick][:, pick], b[pick][:, pick]
    return float((a * b).sum() / max(math.sqrt(float((a * a).sum()) * float((b * b).sum())), 1e-12))


def section(rows: Sequence[Mapping[str, Any]]) -> str:
    """The section of RESULTS.md."""
    lines = [
        "## Cheaper steps",
        "",
        f"`python benchmarks/cheaper_steps.py run`: random configs of at most {MOST_PARAMS:,} parameters and {MOST_MACS} of "
        f"the default's MACs, {TRAIN:,} training and {VALID:,} validation images, one thread, CPU seconds of training. "
        f"Every axis has the full cost of {EPOCHS} epochs. Kendall's τ-b with the ranking of whole trainings from another "
        "seed, 95 % bootstrap interval over configs; in brackets how far ahead of epochs at the same mark, paired. `cost`: "
        "what was measured, in per cent of whole trainings on epochs; the rest is saved.",
    ]
    for data in SETS:
        found = agreements(rows, data)
        if not found:
            continue
        failed = sum(1 for r in rows if r.get("data") == data and r.get("failed"))
        n = len({r["config"] for r in rows if r.get("data") == data and "run" in r})
        lines += [
            "",
            f"### {data}",
            "",
            "| axis | " + " | ".join(f"1/{p}" if p > 1 else "full" for p in MARKS) + " |",
        ]
        lines += ["|---|" + "---|" * len(MARKS)]
        for axis in AXES:
            cells = [_cell(a) for a in found if a.axis == axis]
            lines.append(f"| {axis} | " + " | ".join(cells) + " |")
        lines += ["", f"{n} configs; {failed} of {n * len(RUNS)} trainings diverged (ranked last)."]
    lines += ["", "Ahead of epochs on average over both sets and the three cheap marks:"]
    for axis in AXES:
        if axis != "epochs":
            value, low, high = ahead_in_all(rows, axis)
            lines.append(
                f"{axis} {value:+.3f} ({low:+.3f} to {high:+.3f})" + ("." if axis == "both" else ",")
            )
    return "\n".join(lines)


def _cell(a: Agreement) -> str:
    ahead = "" if a.axis == "epochs" else f" [{a.ahead:+.2f}, {a.ahead_low:+.2f} to {a.ahead_high:+.2f}]"
    return f"{a.tau:.2f} ({a.low:.2f} to {a.high:.2f}){ahead}, cost {100 * a.cost:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=math.inf)
    arguments = parser.parse_args()
    if arguments.what == "table":
        text = section(read(arguments.out))
        write_section("cheaper-steps", text)
        print(text)
        return
    prepare_process()
    until = time.time() + 60 * arguments.minutes
    tasks = [Task.of(name, load_images(path, seed=0)) for name, path in SETS.items()]
    whole = carry_on(tasks, arguments.out, until)
    print("all done" if whole else f"{sum('run' in r for r in read(arguments.out))} trainings so far")


if __name__ == "__main__":
    main()
