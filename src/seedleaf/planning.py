"""The study of a run: planned by what a probe of the machine's throughput allows, and until when it searches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from seedleaf.core import Config, Fidelity, History, Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.data.splits import default_valid_fraction, quotas
from seedleaf.errors import StudyError
from seedleaf.executors.base import Returned
from seedleaf.executors.local import LocalExecutor
from seedleaf.folder import STUDY
from seedleaf.growing import grown
from seedleaf.job import LATENCY, Job
from seedleaf.learners.base import Learner
from seedleaf.learners.netspace import nearest
from seedleaf.learners.pace import Pace
from seedleaf.machine import cores
from seedleaf.space import Space
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.timing import (
    FRONT_SHARE,
    PRESETS,
    SOUGHT_SHARE,
    delivery_seconds,
    longest_refit,
    plan_time,
    wanted_epochs,
)
from seedleaf.train.ramp import AXES, Ramp, resolve
from seedleaf.train.regime import for_long

# Networks that take much longer than the default would eat the search: without a limit on MACs this is the limit.
MACS_OVER_DEFAULT = 2.5

# A run has time for some ten to fifty trials and begins with a default that is hard to beat: its neighbourhood, which TPE
# looks at before it has a model, is worth more than a model that has to learn the whole space first.
OFTEN_RIGHT = ("tpe", "asha")


def pace_of(history: History, job: Job, executor: LocalExecutor) -> Pace | None:
    """The machine's pace where the latency is limited or searched against: as the log says, else from the cache, else
    measured in seconds."""
    if LATENCY not in job.limits and job.tradeoff != LATENCY:
        return None
    known = (history.note("plan") or {}).get("pace")
    if known is None:
        call = executor.call("seedleaf.stopwatch:pace_as_json", time_limit=job.time_limit)
        known = _answer(executor, call)
    return Pace.from_json(known)


def _answer(executor: LocalExecutor, call: int) -> Any:
    while True:
        for report in executor.poll(1.0):
            if isinstance(report, Returned) and report.call == call:
                if report.error is not None:
                    raise StudyError(f"this machine's pace could not be measured: {report.error}")
                return report.value


def open_study(
    store: SqlStore,
    history: History,
    job: Job,
    spec: ImageSpec,
    learner: Learner,
    executor: LocalExecutor,
    deadline: float,
    axis: str,
) -> tuple[Study, float]:
    """The run's study, planned by a throughput probe when it is new; and the seconds to keep for delivery and the front."""
    asked = tuple(Limit(k, v) for k, v in job.limits.items())
    pace = learner.pace
    known = history.note("plan")
    default = learner.default(spec, asked, float((known or {}).get("room", 1.0)))
    if known is None:
        room, thirds = grown(executor, job, spec, learner, deadline)
        default = learner.default(spec, asked, room)
        epoch = thirds[-1]
        delivery = delivery_seconds(spec.n_test, spec.n_train, epoch, executor.start_seconds)
        left = deadline - time.time()
        ramp = () if axis == "epochs" else thirds
        share = SOUGHT_SHARE if job.tradeoff else FRONT_SHARE
        spent, wanted = job.time_limit - left, wanted_epochs(spec.n_train)
        plan = plan_time(left, job.workers, epoch, delivery, PRESETS[job.preset], spent, ramp, share, wanted)
        fidelity, limits = plan.fidelity, dict(job.limits)
        if "macs" not in limits:
            limits["macs"] = MACS_OVER_DEFAULT * learner.costs(spec, default)["macs"]
        if history.header:  # a driver was killed between the header and its notes: what it had planned stands
            planned = history.header["fidelity"]
            fidelity = Fidelity(planned["name"], planned["low"], planned["high"])
            limits = {x["metric"]: x["at_most"] for x in history.header["limits"]}
        known = {
            "limits": limits,
            "delivery": delivery,
            "epoch_seconds": epoch,
            "inherit": job.inherit,
            "room": room,
            "refit": plan.refit_seconds,
            "front": plan.front_seconds,
            "full": fidelity.high,
            "wanted": wanted,
            "longest": longest_refit(fidelity.high, wanted),
            "valid": int(quotas(np.array(spec.counts), default_valid_fraction(spec.n_train)).sum()),
            "low": fidelity.low,
            "axis": axis,
            "says": AXES[axis].says,
            "third_seconds": thirds,
            "pace": None if pace is None else pace.to_json(),
        }
    begun = (
        history.header
    )  # the space as the log began with, which an earlier version may have drawn otherwise
    space = Space.from_json(begun["space"]) if begun else learner.space(spec, asked)
    study = Study(
        space,
        minimize=["error", job.tradeoff] if job.tradeoff else "error",
        tie_break="loss",
        fidelity=Fidelity("epoch" if axis == "epochs" else "step", int(known["low"]), int(known["full"])),
        limits=known["limits"],
        costs=lambda config: learner.costs(spec, config),
        kinship=kinship_of(learner, spec) if known.get("inherit") else None,
        anchor=nearest(space, learner.smallest(spec, asked)),
        by_time=bool(history.header.get("by_time", not history.header)),  # as the log began, if there is one
        seed=job.seed,
        sampler=OFTEN_RIGHT[0] if job.sampler == "auto" else job.sampler,
        scheduler=OFTEN_RIGHT[1] if job.scheduler == "auto" else job.scheduler,
        store=store,
        name=STUDY,
        take_over=True,
    )
    if study.history.note("plan") is None:
        study.note("run", **run_note(job))
        study.note("data", spec=spec.to_json())
        study.note("baseline", **trivial_baseline(spec))
        study.note("plan", **known)
    if study.history.note("default") is None:
        epochs = float(known["refit"]) / max(float(known["epoch_seconds"]), 1e-9)
        params = learner.costs(spec, default)["params"]
        default = for_long(default, params, spec.n_train, epochs)
        given = next((t.id for t in study.trials if t.given), None)
        trial = study.enqueue(default, budget=study.problem.full) if given is None else given
        study.note("default", trial=trial)
    return study, float(known["delivery"]) + float(known.get("front", 0.0))


def kinship_of(learner: Learner, spec: ImageSpec) -> Callable[[Config, Config], float]:
    """How close two configs of the learner are."""
    return lambda child, parent: learner.kinship(spec, child, parent)


def run_note(job: Any) -> dict[str, Any]:
    """The job, a frozen dataclass, and where it ran."""
    import platform

    machine = f"{platform.system()} {platform.machine()}, {cores()} cores, Python {platform.python_version()}"
    body = {k: v for k, v in asdict(job).items() if k != "learner"}
    return {**body, "machine": machine, "started": time.time()}


def trivial_baseline(spec: ImageSpec) -> dict[str, Any]:
    """What always answering the most frequent class would give."""
    k = max(range(spec.n_classes), key=lambda i: spec.counts[i])
    return {"error": 1 - spec.counts[k] / max(sum(spec.counts), 1), "what": f"always {spec.class_names[k]!r}"}


def axis_of(history: History, job: Job, spec: ImageSpec) -> str:
    """What the steps of the run are spent on: as its log says, else as the job asks (`train.ramp`)."""
    known = history.note("plan")
    if known is not None:
        return str(known.get("axis", "epochs"))  # logs from before there was a choice name none
    return resolve(job.fidelity, spec.n_train, spec.height, spec.width)


def step_share(history: History) -> Callable[[int], float]:
    """What a step of a trial costs of a whole one, as the probe measured it."""
    plan = history.note("plan") or {}
    thirds = [float(s) for s in plan.get("third_seconds") or (1.0, 1.0, 1.0)]
    ramp = Ramp(str(plan.get("axis", "epochs")), history.full)
    return lambda step: thirds[ramp.third(step)] / thirds[-1]


def most_refit(history: History) -> int:
    """The most steps that the final training may have."""
    noted = (history.note("plan") or {}).get("longest")
    return longest_refit(history.full, wanted_of(history)) if noted is None else int(noted)


def wanted_of(history: History) -> float:
    """The epochs that the final training should have, as the plan says or, in logs from before it did, by the images."""
    noted = (history.note("plan") or {}).get("wanted")
    spec = (history.note("data") or {}).get("spec") or {}
    return (
        float(noted)
        if noted is not None
        else wanted_epochs(int(spec["n_train"]))
        if "n_train" in spec
        else 0.0
    )


def describe(spec: ImageSpec, study: Study) -> list[str]:
    """The data as understood, the trivial baseline and what is searched, in at most four lines."""
    colour = {1: "grey", 3: "colour"}.get(spec.channels, f"{spec.channels} channels")
    lines = [
        f"data      {spec.name}: {spec.n_train:,} training and {spec.n_test:,} test images, "
        f"{spec.height}×{spec.width} {colour}, {spec.n_classes} classes"
    ]
    if spec.findings:
        more = f" (and {len(spec.findings) - 1} more in the report)" if len(spec.findings) > 1 else ""
        lines.append(f"noticed   {spec.findings[0]}{more}")
    baseline, problem = study.history.note("baseline") or {}, study.problem
    lines.append(f"baseline  {baseline.get('what')}: error {baseline.get('error', 1.0):.3f}")
    bounds = ", ".join(f"{x.metric} <= {_bound(x.at_most)}" for x in problem.limits)
    steps = problem.fidelity.name if problem.fidelity else "step"
    lines.append(
        f"search    {len(problem.space)} hyper-parameters, {study.sampler.name} + {study.scheduler.name}, "
        f"up to {problem.full} {steps}s a trial, {bounds}"
    )
    if steps != "epoch":
        lines[-1] += f"; {(study.history.note('plan') or {}).get('says')}"
    return lines


def _bound(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"
