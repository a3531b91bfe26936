"""What a worker runs: a config becomes a recipe, the recipe a smaller network, and that is fine-tuned step by step."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from seedleaf.compression.bench import Bench, device_of, open_bench
from seedleaf.compression.deploy import graph_of, probabilities
from seedleaf.compression.distil import trainer_with
from seedleaf.compression.recipe import Recipe, Work
from seedleaf.compression.registry import PASSES
from seedleaf.compression.resolving import RECIPE, resolve, targets_of
from seedleaf.compression.scout import looked_at
from seedleaf.compression.space import training_of
from seedleaf.compression.subject import Subject
from seedleaf.core import Config, Context, Measurement
from seedleaf.errors import RunError, TrialError
from seedleaf.learners.trial import memory_errors, prepare_process
from seedleaf.train import checkpoint
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train


def run(config: Config, ctx: Context) -> Iterator[Measurement]:
    """Compress by `config` and fine-tune from step `ctx.start` + 1 to `ctx.stop`, one measurement a step.

    Metrics: error, loss on the validation part (error that of the int8 graph at `ctx.stop`, where it is quantised), params,
    macs, bytes, latency_ms (on the scale of the original's), speedup. TrialError where this config cannot meet the targets.
    """
    prepare_process()
    ctx = replace(ctx, device=device_of(ctx.device, ctx.setup))
    bench = open_bench(ctx.setup, ctx.device)
    with memory_errors():
        work, _, costs = recipe_of(config, ctx, bench)
        training = training_of(config, ctx.setup["training"])
        make = trainer_with(bench.original.net, work.distil)
        data = bench.source.data
        feed = Feed.on(ctx.device, data.x_train, data.y_train, bench.source.train)
        valid = Feed.on(ctx.device, data.x_train, data.y_train, bench.source.valid)
        # A copy: a recipe that changes nothing (int8 alone was enough) holds the original itself.
        net = copy.deepcopy(work.subject.net).to(ctx.device)
        for m in train(net, training, feed, valid, ctx, costs, make):
            if m.step == ctx.stop and work.quantise:
                judged = with_weights(work.subject, ctx.folder / checkpoint.NAME)
                yield Measurement(
                    m.step, {**m.metrics, **_judged_int8(judged, work, bench, ctx.folder)}, m.seconds
                )
            else:
                yield m


def recipe_of(config: Config, ctx: Context, bench: Bench) -> tuple[Work, Recipe, dict[str, float]]:
    """The recipe of a trial, resolved and measured when it starts, taken from its folder when it goes on."""
    path = ctx.folder / RECIPE
    if ctx.start > 0 or path.exists():
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            recipe = Recipe.from_json(body["recipe"])
            return recipe.apply(bench.original, PASSES, bench.shop), recipe, dict(body["costs"])
        except (OSError, ValueError, KeyError) as error:
            if ctx.start > 0:
                raise TrialError(f"{path} cannot be read: {error!r}") from error
    known = looked_at(ctx.setup, config) / RECIPE
    if known.exists():  # a first look has resolved and measured it
        body = json.loads(known.read_text(encoding="utf-8"))
        path.write_text(json.dumps(body), encoding="utf-8")
        recipe = Recipe.from_json(body["recipe"])
        return recipe.apply(bench.original, PASSES, bench.shop), recipe, dict(body["costs"])
    work, recipe, costs = resolve(config, targets_of(config, ctx.setup), bench, ctx.folder)
    path.write_text(json.dumps({"recipe": recipe.to_json(), "costs": costs}), encoding="utf-8")
    return work, recipe, costs


def _judged_int8(net: nn.Module, work: Work, bench: Bench, folder: Path) -> dict[str, float]:
    """The error of the int8 graph on the validation part, and what int8 itself cost."""
    data, rows = bench.source.data, bench.source.valid
    calibrating = np.take(data.x_train, bench.source.train[:256], 0)
    graph = graph_of(net, data.spec, folder, work.quantise, calibrating)
    answered = probabilities(graph, np.take(data.x_train, rows, 0))
    y = np.take(data.y_train, rows)
    for name in ("sketch.onnx", "sketch8.onnx"):
        (folder / name).unlink(missing_ok=True)
    if not np.isfinite(answered).all():
        raise TrialError("the quantised network answers no numbers")
    right = np.clip(answered[np.arange(len(y)), y], 1e-12, None)
    return {"error": float((answered.argmax(1) != y).mean()), "loss": float(-np.log(right).mean())}


def with_weights(subject: Subject, path: Path) -> nn.Module:
    """The network of `subject` with the judged weights of a checkpoint, in eval mode on the CPU."""
    body = checkpoint.load(path)
    net = copy.deepcopy(subject.net).cpu()
    try:
        net.load_state_dict(body["judged"] if body["judged"] is not None else body["model"])
    except RuntimeError as error:
        raise RunError(f"{path} does not fit the compressed network") from error
    return net.eval()
