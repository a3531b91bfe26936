"""What a worker runs: a config becomes a recipe, the recipe a smaller network, and that is fine-tuned step by step.

`setup` is plain JSON: {"data": folder of mapped images, "original": folder with the model (and "module", "example" for
somebody's), "targets": {metric: at most}, "training": the base config of training, "seed"}.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.deploy import delivered_bytes, graph_of, probabilities, ratio
from seedleaf.compression.distil import trainer_with
from seedleaf.compression.original import open_original
from seedleaf.compression.pricing import broken
from seedleaf.compression.recipe import Recipe, Step, Work, applied, fingerprint
from seedleaf.compression.registry import PASSES
from seedleaf.compression.scout import looked_at
from seedleaf.compression.shop import Shop, calibration, towards
from seedleaf.compression.space import steps_of, training_of
from seedleaf.compression.subject import Subject
from seedleaf.core import Config, Context, Measurement
from seedleaf.errors import LimitError, RunError, TrialError
from seedleaf.learners.images import Source, open_source
from seedleaf.learners.trial import memory_errors, prepare_process, usable
from seedleaf.train import checkpoint
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train

RECIPE, ANALYSIS = "recipe.json", "analysis.json"
ROUNDS = 6  # in which a recipe is tightened or eased until the graph, measured, keeps the targets closely
CLOSE = 1.06  # times better than its targets that a recipe may stay
MARGIN = 0.96  # of a target on time that a recipe aims at: the final measurement is another one
APART = 1e-3  # the most that two exporters' graphs of one float network may differ in a probability
MEASURED = ("latency_ms", "bytes")


@dataclass(frozen=True, eq=False)
class Bench:
    """All that trials of one process share: images, the original, and what was found out about it."""

    source: Source
    original: Subject
    shop: Shop
    shop8: Shop  # the same for graphs in int8, whose layers take other times
    found: Mapping[str, Any]  # analysis.json
    groups: tuple[str, ...]
    start: str  # the original's fingerprint


def open_bench(setup: Mapping[str, Any], device: str = "cpu") -> Bench:
    """The bench of this process; what passes measure of a network (statistics, gradients, losses) runs on `device`."""
    return _bench(json.dumps(dict(setup), sort_keys=True), device)


@lru_cache(maxsize=2)
def _bench(text: str, device: str) -> Bench:
    setup = json.loads(text)
    source, original = open_source(setup), open_original(setup)
    found = json.loads((Path(setup["original"]) / ANALYSIS).read_text(encoding="utf-8"))
    seed = int(setup.get("seed", 0))
    batches = calibration(source.data, source.train, seed)
    shop = Shop(batches, BlockTable.from_json(found["table"]), found["scale"], seed, device)
    table8 = BlockTable.from_json(found["table8"], int8=found["mode8"] == "static")
    shop8 = replace(shop, table=table8, scale=found["scale8"])
    groups = tuple(g.id for g in original.skeleton.free)
    return Bench(source, original, shop, shop8, found, groups, fingerprint(original.net))


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


def device_of(device: str, setup: Mapping[str, Any]) -> str:
    """Where networks are fine-tuned: `device`, or the CPU where this torch or this model cannot use it."""
    return usable(device) if setup.get("on") != "cpu" else "cpu"


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


def targets_of(config: Config, setup: Mapping[str, Any]) -> dict[str, float]:
    """The bounds, that of a trade-off as far below as `config` says."""
    further, metric = float(config.get("further") or 1.0), setup.get("tradeoff")
    return {m: v / further if m == metric else v for m, v in setup["targets"].items()}


def resolve(
    config: Config, targets: Mapping[str, float], bench: Bench, folder: Path, until: float = math.inf
) -> tuple[Work, Recipe, dict[str, float]]:
    """Resolve the passes of `config` so that the graph, as measured, keeps `targets`, and no more than is needed goes.

    What is predicted of time is off by some per cent, more in int8; so a recipe is tightened or eased by what was measured.
    After `until` (seconds since the epoch) the first that keeps them is taken. TrialError where none of ROUNDS does.
    """
    aimed = {m: v * (MARGIN if m in MEASURED else 1.0) for m, v in targets.items()}
    best: tuple[float, Work, Recipe, dict[str, float]] | None = None
    why, seen = "", set()
    for _ in range(ROUNDS):
        try:
            work, recipe = _fold(config, aimed, bench)
        except LimitError as error:
            why = why or str(error)
            break
        if recipe.dumps() in seen:  # so small a step changes nothing
            if best is not None:
                break
            aimed = {m: v * (0.95 if m in MEASURED else 1.0) for m, v in aimed.items()}
            continue
        seen.add(recipe.dumps())
        costs = measured(work, bench, folder)
        over = broken(costs, targets)
        if over:
            why = "the recipe does not keep the targets when measured: "
            why += ", ".join(f"{m} {costs[m]:.4g} > {targets[m]:.4g}" for m in over)
            aimed = {m: v / over.get(m, 1.0) * (0.98 if m in over else 1.0) for m, v in aimed.items()}
            continue
        slack = min(targets[m] / max(costs[m], 1e-30) for m in targets)
        if best is None or slack < best[0]:
            best = slack, work, recipe, costs
        eased = {
            m: v * (0.98 * targets[m] / max(costs[m], 1e-30) if m in MEASURED else 1.0)
            for m, v in aimed.items()
        }
        if slack < CLOSE or eased == aimed or time.time() > until:  # what is counted needs no second round
            break
        aimed = eased
    if best is None:
        raise TrialError(why)
    return best[1:]


def _fold(config: Config, targets: Mapping[str, float], bench: Bench) -> tuple[Work, Recipe]:
    work, recipe = Work(bench.original), Recipe(bench.start)
    shop = bench.shop if config["quantise"] == "off" else bench.shop8
    for kind, options, share in steps_of(config, bench.groups):
        wanted = targets
        if (
            share < 1.0
        ):  # to price a network its structure has to be found out, which takes a while with somebody's
            wanted = towards(shop.pricer(work.subject).price(), targets, share)
        body = PASSES[kind].resolve(work, shop, options, wanted)
        step = Step(kind, json.loads(json.dumps(body)))
        work, recipe = applied(work, step, PASSES, shop), recipe.then(step)
    return work, recipe


def measured(work: Work, bench: Bench, folder: Path) -> dict[str, float]:
    """What a network costs: params and macs counted, bytes (as delivered) and time by its graph beside the original's."""
    spec = bench.source.data.spec
    sample = np.asarray(bench.source.data.x_train[: 2 * len(spec.class_names)])
    graph = graph_of(work.subject.net, spec, folder, work.quantise, sample)
    if not work.quantise:
        _same(graph, work.subject.net, sample)
    faster = ratio(graph, Path(bench.found["graph"]), sample)
    params, macs = counted(work.subject.net, sample)
    size = delivered_bytes(graph, bench.found["wrapping8" if work.quantise else "wrapping"])
    for name in ("sketch.onnx", "sketch8.onnx"):
        (folder / name).unlink(missing_ok=True)
    return {
        "params": float(params),
        "macs": float(macs),
        "bytes": size,
        "latency_ms": bench.found["latency_ms"] / faster,
        "speedup": faster,
    }


def _same(graph: Path, net: nn.Module, images: npt.NDArray[np.uint8]) -> None:
    """TrialError where a float graph does not answer as its network: what is measured must be what is trained."""
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(np.array(images))).softmax(1).numpy()
    apart = float(np.abs(probabilities(graph, images) - expected).max())
    if not apart <= APART:
        raise TrialError(f"the graph differs from the network by {apart:.2g}")


def counted(net: nn.Module, images: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Trainable numbers, and multiply-adds for one image, of a network as it stands (torch's flop counter)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.from_numpy(np.array(images[:1])))
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2


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
