"""Histories made up event by event, in every shape that a report may meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seedleaf.core import Event, History
from seedleaf.space import Bool, Choice, Float, Int, Space

T0 = 1_760_000_000.0
CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"]

SPACE = Space(
    lr=Float(1e-4, 1, log=True),
    optimizer=Choice(
        sgd=dict(momentum=Float(0, 0.99), nesterov=Bool()),
        adam=dict(beta1=Float(0.8, 0.99), beta2=Float(0.9, 0.999)),
        adamw=dict(beta1=Float(0.8, 0.99), weight_decay=Float(1e-6, 0.1, log=True)),
    ),
    batch_size=Choice(32, 64, 128, 256, ordered=True),
    schedule=Choice("cosine", "one-cycle", "step", "constant"),
    dropout=Float(0, 0.5),
    stages=Int(1, 4),
    width=Int(8, 64, log=True),
    block=Choice(
        conv=dict(kernel=Choice(3, 5, ordered=True)),
        depthwise=dict(kernel=Choice(3, 5, ordered=True), squeeze=Bool()),
        bottleneck=dict(expansion=Int(1, 6)),
    ),
    label_smoothing=Float(0, 0.2),
)


class Log:
    """Appends events with a running clock; `history()` folds them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = T0

    def add(self, kind: str, **body: Any) -> None:
        self.events.append(Event(len(self.events) + 1, self.now, kind, body))

    def note(self, name: str, **body: Any) -> None:
        self.add("note", name=name, **body)

    def history(self) -> History:
        return History.fold(self.events)


def header(space: Space = SPACE, **changes: Any) -> dict[str, Any]:
    body = {
        "space": space.to_json(),
        "objectives": [{"metric": "error", "direction": "min"}],
        "limits": [{"metric": "params", "at_most": 20_000}],
        "fidelity": {"name": "epoch", "low": 1, "high": 27, "eta": 3},
        "seed": 0,
        "sampler": "tpe",
        "scheduler": "asha",
    }
    return {**body, **changes}


def params_of(config: dict[str, Any]) -> float:
    per = {"conv": 9.0, "depthwise": 2.0, "bottleneck": 4.0}[config["block"]]
    return round(60 + per * config["width"] ** 1.5 * config["stages"] * 2.1)


def floor_of(config: dict[str, Any]) -> float:
    """The error that this config would reach: a bowl around lr = 0.01, worse when tiny."""
    best_lr = {"sgd": -1.0, "adam": -2.5, "adamw": -2.3}[config["optimizer"]]
    off = (math.log10(config["lr"]) - best_lr) ** 2 * 0.05
    size = 0.5 / math.sqrt(params_of(config) / 100)
    momentum = 0.02 * abs(config.get("optimizer.momentum", 0.9) - 0.9)
    return min(0.012 + off + 0.3 * size**2 + momentum + 0.03 * config["dropout"], 0.88)


def study(
    n: int,
    *,
    seed: int = 0,
    fail: float = 0.05,
    rungs: tuple[int, ...] = (1, 3, 9, 27),
    reason: Callable[[int], str] = lambda i: ["loss is NaN at step 2", "out of memory: 3.1 GB"][i % 2],
) -> Log:
    """`n` trials of the conditional space, promoted by thirds as ASHA would; 2 workers."""
    rng, log = np.random.default_rng(seed), Log()
    log.add("study", **header())
    configs: dict[int, dict[str, Any]] = {}
    floors: dict[int, float] = {}
    alive: list[int] = []
    for i in range(n):
        config = SPACE.sample(rng) if i else {**SPACE.default(), "width": 12, "stages": 2}
        while params_of(config) > 20_000:
            config = SPACE.sample(rng)
        configs[i], floors[i] = config, floor_of(config)
    last = dict.fromkeys(configs, 0)
    for k, rung in enumerate(rungs):
        todo = range(n) if k == 0 else alive
        for i in todo:
            if k == 0:
                log.add("start", trial=i, config=configs[i], budget=rung)
            else:
                log.add("resume", trial=i, budget=rung)
            if rng.random() < fail:
                log.now += 0.2
                log.add("fail", trial=i, reason=reason(i))
                last[i] = -1
                continue
            for step in range(last[i] + 1, rung + 1):
                seconds = 0.02 + params_of(configs[i]) / 2e5
                log.now += seconds / 2
                error = (
                    floors[i] + (0.9 - floors[i]) * math.exp(-1.1 * step**0.7) + 0.004 * rng.standard_normal()
                )
                metrics = {
                    "error": min(max(error, 0.005), 0.95),
                    "loss": error * 2,
                    "train_loss": error * 1.5,
                    "params": params_of(configs[i]),
                }
                log.add("measure", trial=i, step=step, metrics=metrics, seconds=seconds)
            last[i] = rung
        history = log.history()
        scored = sorted(history.at(rung).items(), key=lambda row: row[1]["error"])
        alive = [i for i, _ in scored[: max(len(scored) // 3, 2)]]
        if 0 not in alive and last.get(0) == rung:
            alive.append(0)
    return log


def notes(
    log: Log, names: list[str] = CLASSES, predict: str = "seedleaf predict runs/fashion-1 IMAGE"
) -> Log:
    """Everything that a whole run remembers beside its trials."""
    history = log.history()
    k = len(names)
    rng = np.random.default_rng(1)
    done = history.completed() or [t for t in history.trials.values() if t.measurements]
    best = min(done, key=lambda t: t.metrics["error"])
    confusion = rng.integers(0, 4, size=(k, k)) + np.diag(rng.integers(150, 195, size=k))
    counts = rng.integers(900, 1100, size=k).tolist()
    log.note(
        "run",
        command="seedleaf fit fashion --time 60s --max-params 20k",
        time_limit=60.0,
        limits={"params": 20000},
        seed=0,
        workers=2,
        version="0.1.0",
        machine="2 cores, 8 GB, Linux",
        started=T0,
    )
    log.note(
        "data",
        spec={
            "name": "fashion",
            "height": 28,
            "width": 28,
            "channels": 1,
            "n_classes": k,
            "class_names": names,
            "n_train": 10_000,
            "n_test": 2_000,
            "counts": counts,
            "fingerprint": "9f86d081884c7d65",
            "findings": [
                "3 duplicate images across train and test were dropped from train",
                "class sizes are even",
            ],
            "left_out": ["boot/cut.png (<b>corrupt</b>)", "coat/empty.png (the file is empty)"],
        },
        valid_fraction=0.2,
    )
    log.note("baseline", error=0.9, what=f"always '{names[-1]}'")
    log.note("default", trial=0)
    correct = confusion.diagonal() / confusion.sum(1)
    log.note(
        "final",
        trial=best.id,
        test={"accuracy": 0.9812, "error": 0.0188, "low": 0.974, "high": 0.987},
        params=best.metrics["params"],
        macs=1_240_000,
        bytes=58_213,
        latency_ms={"median": 0.21, "p90": 0.34},
        onnx_max_difference=1.2e-6,
        refit_steps=27,
        per_class=[[n, int(r.sum()), float(c)] for n, r, c in zip(names, confusion, correct, strict=True)],
        confusion=confusion.tolist(),
        predict=predict,
    )
    log.note("verdict", text="tuning gained 0.012 ± 0.004 over the default", gain=0.012, se=0.004)
    log.note("shares", training=0.91, driver=0.02, wall=58.2)
    log.add("finish", reason="time is up")
    return log


def zero() -> Log:
    log = Log()
    log.add("study", **header())
    return log


def killed() -> Log:
    """Seven trials in, with two still running and not one note."""
    log = study(7, fail=0.0, rungs=(1, 3))
    log.add("start", trial=7, config=SPACE.sample(np.random.default_rng(3)), budget=1)
    return log


def all_failed() -> Log:
    log = study(6, fail=1.0, rungs=(1,), reason=lambda i: "ImportError: no module named 'torch'")
    log.add("finish", reason="the first trials all failed for one reason")
    return log


def whole(n: int = 60, seed: int = 0) -> Log:
    return notes(study(n, seed=seed))


def generic(n: int = 40) -> Log:
    """Somebody's own function: a maximised score, two parameters, no sizes and no notes."""
    space = Space(
        x=Float(-2, 2),
        kernel=Choice(rbf=dict(gamma=Float(1e-3, 10, log=True)), linear={}),
        c=Float(0.1, 100, log=True),
    )
    rng, log = np.random.default_rng(5), Log()
    log.add(
        "study",
        **header(
            space,
            objectives=[{"metric": "score", "direction": "max"}],
            limits=[],
            fidelity=None,
            sampler="sobol",
            scheduler="full",
        ),
    )
    for i in range(n):
        config = space.sample(rng)
        log.add("start", trial=i, config=config, budget=1)
        log.now += 1.5
        score = 10 - config["x"] ** 2 - 0.5 * (config["kernel"] == "linear") + 0.1 * rng.standard_normal()
        log.add("measure", trial=i, step=1, metrics={"score": score}, seconds=1.4)
    return log


def hostile() -> Log:
    """Class names, options and reasons that try to leave their place in the page."""
    evil = "</script><script>alert('x')</script>"
    space = Space({"a<b>": Float(0, 1), "c\"d'": Choice(evil, "<img src=x onerror=alert(1)>")})
    log = Log()
    log.add(
        "study",
        **header(space, limits=[{"metric": evil, "at_most": 3}], sampler=evil, scheduler="<b>asha</b>"),
    )
    for i in range(20):
        config = {"a<b>": i / 20, "c\"d'": space.params["c\"d'"].from_unit((i % 2) * 0.9)}
        log.add("start", trial=i, config=config, budget=2)
        log.add("measure", trial=i, step=1, metrics={"error": 0.5 - i / 100, "params": 10.0 + i}, seconds=1.0)
        if i % 5 == 0:
            log.add("fail", trial=i, reason=f'ValueError: {evil} & "quotes" \u2028 \'')
        else:
            log.add(
                "measure", trial=i, step=2, metrics={"error": 0.4 - i / 100, "params": 10.0 + i}, seconds=1.0
            )
    return notes(
        log, names=[evil, "a & b", '"quoted"', "<!--", "naïve ☂"], predict=f"seedleaf predict {evil} IMAGE"
    )


def many(n: int = 1000, steps: int = 30) -> Log:
    """Every trial at every step: the largest page that is promised to stay small."""
    return notes(study(n, fail=0.02, rungs=(steps,)))


SHAPES: dict[str, Callable[[], Log]] = {
    "empty": Log,
    "zero": zero,
    "killed": killed,
    "all_failed": all_failed,
    "three": lambda: notes(study(3, fail=0.0)),
    "whole": whole,
    "generic": generic,
    "hostile": hostile,
    "six_hundred": lambda: whole(600),
}
