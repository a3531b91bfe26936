"""How deep the first network of a run should be: one training of each depth, as wide as the limit allows.

    python benchmarks/light/firsts.py --data cifar --limit 50k --blocks 1 2 3 --seconds 300
    python benchmarks/light/firsts.py --data cifar --limit 100k --blocks 2 3 --fine --seconds 480

One core and the default recipe for so many seconds, on three quarters of a part of the training images; the error is that on
the last quarter. One JSON line each. The epochs are told from two that are trained first, so other work beside that start
counts against a network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from light.search import SETS, rows_of
from seedleaf.amounts import parse_count, parse_seconds
from seedleaf.core import Config, Context, Limit, Measurement
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.ladder import sized, widest
from seedleaf.learners.netspace import closest
from seedleaf.learners.trial import prepare_process

IMAGES = {"cifar": 12_000, "fashion": 16_000}


def network(spec: ImageSpec, limit: float, blocks: int, fine: bool) -> Config:
    """The widest of that depth within the limit on parameters."""
    learner, limits = ConvNet(), [Limit("params", limit)]
    space = learner.space(spec, limits)

    def made(scale: float) -> Config:
        changes = sized(spec, scale, blocks, fine)
        return space.walk(lambda node: closest(node.param, changes.get(node.key)))

    found = widest(made, lambda config: learner.keeps(spec, config, limits))
    if found is None:
        raise SystemExit(f"no network of {blocks} blocks a stage has at most {limit:,.0f} parameters")
    return found


def trained(config: Config, setup: dict[str, Any], folder: Path, epochs: int, seed: int) -> list[Measurement]:
    folder.mkdir()
    return list(ConvNet().fit(config, Context(0, 0, epochs, epochs, seed, folder, "cpu", setup)))


def measured(
    spec: ImageSpec, config: Config, setup: dict[str, Any], seconds: float, seed: int
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        first = trained(config, setup, Path(name) / "pace", 2, seed)[-1]
        epochs = max(int(seconds / first.metrics["train_seconds"]), 2)
        last = trained(config, setup, Path(name) / "run", epochs, seed)[-1]
    costs = ConvNet().costs(spec, config)
    widths = [config[f"stage{i}.width"] for i in (1, 2, 3) if config[f"stage{i}"] != "none"]
    return {
        "widths": widths,
        "params": costs["params"],
        "macs": costs["macs"],
        "epochs": epochs,
        "error": last.metrics["error"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=SETS, default="cifar")
    parser.add_argument("--limit", type=parse_count, default=50_000)
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--fine", action="store_true", help="keep the images' resolution in the first stage")
    parser.add_argument("--seconds", type=parse_seconds, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=None)
    given = parser.parse_args()
    prepare_process()
    with tempfile.TemporaryDirectory() as name:
        file, cache = (
            Path(name) / f"{given.data}.npz",
            Path(name) / "cache",
        )  # the name says what may be mirrored
        np.savez(file, **rows_of(given.data, given.images or IMAGES[given.data], 100))
        data = load_images(file, seed=0)
        save_mapped(data, cache)
        setup = {"data": str(cache), "seed": 0, "valid_fraction": 0.25, "part": "train", "fidelity": "epochs"}
        for blocks in given.blocks:
            config = network(data.spec, given.limit, blocks, given.fine)
            row = measured(data.spec, config, setup, given.seconds, given.seed)
            print(json.dumps({"data": given.data, "blocks": blocks, "fine": given.fine, **row}), flush=True)


if __name__ == "__main__":
    main()
