"""Searching for a light network beside known ones of the same size and beside other searches, by the same pipeline.

    python benchmarks/light/search.py --data fashion --sizes 20k 100k --time 90s --seeds 1 --out rows.jsonl
    python benchmarks/light/search.py --table rows.jsonl

Every method gets the same wall time for everything (search, final training, export) on the same rows. The known networks are
scaled by width to the largest that keeps the limit; how they are trained is searched (TPE and ASHA from the same default,
which is more than the best of some random configs). They are made of our own blocks: named after what they follow,
without claiming to be the published ones to the last detail.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import seedleaf.modality.images
from seedleaf.core import Config, Context, Limit, Measurement
from seedleaf.data.spec import ImageSpec
from seedleaf.folder import new_folder
from seedleaf.job import Job
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.netspace import STAGES, may_mirror, surely_mirrors, usual_shift
from seedleaf.learners.pace import Pace
from seedleaf.run import begin
from seedleaf.seeds import rng_for
from seedleaf.space import Choice, Const, Space
from seedleaf.timing import parse_count, parse_seconds
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "images"
SETS = {"fashion": "fashion_mnist.npz", "cifar": "cifar10_12k_3k.npz"}
SCALES = tuple(4.0 * 0.93**k for k in range(60))  # of all widths, largest first

Stage = tuple[str, int, int, Mapping[str, Any]]  # block, width, repeats, options


@dataclass(frozen=True)
class Known:
    """A network by its stem, stages and activation, in the widths that its authors gave it (or their proportions)."""

    stem: int
    stages: tuple[Stage, ...]
    activation: str = "relu"


def _stages(block: str, widths: Sequence[int], repeats: Sequence[int], **options: Any) -> tuple[Stage, ...]:
    return tuple((block, w, r, options) for w, r in zip(widths, repeats, strict=True))


KNOWN: Mapping[str, Known] = {
    "resnet": Known(16, _stages("conv", (16, 32, 64), (3, 3, 3), kernel=3)),
    "mobilenetv2": Known(
        16, _stages("inverted", (16, 24, 32, 64), (1, 2, 3, 3), kernel=3, expansion=6, se=0.0)
    ),
    "mobilenetv3": Known(
        16, _stages("inverted", (16, 24, 40, 56), (1, 2, 3, 2), kernel=5, expansion=4, se=0.25), "hard_swish"
    ),
    "shufflenetv2": Known(24, _stages("shuffle", (48, 96, 192), (3, 3, 3), kernel=3)),
}
SEARCHES = {
    "seedleaf": {},
    "random": {"sampler": "random", "scheduler": "full"},
    "random asha": {"sampler": "random"},
}


@dataclass(frozen=True)
class Fixed:
    """A known network as a learner: what varies is how it is trained."""

    known: Known
    base: ConvNet = field(default_factory=ConvNet)
    pace: Pace | None = None

    @property
    def name(self) -> str:
        return self.base.name

    def paced(self, pace: Pace) -> Fixed:
        return self

    def architecture(self, scale: float, spec: ImageSpec) -> dict[str, Any]:
        def wide(width: int, unit: int) -> int:
            return max(round(width * scale / unit), 1) * unit

        found: dict[str, Any] = {
            "resolution": Const(1.0),
            "stem_kernel": Const(3),
            "stem_width": Const(wide(self.known.stem, 4)),
            "stem_stride": Const(1 if min(spec.height, spec.width) < 16 else 2 if spec.channels == 1 else 1),
            "activation": Const(self.known.activation),
        }
        for name in STAGES:
            found[name] = Choice(none={})
        for name, (block, width, repeats, options) in zip(STAGES, self.known.stages, strict=False):
            values = {"width": wide(width, 8 if block == "shuffle" else 4), "repeats": repeats, **options}
            nested = {k: Const(v) for k, v in values.items()}
            found[name] = Choice(**{block: {**nested, "form": Choice(plain={})}})
        return found

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        training = training_space(
            spec.n_train, mirror=may_mirror(spec), mirrored=surely_mirrors(spec), shift=usual_shift(spec)
        )
        for scale in SCALES:
            space = Space({**self.architecture(scale, spec), **training})
            if self.base.keeps(spec, space.default(), limits):
                return space
        raise SystemExit("the smallest of this network is too large for the limit")

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = (), room: float = 1.0) -> Config:
        return self.space(spec, limits).default()

    def smallest(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        return self.default(spec, limits)

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, float]:
        return self.base.costs(spec, config)

    def build(
        self,
        spec: ImageSpec,
        config: Config,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> nn.Module:
        return self.base.build(spec, config, mean, std)

    def fit(self, config: Config, ctx: Context) -> Iterator[Measurement]:
        return self.base.fit(config, ctx)


def rows_of(data: str, n_train: int, n_test: int) -> Any:
    """The first rows of a stratified draw, as load_images takes them."""
    file = np.load(SHARED / SETS[data])
    rng = rng_for(0, "rows")
    train = rng.permutation(len(file["y_train"]))[:n_train]
    test = rng.permutation(len(file["y_test"]))[:n_test]
    return {
        "x_train": file["x_train"][train],
        "y_train": file["y_train"][train],
        "x_test": file["x_test"][test],
        "y_test": file["y_test"][test],
    }


def one(method: str, source: Path, size: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One run; its row."""
    plain = seedleaf.modality.images.learner_named
    if method in KNOWN:
        seedleaf.modality.images.learner_named = lambda name: Fixed(KNOWN[method])
    try:
        with tempfile.TemporaryDirectory() as scratch:
            job = Job(
                data=str(source),
                time_limit=parse_seconds(given.time),
                limits={"params": float(parse_count(size))},
                workers=given.workers,
                seed=seed,
                **SEARCHES.get(method, {}),
            )
            result = begin(new_folder(given.data, Path(scratch) / "run"), job, str(source))
            return {
                "data": given.data,
                "time": given.time,
                "rows": given.rows,
                "workers": given.workers,
                "size": size,
                "method": method,
                "seed": seed,
                "accuracy": result.best.metrics["test_accuracy"],
                "params": result.best.metrics["params"],
                "macs": result.best.metrics["macs"],
                "latency_ms": result.best.metrics["latency_ms"]["median"],
                "steps": result.best.metrics["refit_steps"],
                "trials": len(result.history.trials),
                "front": [[r["params"], r["macs"], r["test_accuracy"]] for r in result.front_rows],
            }
    finally:
        seedleaf.modality.images.learner_named = plain


def show(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each data set and budget: the median over seeds, the extremes, what was delivered."""
    kinds = sorted({(r["data"], r["time"], r["rows"], r["workers"]) for r in rows})
    for kind in kinds:
        data, time, n, workers = kind
        yield f"\n{data}, {n:,} training images, {time} of wall time a run, {workers} worker(s)\n"
        yield "| at most | method | seeds | test accuracy | params | MACs | ms an image | trials |"
        yield "|---|---|---|---|---|---|---|---|"
        mine = [r for r in rows if (r["data"], r["time"], r["rows"], r["workers"]) == kind]
        for size in sorted({r["size"] for r in mine}, key=parse_count):
            for method in (*SEARCHES, *KNOWN):
                found = [r for r in mine if (r["size"], r["method"]) == (size, method)]
                if not found:
                    continue
                accuracy = sorted(r["accuracy"] for r in found)
                middle = {
                    k: float(np.median([r[k] for r in found]))
                    for k in ("params", "macs", "latency_ms", "trials")
                }
                spread = f" ({accuracy[0]:.4f} to {accuracy[-1]:.4f})" if len(found) > 1 else ""
                yield (
                    f"| {size} | {method} | {len(found)} | {np.median(accuracy):.4f}{spread} | {middle['params']:,.0f} | "
                    f"{middle['macs']:,.0f} | {middle['latency_ms']:.3f} | {middle['trials']:.0f} |"
                )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=sorted(SETS), default="fashion")
    parser.add_argument("--sizes", nargs="+", default=["20k", "50k", "100k", "200k"])
    parser.add_argument("--methods", nargs="+", default=[*SEARCHES, *KNOWN], choices=[*SEARCHES, *KNOWN])
    parser.add_argument("--time", default="10m")
    parser.add_argument(
        "--rows", type=int, default=60_000, help="training images, of which a part is for validation"
    )
    parser.add_argument("--test-rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, help="print the tables of an earlier --out, run nothing")
    given = parser.parse_args()
    if given.table:
        print("\n".join(show([json.loads(line) for line in given.table.read_text().splitlines()])))
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / f"{given.data}.npz"
        np.savez(source, **rows_of(given.data, given.rows, given.test_rows))
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            for size in given.sizes:
                for method in given.methods:
                    rows.append(one(method, source, size, seed, given))
                    print(json.dumps(rows[-1]), flush=True, file=sys.stderr)
                    if given.out:
                        with given.out.open("a") as file:
                            file.write(json.dumps(rows[-1]) + "\n")
    print("\n".join(show(rows)))


if __name__ == "__main__":
    main()
