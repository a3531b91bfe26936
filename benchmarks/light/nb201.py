"""Do zero-cost proxies help evolution? On NAS-Bench-201, whose 15,625 cells have all been trained.

    python benchmarks/light/nb201.py score --out proxies.npz [--part 0/2]   # every proxy of every cell: 5 CPU minutes
    python benchmarks/light/nb201.py search --scores proxies.npz            # evaluations to the best 0.1 %, by method

Evolution is seedleaf's own sampler. With a proxy, each trial is the best by it of `DRAWN` children (and of as many random
cells at the start): what the proxy costs is not counted, only trainings are. Rows are appended to RESULTS.md with --write.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from search.surrogates import DATA
from search.tabular import nb201_macs
from seedleaf import Choice, Space
from seedleaf.core import Config, History
from seedleaf.seeds import rng_for
from seedleaf.space import Problem
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler

if TYPE_CHECKING:
    from torch import nn

IMAGES, SIDE = 16, 16
DRAWN = 16  # children that a proxy chooses among
TOP = 0.001
MOST = 500  # evaluations after which a run is given up
INSTANCES = ("cifar10", "cifar100")
Array = np.ndarray[Any, np.dtype[Any]]


def table(instance: str) -> tuple[Array, list[str], Array]:
    """(operations per edge (15625, 6), their names, mean validation accuracy after 200 epochs (15625,))."""
    file = np.load(DATA / "tables" / "nb201" / f"{instance}.npz")
    accuracy = np.nanmean(file["val_acc_200ep"].astype(float), axis=1)
    return file["ops"], [str(n) for n in file["op_names"]], accuracy


# --- scores ---


def score(out: Path, part: tuple[int, int]) -> None:
    """All proxies of the cells of a part."""
    from light.cells import cell_network

    ops, names, _ = table("cifar10")
    rows = np.unique(first_of_a_kind(ops, names))[part[0] :: part[1]]
    score_networks(rows, lambda row: cell_network([names[o] for o in ops[row]]), out)


def score_networks(rows: Array, network: Callable[[int], nn.Module], out: Path) -> None:
    """All proxies of the networks of these rows, from one initialisation each and one batch of CIFAR-10."""
    import torch

    from light.proxies import PROXIES

    torch.set_num_threads(1)
    images = np.load(DATA / "images" / "cifar10_12k_3k.npz")
    pixels = torch.from_numpy(images["x_train"][:IMAGES]).float().permute(0, 3, 1, 2) / 127.5 - 1
    x = torch.nn.functional.interpolate(pixels, (SIDE, SIDE), mode="area")
    y = torch.from_numpy(images["y_train"][:IMAGES].astype(np.int64))
    found, begun = np.full((len(rows), len(PROXIES)), np.nan), time.time()
    for k, row in enumerate(rows):
        torch.manual_seed(int(row))
        net = network(int(row))
        found[k] = [proxy(net, x, y) for proxy in PROXIES.values()]
        if k % 500 == 499:
            print(f"{k + 1} of {len(rows)} after {time.time() - begun:.0f} s", flush=True)
    np.savez_compressed(out, rows=rows, names=list(PROXIES), values=found)


def first_of_a_kind(ops: Array, names: Sequence[str]) -> Array:
    """For each cell the first one that is the same network: 5,773 of 15,625 are different."""
    from light.cells import signature

    seen: dict[str, int] = {}
    return np.array([seen.setdefault(signature([names[o] for o in row]), i) for i, row in enumerate(ops)])


def read_scores(paths: Sequence[Path]) -> dict[str, Array]:
    """Each proxy's score by cell; depth and multiply-adds; and sums of ranks."""
    ops, op_names, _ = table("cifar10")
    found = read_parts(paths, first_of_a_kind(ops, op_names))
    found["depth"] = (
        np.isin(ops, [i for i, n in enumerate(op_names) if "conv" in n]).sum(axis=1).astype(float)
    )
    found["macs (as parameters)"] = nb201_macs(ops, op_names)
    return with_sums(found)


def read_parts(paths: Sequence[Path], kinds: Array) -> dict[str, Array]:
    """Each proxy's score by network, parts put together; `kinds` (N,) are the rows whose scores the networks have."""
    parts = [np.load(p) for p in paths]
    names = [str(n) for n in parts[0]["names"]]
    values = np.full((len(kinds), len(names)), np.nan)
    for p in parts:
        values[p["rows"]] = p["values"]
    if np.isnan(values[np.unique(kinds)]).all(axis=1).any():
        raise SystemExit("a part of the scores is missing")
    return {name: np.nan_to_num(values[kinds, i], nan=-1e9) for i, name in enumerate(names)}


def with_sums(found: Mapping[str, Array]) -> dict[str, Array]:
    """The scores, and sums of some of their ranks."""
    by_rank = {name: ranks(v) for name, v in found.items()}
    sums = (("naswot", "depth"), ("naswot", "synflow"), ("naswot", "synflow", "depth"))
    return {**found, **{"+".join(names): np.sum([by_rank[n] for n in names], axis=0) for names in sums}}


def ranks(values: Array) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))


# --- search ---


@dataclass(frozen=True)
class Chosen:
    """The sampler's own proposals, several of them, and the one that scores best."""

    sampler: EvolutionSampler
    score: Callable[[Config], float]
    drawn: int = DRAWN

    name: ClassVar[str] = "evolution+proxy"
    cites: ClassVar[str] = "Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS, ICLR"

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        drawn = [self.sampler.propose(problem, history, rng) for _ in range(self.drawn)]
        return max(drawn, key=self.score)


def evaluations(instance: str, seed: int, scores: Array | None) -> int:
    """Trainings until a cell of the best 0.1 % has been trained; MOST where none was by then."""
    ops, names, accuracy = table(instance)
    index = {tuple(row): i for i, row in enumerate(ops.tolist())}
    edges = [f"edge_{k}" for k in range(ops.shape[1])]
    space = Space({edge: Choice(*names) for edge in edges})

    def row_of(config: Config) -> int:
        return index[tuple(names.index(str(config[e])) for e in edges)]

    goal = np.sort(accuracy)[-max(int(TOP * len(accuracy)), 1)]
    sampler: Any = EvolutionSampler()
    if scores is not None:
        known = scores
        sampler = Chosen(sampler, lambda config: float(known[row_of(config)]))
    study = Study(space, maximize="accuracy", seed=seed, sampler=sampler, scheduler="full")
    for n in range(1, MOST + 1):
        task = study.ask()
        if task is None:
            break
        reached = accuracy[row_of(task.config)]
        if reached >= goal:
            return n
        study.tell(task, [{"accuracy": float(reached)}])
    return MOST


def random_evaluations(instance: str, seed: int) -> int:
    accuracy = table(instance)[2]
    goal = np.sort(accuracy)[-max(int(TOP * len(accuracy)), 1)]
    order = rng_for(seed, "random", instance).permutation(len(accuracy))
    return int(np.argmax(accuracy[order] >= goal)) + 1


def shown(name: str, rho: str, taken: Array, alone: Array) -> str:
    """A row: median and quartiles of the trainings, how many runs were given up, the ratio to evolution `alone`."""
    low, middle, high = np.quantile(taken, (0.25, 0.5, 0.75))
    lost = int((taken >= MOST).sum())
    return f"| {name} | {rho} | {middle:.0f} | {low:.0f} to {high:.0f} | {lost} | {middle / np.median(alone):.2f} |"


def compare(scores: Mapping[str, Array], seeds: int) -> list[str]:
    """A table: rank correlation with the accuracy, evaluations (median and quartiles) and their ratio to evolution's."""
    from scipy.stats import spearmanr

    lines = []
    for instance in INSTANCES:
        accuracy = table(instance)[2]
        alone = np.array([evaluations(instance, s, None) for s in range(seeds)])
        rows = [("random search", "", np.array([random_evaluations(instance, s) for s in range(seeds)]))]
        rows.append(("evolution", "", alone))
        for name, values in scores.items():
            taken = np.array([evaluations(instance, s, values) for s in range(seeds)])
            rows.append((f"evolution + {name}", f"{spearmanr(values, accuracy)[0]:.2f}", taken))
            print(instance, name, np.median(taken), flush=True)
        lines += [
            "",
            f"{instance}, {seeds} seeds",
            "",
            "| method | Spearman | median evaluations | quartiles | not by 500 | of evolution's |",
            "|---|---|---|---|---|---|",
        ]
        lines += [shown(*row, alone) for row in rows]
    return lines


def asked_of(doc: str | None) -> argparse.Namespace:
    """What was asked for: `verb`, and `out` and `part` of score, `scores`, `only` and `seeds` of search."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    scoring = verbs.add_parser("score")
    scoring.add_argument("--out", type=Path, required=True)
    scoring.add_argument("--part", type=_part, default=(0, 1), help="K/N: every N-th network, from K on")
    searching = verbs.add_parser("search")
    searching.add_argument("--scores", type=Path, nargs="+", required=True)
    searching.add_argument("--only", nargs="+", help="proxies, of those scored")
    searching.add_argument("--seeds", type=int, default=20)
    return parser.parse_args()


def _part(text: str) -> tuple[int, int]:
    first, _, parts = text.partition("/")
    return int(first), int(parts)


def main() -> None:
    given = asked_of(__doc__)
    if given.verb == "score":
        score(given.out, given.part)
        return
    scores = read_scores(given.scores)
    print("\n".join(compare({k: scores[k] for k in given.only or scores}, given.seeds)))


if __name__ == "__main__":
    main()
