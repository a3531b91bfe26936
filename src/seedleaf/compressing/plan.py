"""What a compression is to reach, whether it can, and how its time is shared out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from seedleaf.compression.candidates import firsts, reachable, said
from seedleaf.compression.space import compress_space
from seedleaf.core import Config, Fidelity, History
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import LimitError, RunError
from seedleaf.executors.base import OWN_DEVICE, Returned
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import STUDY
from seedleaf.planning import OFTEN_RIGHT, run_note, trivial_baseline
from seedleaf.space import fingerprint
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.timing import PRESETS, delivery_seconds, plan_time

if TYPE_CHECKING:
    from seedleaf.compressing.job import CompressJob
    from seedleaf.compressing.model_source import Reading

INT8: Mapping[str, str] = {"auto": "search", "always": "always", "never": "never"}
FURTHEST = 4.0  # times below its target that the metric of a trade-off is brought at most
GAIN = 1.05  # times faster or smaller, below which int8 brings nothing
WORTH = 0.4  # of what pruning to the last channels would reach: there networks answer nothing
EXPORT_FOREIGN = 12.0  # seconds that torch's exporter takes for a module of somebody's


@dataclass(frozen=True)
class Planned:
    """`targets` {metric: at most}; `orders` of passes that may reach them; steps and seconds.

    `further` is how many times below its target the metric of a trade-off may be brought.
    """

    targets: Mapping[str, float]
    orders: tuple[str, ...]
    int8: str
    fidelity: Fidelity
    refit: float
    delivery: float
    front: float = 0.0
    further: float = 1.0


def probe(executor: LocalExecutor, setup: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What a worker found out about the original (`compression.analyse`)."""
    name, tries = "seedleaf.compression.analyse:analyse", 2
    call = executor.call(name, setup=dict(setup), seconds=seconds, device=OWN_DEVICE)
    while True:
        for report in executor.poll(0.5):
            if not isinstance(report, Returned) or report.call != call:
                continue
            if report.error is None:
                found: dict[str, Any] = report.value
                return found
            tries -= 1
            if not tries:
                raise RunError(f"the model cannot be compressed: {report.error}")
            call = executor.call(name, setup=dict(setup), seconds=seconds, device=OWN_DEVICE)


def plan(
    job: CompressJob,
    found: Mapping[str, Any],
    spec: ImageSpec,
    left: float,
    spent: float,
    start_seconds: float = 0.0,
) -> Planned:
    """`start_seconds`: how long a worker took to come up, a measure of how slow the machine is with all but training.

    LimitError where the bounds cannot be reached, with what could be; BudgetError where the time is too short.
    """
    targets = targets_of(job, found["costs"])
    int8 = INT8[job.int8]
    if not found["int8"]:
        if int8 == "always":
            raise LimitError(f"int8 is not possible here: {found['no_int8']}")
        int8 = "never"
    if int8 == "search" and not any(found["int8"].get(m, 1.0) >= GAIN for m in targets):
        int8 = "never"  # no bound gains by it, so it would cost accuracy for nothing
    orders = reachable(found, targets, int8)
    epoch = float(found["epoch_seconds"])
    delivery = delivery_seconds(spec.n_test, spec.n_train, epoch, start_seconds) + 3.0
    if not found["ours"]:
        delivery += EXPORT_FOREIGN
    shared = plan_time(left, job.workers, epoch, delivery, PRESETS["good"], spent)
    front = delivery + shared.front_seconds if job.tradeoff else 0.0
    further = further_than(targets, found, int8, job.tradeoff)
    return Planned(targets, orders, int8, shared.fidelity, shared.refit_seconds, delivery, front, further)


def planned_before(history: History) -> Planned | None:
    """What an earlier session of the run had planned; None where there was none."""
    note, header = history.note("plan"), history.header
    if note is None or not header:
        return None
    steps = header["fidelity"]
    body = {k: note[k] for k in Planned.__dataclass_fields__ if k in note and k != "fidelity"}
    body["orders"] = tuple(body["orders"])
    return Planned(**body, fidelity=Fidelity(steps["name"], int(steps["low"]), int(steps["high"])))


def further_than(targets: Mapping[str, float], found: Mapping[str, Any], int8: str, metric: str) -> float:
    """How many times below its target recipes can bring `metric` with something left to learn; 1 without a trade-off."""
    ways = [found[key] for key, no in (("floors", "always"), ("floors8", "never")) if int8 != no]
    floors = [floor[metric] for way in ways for floor in way.values()] if metric else []
    return min(max(WORTH * targets[metric] / min(floors), 1.0), FURTHEST) if floors else 1.0


def targets_of(job: CompressJob, costs: Mapping[str, float]) -> dict[str, float]:
    """The bounds as {metric: at most}; LimitError where the original keeps them all."""
    targets = dict(job.at_most)
    if job.speedup is not None:
        asked = costs["latency_ms"] / job.speedup
        targets["latency_ms"] = min(asked, targets.get("latency_ms", asked))
    if job.tradeoff:
        targets.setdefault(job.tradeoff, costs[job.tradeoff])
    refuse_kept(targets, costs)
    return targets


def refuse_kept(targets: Mapping[str, float], costs: Mapping[str, float]) -> None:
    """LimitError where `costs` keep all targets."""
    if all(costs[m] <= v for m, v in targets.items()):
        has = ", ".join(f"{said(m, costs[m])}" for m in targets)
        raise LimitError(f"the model keeps these bounds already ({has}): there is nothing to compress")


def open_study(
    store: SqlStore,
    job: CompressJob,
    found: Mapping[str, Any],
    planned: Planned,
    spec: ImageSpec,
    read: Reading,
) -> Study:
    """The search over recipes, as an earlier session left it or empty. `read` is how the images were read."""
    study = Study(
        compress_space(
            planned.orders,
            found["groups"],
            planned.int8,
            planned.further,
            found["mode8"],
            found["decomposable"],
        ),
        minimize=["error", job.tradeoff] if job.tradeoff else "error",
        tie_break="loss",
        fidelity=planned.fidelity,
        by_time=True,
        max_trials=job.max_trials,
        seed=job.seed,
        sampler=OFTEN_RIGHT[0],
        scheduler=OFTEN_RIGHT[1],
        store=store,
        name=STUDY,
        take_over=True,
    )
    if study.history.note("plan") is not None:
        return study  # an earlier session has begun it
    study.note("run", **run_note(job))
    study.note("data", spec=spec.to_json(), split=read.seed)
    study.note("baseline", **trivial_baseline(spec))
    study.note("plan", **{**asdict(planned), "fidelity": None}, axis="epochs")
    study.note("original", **{k: v for k, v in found.items() if k not in ("graph", "delivered")})
    return study


def begin(
    study: Study, executor: LocalExecutor, planned: Planned, setup: Mapping[str, Any], until: float
) -> None:
    """Look at the recipes that are worth it, in the time to `until`, and enqueue them, the least harmful for all steps.

    Those that were not looked at come after those that were, in the order in which they are proposed.
    """
    configs = [study.problem.space.complete(c) for c in firsts(planned.orders, planned.int8, planned.further)]
    configs = list({fingerprint(c): c for c in configs}.values())
    harms = looks(executor, configs, setup, until)
    study.note("looks", harms=[harms.get(i) for i in range(len(configs))], configs=configs)
    usable = [i for i in range(len(configs)) if harms.get(i, 0.0) is not None]
    order = sorted(usable or range(len(configs)), key=lambda i: (harms.get(i, math.inf), i))
    trial = study.enqueue(configs[order[0]], budget=study.problem.full)
    study.note("default", trial=trial)
    for i in order[1 : study.problem.max_trials]:
        study.enqueue(configs[i])


def looks(
    executor: LocalExecutor, configs: Sequence[Config], setup: Mapping[str, Any], until: float
) -> dict[int, float | None]:
    """config -> its harm, None where it does not meet the targets.

    None is begun that would be over after `until`, going by the longest before it. What is under way then is waited for, but
    not made any closer to the targets than it is.
    """
    found: dict[int, float | None] = {}
    todo, waiting, begun, longest = list(range(len(configs))), dict[int, int](), dict[int, float](), 0.0
    while waiting or (todo and time.time() + longest < until):
        while todo and executor.free() and time.time() + longest < until:
            i = todo.pop(0)
            begun[i] = time.time()
            arguments = {
                "config": dict(configs[i]),
                "setup": dict(setup),
                "device": OWN_DEVICE,
                "until": until,
            }
            waiting[executor.call("seedleaf.compression.scout:look", **arguments)] = i
        for report in executor.poll(0.25):
            if isinstance(report, Returned) and report.call in waiting:
                i = waiting.pop(report.call)
                longest = max(longest, time.time() - begun[i])
                found[i] = None if report.error is not None else float(report.value["harm"])
    return found


def describe(spec: ImageSpec, found: Mapping[str, Any], planned: Planned, study: Study) -> Sequence[str]:
    """The original, the bounds and the search, in at most four lines."""
    costs = found["costs"]
    lines = [
        f"original  {costs['params']:,} params, {costs['macs']:,} MACs, {costs['latency_ms']:.3f} ms an image, "
        f"test accuracy {1 - found['test_error']:.4f} on {spec.name}"
    ]
    bounds = ", ".join(
        f"{m} <= {v:.3g}" if m == "latency_ms" else f"{m} <= {v:,.0f}" for m, v in planned.targets.items()
    )
    lines.append(f"bounds    {bounds}")
    refused = [
        f"{g} ({why})" for g, why in found["refused"].items() if why != "its outputs are the network's"
    ]
    if refused:
        lines.append(f"whole     {len(refused)} groups of channels cannot be cut exactly, e.g. {refused[0]}")
    lines.append(
        f"search    {', '.join(planned.orders)}; int8 {planned.int8}; {study.sampler.name} + {study.scheduler.name}, "
        f"up to {study.problem.full} epochs of fine-tuning a trial"
    )
    return lines
