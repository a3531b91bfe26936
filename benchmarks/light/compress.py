"""Compression measured: networks of others made 1.5 to 4 times faster, by seedleaf and by what one would do by hand.

    python benchmarks/light/compress.py train --data ../shared/data/images --work /tmp/light     # once, the originals
    python benchmarks/light/compress.py methods --data … --work … [--task cifar-resnet]         # same fine-tuning for all
    python benchmarks/light/compress.py search --data … --work … --speedup 2.5 --int8 never      # the whole command
    python benchmarks/light/compress.py table --work …                                           # markdown

`methods` gives every method the same network, the same measured speed-up (ONNX Runtime, one thread, in turns with the
original), and the same EPOCHS of fine-tuning with the original as teacher; only what is removed differs. Training may share
the machine; times are ratios measured in turns. One seed; the test part gives the interval.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import seedleaf
from seedleaf.compress_plan import reachable
from seedleaf.compression.analyse import analyse
from seedleaf.compression.deploy import probabilities, ratio, sketch
from seedleaf.compression.distil import trainer_with
from seedleaf.compression.finishing import paired
from seedleaf.compression.quantise import write_int8
from seedleaf.compression.recipe import Work
from seedleaf.compression.space import compress_space, training_of
from seedleaf.compression.trial import Bench, open_bench, resolve
from seedleaf.core import Context
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.data.spec import ImageData
from seedleaf.errors import SeedleafError
from seedleaf.export import accuracy_interval
from seedleaf.learners.blocks import Net
from seedleaf.model_source import take_module
from seedleaf.train import CHECKPOINT
from seedleaf.train.feed import Feed
from seedleaf.train.loop import train

SPEEDUPS = (1.5, 2.0, 3.0, 4.0)
IMAGES = 3_000  # of the training part: the machine that measured this is small
TESTED = 4_000
EPOCHS, LR = 2, 0.03  # of fine-tuning, the same for all
BASE_EPOCHS = 8
DISTIL = {"weight": 0.7, "temperature": 2.0}


# --- the networks: as others would write them ---


def conv(cin: int, cout: int, stride: int = 1, act: bool = True, k: int = 3) -> nn.Sequential:
    parts = [nn.Conv2d(cin, cout, k, stride, k // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*parts, *([nn.ReLU()] if act else []))


class Block(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.one, self.two = conv(cin, cout, stride), conv(cout, cout, act=False)
        plain = stride == 1 and cin == cout
        self.short = nn.Identity() if plain else conv(cin, cout, stride, act=False, k=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.two(self.one(x)) + self.short(x))


class ResNet(nn.Module):
    """ResNet-20 (16, 32 and 64 channels, three blocks each) with a stem that halves the picture."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = conv(channels, 16, 2)
        widths = [(16, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1)]
        widths += [(32, 64, 2), (64, 64, 1), (64, 64, 1)]
        self.blocks = nn.Sequential(*(Block(*w) for w in widths))
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class VGG(nn.Module):
    """Six convolutions of 24 to 96 channels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv(channels, 24), nn.MaxPool2d(2), conv(24, 48), conv(48, 48), nn.MaxPool2d(2), conv(48, 96), conv(96, 96),
            nn.MaxPool2d(2), conv(96, 96),
        )  # fmt: skip
        self.head = nn.Linear(96, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


SETS = {"fashion": "fashion_mnist.npz", "cifar": "cifar10_12k_3k.npz"}
NETS = {"resnet": ResNet, "vgg": VGG}
TASKS = [f"{d}-{n}" for d in SETS for n in NETS]


def images(task: str, folder: Path) -> ImageData:
    """IMAGES training and at most TESTED test images of the set of a task."""
    data = load_images(folder / SETS[task.split("-")[0]])
    some = np.sort(np.random.default_rng(0).permutation(len(data.y_train))[:IMAGES])
    return load_images((data.x_train[some], data.y_train[some], data.x_test[:TESTED], data.y_test[:TESTED]))


def base(task: str, data: ImageData) -> nn.Module:
    torch.manual_seed(0)
    return NETS[task.split("-")[1]](data.spec.channels, data.spec.n_classes)


def fitted(
    net: nn.Module, feed: Feed, config: dict[str, Any], epochs: int, folder: Path, make: Any = None
) -> nn.Module:
    """`net` trained in place for `epochs`; its judged weights, in eval mode."""
    ctx = Context(0, 0, epochs, epochs, 0, folder, "cpu", {})
    (folder / CHECKPOINT).unlink(missing_ok=True)
    last = {"net": net}

    def keep(*given: Any) -> Any:
        last["trainer"] = (make or trainer_with(net, {}))(*given)
        return last["trainer"]

    for m in train(net, config, feed, None, ctx, {}, keep):
        print(
            f"    epoch {m.step}: loss {m.metrics['train_loss']:.3f}, {m.metrics['train_seconds']:.0f} s",
            flush=True,
        )
    return copy.deepcopy(last["trainer"].judged).eval()  # type: ignore[attr-defined]


def cmd_train(args: argparse.Namespace) -> None:
    for task in args.task or TASKS:
        path = args.work / f"{task}.pt"
        if path.exists():
            continue
        data = images(task, args.data)
        folder = args.work / f"base-{task}"
        taken = take_module(base(task, data))
        folder.mkdir(parents=True, exist_ok=True)
        save_mapped(data, folder / "cache")
        setup = taken.place(folder, data, (None, None))
        net = Net(base(task, data), [0.0] * data.spec.channels, [255.0] * data.spec.channels)
        print(task, flush=True)
        rows = np.arange(len(data.y_train))
        best = fitted(
            net, Feed(data.x_train, data.y_train, rows), dict(setup["training"]), BASE_EPOCHS, folder
        )
        torch.save(best.body.state_dict(), path)  # type: ignore[union-attr]


def trained(task: str, data: ImageData, work: Path) -> nn.Module:
    net = base(task, data)
    net.load_state_dict(torch.load(work / f"{task}.pt", weights_only=True))
    return net.eval()


# --- the same fine-tuning for every method ---


def bench_of(task: str, args: argparse.Namespace) -> tuple[Bench, dict[str, Any], Path]:
    data = images(task, args.data)
    folder = args.work / f"methods-{task}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "cache").exists():
        save_mapped(data, folder / "cache")
    setup = take_module(trained(task, data, args.work)).place(folder, data, (None, None))
    setup |= {"data": str(folder / "cache"), "seed": 0}
    if not (folder / "analysis.json").exists():
        analyse(setup, 40.0)
    return open_bench(setup), setup, folder


def ours(bench: Bench, speedup: float, folder: Path, int8: str = "never", **chosen: Any) -> Work:
    """What the search of seedleaf starts from, resolved and measured; nothing is searched. `chosen` takes other passes."""
    targets = {"latency_ms": bench.found["latency_ms"] / speedup}
    orders = reachable(bench.found, targets, int8)
    space = compress_space(tuple(dict.fromkeys((*orders, "decompose"))), bench.groups, int8)
    return resolve(space.complete({"lr": LR, **chosen}), targets, bench, folder)[0]


def tucker_alone(bench: Bench, speedup: float, folder: Path) -> Work:
    targets = {"latency_ms": bench.found["latency_ms"] / speedup}
    space = compress_space(("decompose",), bench.groups, "never")
    return resolve(space.complete({"lr": LR, "passes.kind": "tucker"}), targets, bench, folder)[0]


def by_torch_pruning(bench: Bench, speedup: float, folder: Path) -> nn.Module:
    """torch-pruning's magnitude pruner with one ratio for all layers: the smallest that is fast enough when measured."""
    import torch_pruning as tp

    original = bench.original
    example = torch.zeros_like(original.example)  # type: ignore[attr-defined]
    sample = np.asarray(bench.source.data.x_train[:1])
    for share in np.arange(0.05, 0.97, 0.05):
        net = copy.deepcopy(original.net)
        last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1:]
        pruner = tp.pruner.MagnitudePruner(
            net, example, importance=tp.importance.MagnitudeImportance(p=2), pruning_ratio=float(share), ignored_layers=last,
            pruning_ratio_dict={}, max_pruning_ratio=0.98,
        )  # fmt: skip
        pruner.step()
        sketch(net, bench.source.data.spec, folder / "tp.onnx")
        if ratio(folder / "tp.onnx", Path(bench.found["graph"]), sample) >= speedup:
            bench.shop.recalibrate(net)
            return net
    raise SeedleafError("torch-pruning does not come so far")


def measure(net: nn.Module, bench: Bench, folder: Path, mode: str) -> dict[str, Any]:
    """Speed-up and accuracy of the graph, beside the original."""
    data, graph = bench.source.data, folder / "judged.onnx"
    sketch(net, data.spec, graph)
    if mode != "off":
        write_int8(graph, folder / "judged8.onnx", mode, np.take(data.x_train, bench.source.train[:256], 0))
        graph = folder / "judged8.onnx"
    y = np.asarray(data.y_test)
    right = probabilities(graph, data.x_test).argmax(1) == y
    was = probabilities(Path(bench.found["graph"]), data.x_test).argmax(1) == y
    faster = ratio(graph, Path(bench.found["graph"]), np.asarray(data.x_test[:1]))
    return {
        "speedup": faster, "test": accuracy_interval(right), "was": accuracy_interval(was), "drop": paired(was, right),
        "params": sum(p.numel() for p in net.parameters()),
    }  # fmt: skip


SCRATCH = "the same from scratch"  # the control; at one speed-up
METHODS: dict[str, Any] = {
    "seedleaf's first recipe": ours,
    "torch-pruning uniform": by_torch_pruning,
    "Tucker alone": tucker_alone,
    "seedleaf's first recipe, int8": lambda b, s, f: ours(b, s, f, int8="always"),
    SCRATCH: ours,
}


def cmd_methods(args: argparse.Namespace) -> None:
    """What is missing in the results, one row after the other, for at most `--seconds`."""
    end = time.time() + args.seconds
    for task in args.task or TASKS:
        bench, setup, folder = bench_of(task, args)
        data = bench.source.data
        rows = np.arange(len(data.y_train))
        config = training_of({"lr": LR}, setup["training"])
        for speedup in SPEEDUPS:
            for name, method in METHODS.items():
                if done(args.work, task, name, speedup) or (name == SCRATCH and speedup != 2.0):
                    continue
                if time.time() > end:
                    return
                row: dict[str, Any] = {"task": task, "method": name, "asked": speedup}
                try:
                    found = method(bench, speedup, folder)
                    net = found.subject.net if isinstance(found, Work) else found
                    mode = found.quantise["mode"] if isinstance(found, Work) and found.quantise else "off"
                    teacher: Any = DISTIL
                    if name == SCRATCH:
                        net, teacher = found.subject.fresh().net, {}
                    make = trainer_with(bench.original.net, teacher)
                    training = dict(setup["training"]) if name == SCRATCH else config
                    begun = time.time()
                    net = fitted(net, Feed(data.x_train, data.y_train, rows), training, EPOCHS, folder, make)
                    row |= measure(net, bench, folder, mode) | {"seconds": time.time() - begun}
                except SeedleafError as error:
                    row["error"] = str(error)
                write_row(args.work, row)


def cmd_search(args: argparse.Namespace) -> None:
    """The whole command on a trained network, with its search."""
    for task in args.task or TASKS:
        name = f"seedleaf.compress, int8 {args.int8}"
        if done(args.work, task, name, args.speedup):
            continue
        data = images(task, args.data)
        out = args.work / f"run-{task}-{args.speedup}-{args.int8}"
        row: dict[str, Any] = {"task": task, "method": name, "asked": args.speedup}
        try:
            result = seedleaf.compress(
                trained(task, data, args.work),
                data,
                speedup=args.speedup,
                int8=args.int8,
                time_limit=args.time,
                out=out,
            )
            m = result.best.metrics
            row |= {k: m[k] for k in ("speedup", "test", "drop", "params", "control")} | {
                "was": m["original"]["test"]
            }
        except SeedleafError as error:
            row["error"] = str(error)
        write_row(args.work, row)


def write_row(work: Path, row: dict[str, Any]) -> None:
    with (work / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row)[:300], flush=True)


def rows_of(work: Path) -> list[dict[str, Any]]:
    path = work / "results.jsonl"
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def done(work: Path, task: str, method: str, asked: float) -> bool:
    return any((r["task"], r["method"], r["asked"]) == (task, method, asked) for r in rows_of(work))


def cmd_table(args: argparse.Namespace) -> None:
    print("| task | asked | method | measured speed-up | parameters | test accuracy | change in points |")
    print("|---|---|---|---|---|---|---|")
    rows = {(r["task"], r["asked"], r["method"]): r for r in rows_of(args.work)}
    for r in sorted(rows.values(), key=lambda r: (r["task"], r["asked"])):
        if "error" in r:
            print(f"| {r['task']} | {r['asked']:g} | {r['method']} | {r['error'][:90]} | | | |")
            continue
        t, d = r["test"], r["drop"]
        span = f"{100 * t['accuracy']:.2f} ({100 * t['low']:.1f} to {100 * t['high']:.1f})"
        change = f"{-100 * d['mean']:+.2f} ± {100 * d['se']:.2f}"
        asked = f"{r['asked']:g} | {r['method']} | {r['speedup']:.2f} | {r['params']:,}"
        print(f"| {r['task']} | {asked} | {span} | {change} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "methods", "search", "table"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/images"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", action="append", choices=TASKS)
    parser.add_argument("--speedup", type=float, default=2.5)
    parser.add_argument("--int8", default="never")
    parser.add_argument("--time", default="5m")
    parser.add_argument("--seconds", type=float, default=1e9)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    {"train": cmd_train, "methods": cmd_methods, "search": cmd_search, "table": cmd_table}[args.what](args)


if __name__ == "__main__":
    main()
