"""Synthetic problems and a driver with bad luck, for the tests of samplers, schedulers and replay."""

from __future__ import annotations

import math
from typing import Any

from seedleaf.core import Config, Event, Fidelity, History, Task
from seedleaf.ledger import event_of
from seedleaf.seeds import rng_for
from seedleaf.space import Bool, Choice, Float, Int, Problem, Space
from seedleaf.store import plain
from seedleaf.study import Study
from seedleaf.tuner.base import Sampler, Scheduler, decide
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS

SPACE = Space(
    lr=Float(1e-4, 1, log=True),
    width=Choice(16, 32, 64, ordered=True),
    optimizer=Choice(
        sgd=dict(momentum=Float(0, 0.99), nesterov=Bool()),
        adam=dict(beta=Float(0.8, 0.99), decay=Choice(none={}, some=dict(rate=Float(1e-6, 0.1, log=True)))),
    ),
    layers=Int(1, 5),
)
RUNGS = Fidelity("epoch", 1, 9)

# Every sampler with two schedulers and every scheduler with two samplers: all pairs would grow with the square.
PAIRS = list(
    dict.fromkeys(
        [(sampler, scheduler) for sampler in SAMPLERS for scheduler in ("full", "asha")]
        + [(sampler, scheduler) for scheduler in SCHEDULERS for sampler in ("random", "tpe")]
    )
)


def error_of(config: Config, step: int = 9) -> float:
    """A made-up error: sgd with momentum near 0.9 is best, and only its own learning rate suits it."""
    x = math.log10(float(config["lr"]))  # type: ignore[arg-type]
    if config["optimizer"] == "sgd":
        far = (x + 1) ** 2 / 4 + 2 * (0.9 - config["optimizer.momentum"]) ** 2  # type: ignore[operator]
    else:
        far = 0.3 + (x + 3) ** 2 / 4
    far += 0.02 * abs(config["layers"] - 3)  # type: ignore[operator]
    return 1 - math.exp(-far) + 0.5 / (step + 1)


def curve(task: Task) -> list[dict[str, float]]:
    return [{"error": error_of(task.config, step)} for step in range(task.start + 1, task.stop + 1)]


def drive(study: Study, asks: int, workers: int = 4, seed: int = 0) -> None:
    """Up to `asks` tasks with bad luck: answers out of order, NaN, failures, and workers that get lost."""
    rng = rng_for(seed, "luck")
    held: list[Task] = []
    while asks > 0 or held:
        task = study.ask() if asks > 0 and len(held) < workers else None
        if task is not None:
            held.append(task)
            asks -= 1
            continue
        if not held:
            return
        answer(study, held.pop(int(rng.integers(len(held)))), float(rng.random()))


def answer(study: Study, task: Task, luck: float) -> None:
    steps: list[dict[str, float]] = curve(task)
    if luck < 0.06:
        study.tell(task, steps[: len(steps) // 2], error="CUDA went away")
    elif luck < 0.12:
        study.tell(task, [*steps[:-1], {"error": math.nan}])
    elif luck < 0.2:
        study.release(task.trial, "its worker is gone", lost=True)
    else:
        study.tell(task, steps)


def replay(problem: Problem, scheduler: Scheduler, sampler: Sampler, log: list[Event]) -> list[str]:
    """Decide again before every decision of a log, each time from a fresh fold; how the answers differ from it.

    The last decision comes first: asked in the old order, a sampler that counts its calls would count the same.
    """
    wrong = []
    for i, event in reversed(list(enumerate(log))):
        if event.kind in ("start", "resume", "stop", "finish"):
            again: Any = event_of(decide(problem, History.fold(log[:i]), scheduler, sampler))
            if again is None or again[0] != event.kind or plain(again[1]) != event.body:
                wrong.append(f"event {event.seq}: {event.kind} {event.body} became {again}")
    return wrong
