"""What benchmarks/light/compress.py compares: the originals, each method, and the same fine-tuning for all."""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from others import base, images
from torch import nn

from seedleaf.compression.analyse import ANALYSIS, TABLES, analyse
from seedleaf.compression.bench import Bench, open_bench
from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.candidates import firsts, reachable
from seedleaf.compression.deploy import probabilities, ratio, sketch
from seedleaf.compression.distil import trainer_with
from seedleaf.compression.finishing import paired
from seedleaf.compression.foreign import ForeignNet
from seedleaf.compression.original import save_foreign
from seedleaf.compression.quantise import write_int8
from seedleaf.compression.recipe import Work
from seedleaf.compression.resolving import resolve
from seedleaf.compression.scout import harm, judging
from seedleaf.compression.space import compress_space, training_of
from seedleaf.core import Context
from seedleaf.data.mapped import save_mapped
from seedleaf.data.spec import ImageData
from seedleaf.errors import SeedleafError
from seedleaf.learners.blocks import Net
from seedleaf.scores import accuracy_interval
from seedleaf.train import CHECKPOINT
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train

LR, BATCH = 0.05, 128  # of fine-tuning
LOOKS = (0, 24)  # steps of imitation, after which the divergence from the original is noted
LOOKED_AT = 5  # recipes
# Fine-tuning, the same for all methods: patient and on blended images, where the original still has something to say
# (Beyer et al. 2022). "labels too" is what it is compared with.
DISTIL, MIXUP = {"weight": 1.0, "temperature": 2.0}, 0.5
LABELS_TOO = {"weight": 0.7, "temperature": 2.0}
SHARES = {"train": 0.35, "tune": 0.2}  # of the epochs, that the larger set gets
AUGMENT = {
    "augment": "basic", "augment.strength": 1.0, "augment.shift": 0.125, "augment.erase": 0.0, "augment.mixup": 0.0,
    "augment.affine": "off", "augment.flip": True,
}  # fmt: skip
TRAINING = {
    **AUGMENT, "batch_size": BATCH, "optimizer": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9,
    "optimizer.nesterov": True, "optimizer.weight_decay": 5e-4, "schedule": "cosine", "schedule.warmup": 0.05,
    "loss": "cross_entropy", "loss.label_smoothing": 0.0, "ema": "on", "ema.epochs": 0.5,
}  # fmt: skip
Args = argparse.Namespace


@dataclass(frozen=True)
class Job:
    kind: str
    task: str
    method: str = ""
    asked: float = 0.0


# --- the originals ---


@lru_cache(maxsize=4)
def _data(task: str, folder: Path, n: int | None, tested: int | None) -> ImageData:
    return images(task, folder, n, tested)


def data_of(task: str, args: Args) -> ImageData:
    return _data(task, args.data, args.train, args.test)


def net_of(module: nn.Module, data: ImageData) -> Net:
    """The module behind raw pixels, scaled by the training part's statistics."""
    x = np.asarray(data.x_train[:10_000], np.float32)
    return Net(module, x.mean((0, 1, 2)).tolist(), x.std((0, 1, 2)).tolist())


def trained(task: str, data: ImageData, work: Path) -> nn.Module:
    net = base(task, data)
    net.load_state_dict(torch.load(work / f"{task}.pt", weights_only=True))
    return net.eval()


def fitted(
    net: nn.Module,
    feed: Feed,
    config: dict[str, Any],
    epochs: int,
    folder: Path,
    device: str,
    make: Any = None,
) -> tuple[nn.Module, list[float]]:
    """`net` trained for `epochs`; its judged weights on the CPU, in eval mode, and the loss of every epoch."""
    ctx = Context(0, 0, epochs, epochs, 0, folder, device, {})
    (folder / CHECKPOINT).unlink(missing_ok=True)
    last: dict[str, Any] = {}

    def keep(*given: Any) -> Any:
        last["trainer"] = (make or trainer_with(net, {}))(*given)
        return last["trainer"]

    losses = [m.metrics["train_loss"] for m in train(net.to(device), config, feed, None, ctx, {}, keep)]
    return copy.deepcopy(last["trainer"].judged).cpu().eval(), losses


def learn(job: Job, args: Args) -> dict[str, Any]:
    """Train the original of a task, unless that was done before."""
    path, data = args.work / f"{job.task}.pt", data_of(job.task, args)
    if path.exists():
        return {"kept": True}
    folder = args.work / f"base-{job.task}"
    folder.mkdir(parents=True, exist_ok=True)
    feed = Feed.on(args.device, data.x_train, data.y_train, np.arange(len(data.y_train)))
    config = dict(TRAINING)
    if job.task.startswith("fashion"):
        config["augment.shift"] = 0.07
    best, losses = fitted(
        net_of(base(job.task, data), data),
        feed,
        config,
        epochs_of(job.task, args.epochs, "train"),
        folder,
        args.device,
    )
    part = path.with_suffix(".part")
    torch.save(best.body.state_dict(), part)  # type: ignore[union-attr]
    part.rename(path)
    return {"losses": losses[:: max(len(losses) // 8, 1)]}


def epochs_of(task: str, epochs: int, what: str) -> int:
    """On the larger set an epoch is longer, and fewer do."""
    return max(round(SHARES[what] * epochs), 1) if task.startswith("fashion") else epochs


def measure_layers(job: Job, args: Args) -> dict[str, Any]:
    """The block tables of a task's network, which do not ask for its weights."""
    folder, data = args.work / f"methods-{job.task}", data_of(job.task, args)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "cache").exists():
        save_mapped(data, folder / "cache")
    if (folder / TABLES).exists():
        return {"kept": True}
    size = (2, data.spec.height, data.spec.width, data.spec.channels)
    shape = ForeignNet(net_of(base(job.task, data), data).eval(), torch.zeros(size, dtype=torch.uint8))
    layers = [x for x in shape.skeleton.layers if x.kind != "norm"]
    tables = {"table": BlockTable(), "table8": BlockTable(int8=True)}
    missing = [t.fill(layers, time.time() + 20.0) for t in tables.values()]
    (folder / TABLES).write_text(json.dumps({n: t.to_json() for n, t in tables.items()}), encoding="utf-8")
    return {"points": [len(t.times) for t in tables.values()], "missing": missing}


def analysed(job: Job, args: Args) -> dict[str, Any]:
    """What trials need to know of an original; kept in its folder."""
    folder, data = args.work / f"methods-{job.task}", data_of(job.task, args)
    if (folder / "setup.json").exists():
        return {"kept": True}
    net = net_of(trained(job.task, data, args.work), data).eval()
    setup = {
        **save_foreign(folder, net, data.spec),
        "data": str(folder / "cache"),
        "seed": 0,
        "training": TRAINING,
    }
    found = analyse(setup, 40.0, args.device)
    (folder / "setup.json").write_text(json.dumps(setup), encoding="utf-8")
    return {k: found[k] for k in ("costs", "int8", "floors", "floors8", "test_error", "refused", "seconds")}


def bench_of(task: str, args: Args) -> Bench:
    folder = args.work / f"methods-{task}"
    assert (folder / ANALYSIS).exists()
    return open_bench(json.loads((folder / "setup.json").read_text(encoding="utf-8")), args.device)


# --- the methods: bench, speed-up, folder -> a network, and how it is quantised ---

Method = Callable[[Bench, float, Path], tuple[Any, str]]


def recipe(passes: str, int8: bool = False, **chosen: Any) -> Method:
    """One recipe of seedleaf's, resolved and measured; nothing is searched."""

    def method(bench: Bench, speedup: float, folder: Path) -> tuple[Any, str]:
        targets = {"latency_ms": bench.found["latency_ms"] / speedup}
        mode = str(bench.found["mode8"])
        space = compress_space((passes,), bench.groups, "always" if int8 else "never", mode=mode)
        config = space.complete({"lr": LR, **{f"passes.{k}": v for k, v in chosen.items()}})
        return resolve(config, targets, bench, folder)[0], mode if int8 else "off"

    return method


def first_recipe(int8: str) -> Method:
    """What the search of seedleaf starts from: of the recipes that it looks at first, the one that harms least."""

    def method(bench: Bench, speedup: float, folder: Path) -> tuple[Any, str]:
        targets = {"latency_ms": bench.found["latency_ms"] / speedup}
        orders = reachable(bench.found, targets, int8)
        mode = str(bench.found["mode8"])
        space = compress_space(orders, bench.groups, int8, mode=mode)
        found, why = [], ""
        for chosen in firsts(orders, int8)[:LOOKED_AT]:
            try:
                work = resolve(space.complete({"lr": LR, **chosen}), targets, bench, folder)[0]
            except SeedleafError as error:
                why = why or str(error)
                continue
            seen = (work.subject.net, bench.original.net, bench.shop.batches, judging(bench))
            found.append((harm(*seen, bench.shop.device), str(chosen), work))
        if not found:
            raise SeedleafError(why)
        print("looked", speedup, int8, [(round(h, 3), c) for h, c, _ in found], flush=True)
        return min(found, key=lambda row: row[0])[2], "off" if int8 == "never" else mode

    return method


def by_torch_pruning(bench: Bench, speedup: float, folder: Path) -> tuple[Any, str]:
    """torch-pruning's magnitude pruner with one ratio for all layers: the smallest that is fast enough when measured."""
    sample, best = np.asarray(bench.source.data.x_train[:1]), None
    low, high = 0, 49  # fiftieths
    while low < high:
        middle = (low + high) // 2
        net = _uniform(bench, middle / 50)
        sketch(net, bench.source.data.spec, folder / "tp.onnx")
        if ratio(folder / "tp.onnx", Path(bench.found["graph"]), sample) >= speedup:
            best, high = net, middle
        else:
            low = middle + 1
    if best is None:
        raise SeedleafError("torch-pruning does not come so far")
    bench.shop.recalibrate(best)
    return best, "off"


def _uniform(bench: Bench, share: float) -> nn.Module:
    import torch_pruning as tp

    net = copy.deepcopy(bench.original.net)
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1:]
    example = torch.zeros_like(bench.original.example)  # type: ignore[attr-defined]
    pruner = tp.pruner.MagnitudePruner(
        net, example, importance=tp.importance.MagnitudeImportance(p=2), pruning_ratio=share, ignored_layers=last,
        pruning_ratio_dict={}, max_pruning_ratio=0.99,
    )  # fmt: skip
    pruner.step()
    return net


def untouched(bench: Bench, speedup: float, folder: Path) -> tuple[Any, str]:
    """The original itself: what the fine-tuning is worth without any compression."""
    return copy.deepcopy(bench.original.net), "off"


METHODS: dict[str, Method] = {
    "torch-pruning uniform": by_torch_pruning,
    "seedleaf's first recipe": first_recipe("never"),
    "Tucker alone": recipe("decompose", kind="tucker"),
    "seedleaf's first recipe, int8": first_recipe("always"),
    "seedleaf's first recipe, labels too": first_recipe("never"),
    "original, the same fine-tuning": untouched,
    "CP alone": recipe("decompose", kind="cp"),
    "the same from scratch": first_recipe("never"),
    "prune": recipe("prune"),
    "prune at once": recipe("prune", rounds=1),
    "decompose": recipe("decompose", kind="any"),
    "drop_prune": recipe("drop_prune"),
    "prune_decompose": recipe("prune_decompose"),
    "decompose_prune": recipe("decompose_prune"),
    "prune evenly": recipe("prune", criterion="magnitude", allocation="uniform"),
    "prune by magnitude": recipe("prune", criterion="magnitude"),
    "prune, caution 3": recipe("prune", **{"allocation.caution": 3.0}),
    "prune, caution 0": recipe("prune", **{"allocation.caution": 0.0}),
    "drop": recipe("drop"),
    "int8 prune": recipe("prune", int8=True),
    "int8 drop_prune": recipe("drop_prune", int8=True),
    "int8 decompose": recipe("decompose", int8=True, kind="any"),
    "int8 prune_decompose": recipe("prune_decompose", int8=True),
}


# --- the same fine-tuning for every method, and what came of it ---


def finished(job: Job, args: Args) -> dict[str, Any]:
    """One row: the network of a method at a speed-up, fine-tuned and judged; its graph is timed later, in quiet."""
    bench = bench_of(job.task, args)
    folder = args.work / f"trial-{job.task}-{job.asked:g}-{list(METHODS).index(job.method)}"
    folder.mkdir(parents=True, exist_ok=True)
    begun, data = time.time(), bench.source.data
    found, mode = METHODS[job.method](bench, job.asked, folder)
    resolved = time.time() - begun
    net = found.subject.net if isinstance(found, Work) else found
    seen = (net, bench.original.net, bench.shop.batches, judging(bench), bench.shop.device)
    looks = {str(steps): harm(*seen, steps) for steps in LOOKS}
    teacher: Any = DISTIL
    config: Any = {**training_of({"lr": LR}, TRAINING), "augment.mixup": MIXUP}
    if job.method == "the same from scratch":
        net, teacher, config = found.subject.fresh().net, {}, TRAINING
    epochs = epochs_of(job.task, args.tuning, "tune")
    if job.method.endswith("labels too"):
        teacher, config["augment.mixup"] = LABELS_TOO, 0.0
    make = trainer_with(bench.original.net, teacher)
    feed = Feed.on(args.device, data.x_train, data.y_train, np.arange(len(data.y_train)))
    net, losses = fitted(copy.deepcopy(net), feed, config, epochs, folder, args.device, make)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    spent = time.time() - begun - resolved
    told = {"resolved": resolved, "tuned": spent, "epochs": epochs, "losses": losses, "looks": looks}
    row = judged(net, bench, folder, mode, args.work)
    # Until it is timed in quiet:
    graph, sample = args.work / row["graph"], np.asarray(data.x_train[:1])
    return {**row, **told, "speedup": ratio(graph, Path(bench.found["graph"]), sample)}


def judged(net: nn.Module, bench: Bench, folder: Path, mode: str, work: Path) -> dict[str, Any]:
    """The accuracy of the graph beside the original's."""
    data, graph = bench.source.data, folder / "judged.onnx"
    sketch(net, data.spec, graph)
    if mode != "off":
        write_int8(graph, folder / "judged8.onnx", mode, np.take(data.x_train, bench.source.train[:256], 0))
        graph = folder / "judged8.onnx"
    y, original = np.asarray(data.y_test), Path(bench.found["graph"])
    was_file = original.with_suffix(".right.npy")
    if not was_file.exists():
        np.save(was_file, probabilities(original, data.x_test).argmax(1) == y)
    right, was = probabilities(graph, data.x_test).argmax(1) == y, np.load(was_file)
    return {
        "test": accuracy_interval(right), "was": accuracy_interval(was), "drop": paired(was, right),
        "params": sum(p.numel() for p in net.parameters()), "graph": str(graph.relative_to(work)),
        "original": str(original.relative_to(work.resolve())), "shape": [1, *data.x_test.shape[1:]],
    }  # fmt: skip
