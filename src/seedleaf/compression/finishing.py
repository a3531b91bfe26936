"""What follows the search, as workers run it: the long fine-tuning, its control from scratch, and the delivery."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seedleaf.compression.bench import (
    COMPARED,
    Bench,
    counted,
    device_of,
    difference,
    open_bench,
    write_delivered,
)
from seedleaf.compression.deploy import probabilities, times_within
from seedleaf.compression.distil import trainer_with
from seedleaf.compression.rates import learnable
from seedleaf.compression.recipe import Recipe
from seedleaf.compression.registry import PASSES
from seedleaf.compression.space import training_of
from seedleaf.compression.trial import with_weights
from seedleaf.core import Config, Context
from seedleaf.errors import OutOfTime
from seedleaf.export import save_weights, write_signature
from seedleaf.learners.images import open_source
from seedleaf.learners.trial import memory_errors, prepare_process
from seedleaf.scores import accuracy_interval, confusion, per_class
from seedleaf.seeds import seed_for
from seedleaf.train import checkpoint
from seedleaf.train.evaluate import probabilities as torch_probabilities
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train

Body = dict[str, Any]


def finetune(
    config: Config,
    recipe: Mapping[str, Any],
    setup: Mapping[str, Any],
    folder: str,
    steps: int,
    deadline: float,
    threads: int = 1,
    fresh: bool = False,
    device: str = "cpu",
) -> dict[str, float]:
    """Train the network of `recipe` on train+valid for `steps` steps, ending by `deadline`; its checkpoint in `folder`.

    `fresh` trains the same network from nothing, without a teacher, by the original's own training config, somebody's module
    at a rate at which it learns: the control.
    Where there is no time for a step, 0 steps: the checkpoint then holds the inherited weights with BatchNorm recalibrated;
    there is none of a control.
    """
    prepare_process()
    device = device_of(device, setup)
    bench = open_bench(setup, device)
    whole = open_source({**setup, "part": "train+valid"})
    torch.set_num_threads(max(threads, 1))
    seed = seed_for(int(setup.get("seed", 0)), "control" if fresh else "refit")
    ctx = Context(-1, 0, steps, steps, seed, Path(folder), device, setup, deadline)
    ctx.folder.mkdir(parents=True, exist_ok=True)
    try:
        with memory_errors():
            work = Recipe.from_json(recipe).apply(bench.original, PASSES, None if fresh else bench.shop)
            torch.manual_seed(seed)
            subject = work.subject.fresh() if fresh else work.subject
            training = dict(setup["training"]) if fresh else training_of(config, setup["training"])
            make = trainer_with(bench.original.net, {} if fresh else work.distil)
            feed = Feed.on(device, whole.data.x_train, whole.data.y_train, whole.train)
            done = {"steps": 0.0, "train_seconds": 0.0, "train_loss": float("nan")}
            net = copy.deepcopy(subject.net).to(device)
            if fresh and "module" in setup:  # somebody's: no search has found out how it is trained
                training = dict(learnable(net, training, feed, ctx))
            for m in train(net, training, feed, None, ctx, {}, make):
                done["steps"] = float(m.step)
                done["train_seconds"] += m.metrics["train_seconds"]
                done["train_loss"] = m.metrics["train_loss"]
            return done
    except OutOfTime:
        if not fresh:
            untuned = {"model": work.subject.net.state_dict(), "judged": None}
            checkpoint.save(ctx.folder / checkpoint.NAME, untuned)
        return {"steps": 0.0, "train_seconds": 0.0, "train_loss": float("nan")}
    finally:
        torch.set_num_threads(1)


def deliver(
    recipe: Mapping[str, Any],
    setup: Mapping[str, Any],
    tuned: str,
    control: str | None,
    out: str,
    config: Config,
    bounds: Mapping[str, float] | None = None,
) -> Body:
    """Write `out`/model.onnx, measure it beside the original and the control, and say layer by layer what was done.

    Times that break `bounds` (latency_ms, speedup) are measured again: the machine may have been busy.
    RunError where the graph answers otherwise than the network.
    """
    prepare_process()
    bench = open_bench(setup)
    data, folder = bench.source.data, Path(out)
    spec, y = data.spec, np.asarray(data.y_test)
    folder.mkdir(parents=True, exist_ok=True)
    resolved = Recipe.from_json(recipe)
    work = resolved.apply(bench.original, PASSES)
    net = with_weights(work.subject, Path(tuned) / checkpoint.NAME)
    graph = folder / "model.onnx"
    write_delivered(net, bench, work.quantise, graph)
    costs, theirs = _weighed(net, bench, graph, bounds or {})
    original = Path(bench.found["delivered"])
    answered = probabilities(graph, data.x_test)
    before = probabilities(original, data.x_test)
    right, was_right = answered.argmax(1) == y, before.argmax(1) == y
    save_weights(net, folder)
    structure = work.subject.to_json()
    write_signature(folder, spec, config, {"structure": structure, "training": dict(setup["training"])})
    (folder / "recipe.json").write_text(resolved.dumps(), encoding="utf-8")
    found: Body = {
        "test": accuracy_interval(right),
        "original": {
            "test": accuracy_interval(was_right),
            "latency_ms": theirs,
            "bytes": original.stat().st_size,
            **{m: bench.found["costs"][m] for m in ("params", "macs")},
        },
        "drop": paired(was_right, right),
        **costs,
        "confusion": confusion(answered.argmax(1), y, spec.n_classes),
        "onnx_max_difference": difference(net, answered[:COMPARED], data.x_test[:COMPARED]),
        "layers": layers_told(resolved, bench),
        "per_class": per_class(answered.argmax(1), y, spec.class_names),
        "control": None,
    }
    if control is not None:
        found["control"] = _control(work, control, bench, right)
    return found


def weigh(
    recipe: Mapping[str, Any], setup: Mapping[str, Any], scratch: str, bounds: Mapping[str, float]
) -> Body:
    """What the network of a recipe costs when it is written as for `deliver`; for this its weights do not matter.

    params, macs, bytes, latency_ms {median, p90}, speedup. RunError where it cannot be delivered.
    """
    prepare_process()
    bench = open_bench(setup)
    work = Recipe.from_json(recipe).apply(bench.original, PASSES)
    graph = Path(scratch) / "weighed.onnx"
    try:
        write_delivered(work.subject.net, bench, work.quantise, graph)
        return _weighed(work.subject.net, bench, graph, bounds)[0]
    finally:
        graph.unlink(missing_ok=True)


def _weighed(
    net: torch.nn.Module, bench: Bench, graph: Path, bounds: Mapping[str, float]
) -> tuple[Body, dict[str, float]]:
    """What a written graph costs, and the times of the original in the same run."""
    image = np.asarray(bench.source.data.x_test[:1])
    mine, theirs = times_within(graph, Path(bench.found["delivered"]), image, bounds)
    params, macs = counted(net, image)
    faster, size = theirs["median"] / mine["median"], graph.stat().st_size
    return {"speedup": faster, "latency_ms": mine, "bytes": size, "params": params, "macs": macs}, theirs


def _control(work: Any, folder: str, bench: Bench, right: npt.NDArray[np.bool_]) -> Body:
    data = bench.source.data
    net = with_weights(work.subject, Path(folder) / checkpoint.NAME)
    rows = np.arange(len(data.y_test), dtype=np.int64)
    answered = torch_probabilities(net, Feed(data.x_test, data.y_test, rows)).numpy().argmax(1)
    scratch = answered == np.asarray(data.y_test)
    kept = list(work.subject.lasting())
    return {"test": accuracy_interval(scratch), "gain": paired(right, scratch), "kept": kept}


def paired(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> dict[str, float]:
    """How much more often `one` is right than `other`, with its standard error, paired by image."""
    apart = one.astype(float) - other.astype(float)
    return {"mean": float(apart.mean()), "se": float(apart.std(ddof=1) / np.sqrt(len(apart)))}


def layers_told(recipe: Recipe, bench: Bench) -> list[Body]:
    """What was done to which layer and why, pass by pass; and what could not be touched."""
    rows = [{"pass": s.kind, **row} for s in recipe.steps for row in PASSES[s.kind].told(s.body)]
    rows += [
        {"pass": "prune", "layer": group, "what": "left whole", "why": why}
        for group, why in bench.found["refused"].items()
        if why != "its outputs are the network's"
    ]
    return rows
