"""Searching for a light network beside known ones of the same size and beside other searches, by the same pipeline.

    python benchmarks/light/search.py --data fashion --sizes 20k 100k --time 90s --seeds 1 --out rows.jsonl
    python benchmarks/light/search.py --table rows.jsonl

Every method gets the same wall time for everything (search, final training, export) on the same rows. The known networks are
scaled by width to the largest that keeps the limit; how they are trained is searched (TPE and ASHA from the same default,
which is more than the best of some random configs). They are made of our own blocks: named after what they follow,
without claiming to be the published ones to the last detail. "optuna" is Optuna 5's TPE and Hyperband over the same space,
on one worker, in all else as the others: the first network, limits, trainer, and the last training of the best. "optuna
alone" begins with its own first draw instead, as a script would that has nothing but the space; that draw is trained to the
end, and seconds and multiply-adds of its run are planned by our first network like those of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import seedleaf.modality.images
from light.known import KNOWN, Fixed
from light.optuna_hyperband import OptunaHyperband, first_draw
from seedleaf.amounts import parse_count, parse_seconds
from seedleaf.folder import new_folder
from seedleaf.job import Job
from seedleaf.run import begin
from seedleaf.seeds import rng_for
from seedleaf.study import Study
from seedleaf.tuner.registry import SCHEDULERS

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "images"
SETS = {"fashion": "fashion_mnist.npz", "cifar": "cifar10_12k_3k.npz"}
SEARCHES = {
    "seedleaf": {},
    "random": {"sampler": "random", "scheduler": "full"},
    "random asha": {"sampler": "random"},
    "optuna": {"sampler": "random", "scheduler": OptunaHyperband.name},  # the sampler is not asked
    "optuna alone": {"sampler": "random", "scheduler": OptunaHyperband.name},
}


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
    plain, enqueue = seedleaf.modality.images.learner_named, Study.enqueue
    cast(dict[str, Any], SCHEDULERS)[OptunaHyperband.name] = lambda: OptunaHyperband(seed)
    if method in KNOWN:
        seedleaf.modality.images.learner_named = lambda name: Fixed(KNOWN[method])
    if method == "optuna alone":
        cast(Any, Study).enqueue = lambda study, config, **given: enqueue(
            study, first_draw(study.problem, seed), **given
        )
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
        cast(Any, Study).enqueue = enqueue


def show(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each data set and budget: the median over seeds, the extremes, what was delivered; and by how much our
    front leads with no more parameters and multiply-adds."""
    kinds = sorted({(r["data"], r["time"], r["rows"], r["workers"]) for r in rows})
    for kind in kinds:
        data, time, n, workers = kind
        yield f"\n{data}, {n:,} training images, {time} of wall time a run, {workers} worker(s)\n"
        yield "| at most | method | seeds | test accuracy | params | MACs | ms an image | trials | our front |"
        yield "|---|---|---|---|---|---|---|---|---|"
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
                    f"{middle['macs']:,.0f} | {middle['latency_ms']:.3f} | {middle['trials']:.0f} | "
                    f"{'' if method == 'seedleaf' else _leads(mine, found)} |"
                )


def _leads(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str:
    """How much more accurate than the `others` is what seedleaf's fronts of the same seed hold with no more parameters and
    multiply-adds: the least and the most; "no point" where they hold nothing so small."""
    leads = []
    for other in others:
        ours = [r for r in rows if (r["method"], r["seed"]) == ("seedleaf", other["seed"])]
        points = [p for r in ours for p in [(r["params"], r["macs"], r["accuracy"]), *r["front"]]]
        able = [a for n, macs, a in points if n <= other["params"] and macs <= other["macs"]]
        leads.append(max(able) - other["accuracy"] if able else float("nan"))
    if np.isnan(leads).any():
        return "no point" if len(leads) == 1 else f"no point in {np.isnan(leads).sum()} of {len(leads)}"
    return " to ".join(f"{x:+.4f}" for x in sorted({min(leads), max(leads)}))


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
    parser.add_argument("--rows-to", type=Path, help="write the rows for autokeras_peer.py, run nothing")
    given = parser.parse_args()
    if given.rows_to:
        np.savez(given.rows_to, **rows_of(given.data, given.rows, given.test_rows))
        return
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
