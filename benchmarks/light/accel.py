"""Do zero-cost proxies help evolution among mobile networks? On Accel-NASBench's table: 5,138 of 10^19, trained on ImageNet.

    python benchmarks/light/accel.py score --out accel.npz [--part 0/2]     # every proxy of every network: 8 CPU minutes
    python benchmarks/light/accel.py search --scores accel.npz [--seeds 20] # trainings to one of the best 0.1 %, by method

Evolution is seedleaf's own sampler. What it proposes is hardly ever in the table, so what is trained is the nearest network
there that has not been yet (by how many of the 28 parameters differ; equals are drawn among), and parents are of those.
With a proxy, each trial is the best by it of 16 such. Only trainings count. Networks are built a quarter as wide, for
pictures of 16 pixels. Accel-NASBench: Ahmad et al. 2024.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from light.mobile import Stage, mobile_network
from light.nb201 import DRAWN, MOST, TOP, Array, asked_of, ranks, shown
from search.surrogates import DATA
from seedleaf import Choice, Space
from seedleaf.core import Config, History
from seedleaf.seeds import rng_for
from seedleaf.space import Problem
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler

IMAGES, SIDE = 16, 16
BASELINES = {"params": "params_M", "macs": "macs_M"}  # by the table itself


@dataclass(frozen=True)
class Table:
    """Networks (N, 28) by the names of their parameters, and what was measured of each, by name (N,)."""

    names: tuple[str, ...]
    networks: Array
    values: Mapping[str, Array]

    @classmethod
    def read(cls) -> Table:
        with np.load(DATA / "tables" / "accel_nasbench.npz") as file:
            columns = {str(c): file["values"][:, i].astype(float) for i, c in enumerate(file["columns"])}
            return cls(tuple(map(str, file["arch_columns"])), file["arch"].astype(np.int64), columns)

    @property
    def accuracy(self) -> Array:
        return self.values["val_top1"]

    def config(self, row: int) -> dict[str, Any]:
        return dict(zip(self.names, map(int, self.networks[row]), strict=True))

    def stages(self, row: int) -> list[Stage]:
        return [Stage(*map(int, part)) for part in self.networks[row].reshape(-1, 4)]

    def space(self) -> Space:
        choices = (sorted(set(column.tolist())) for column in self.networks.T)
        return Space({name: Choice(*c, ordered=True) for name, c in zip(self.names, choices, strict=True)})


# --- scores ---


def score(out: Path, part: tuple[int, int]) -> None:
    """All proxies of the networks of a part, from one initialisation each and one batch of CIFAR-10."""
    import torch

    from light.proxies import PROXIES

    torch.set_num_threads(1)
    table = Table.read()
    images = np.load(DATA / "images" / "cifar10_12k_3k.npz")
    pixels = torch.from_numpy(images["x_train"][:IMAGES]).float().permute(0, 3, 1, 2) / 127.5 - 1
    x = torch.nn.functional.interpolate(pixels, (SIDE, SIDE), mode="area")
    y = torch.from_numpy(images["y_train"][:IMAGES].astype(np.int64))
    rows = np.arange(len(table.accuracy))[part[0] :: part[1]]
    found, begun = np.full((len(rows), len(PROXIES)), np.nan), time.time()
    for k, row in enumerate(rows):
        torch.manual_seed(int(row))
        net = mobile_network(table.stages(row))
        found[k] = [proxy(net, x, y) for proxy in PROXIES.values()]
        if k % 500 == 499:
            print(f"{k + 1} of {len(rows)} after {time.time() - begun:.0f} s", flush=True)
    np.savez_compressed(out, rows=rows, names=list(PROXIES), values=found)


def read_scores(paths: Sequence[Path], table: Table) -> dict[str, Array]:
    """Each proxy's score by network, parts put together; depth, parameters and multiply-adds; and sums of ranks."""
    parts = [np.load(p) for p in paths]
    names = [str(n) for n in parts[0]["names"]]
    values = np.full((len(table.accuracy), len(names)), np.nan)
    for p in parts:
        values[p["rows"]] = p["values"]
    if np.isnan(values).all(axis=1).any():
        raise SystemExit("a part of the scores is missing")
    found = {name: np.nan_to_num(values[:, i], nan=-1e9) for i, name in enumerate(names)}
    found["depth"] = table.networks[:, 2::4].sum(axis=1).astype(float)
    found |= {name: table.values[column] for name, column in BASELINES.items()}
    by_rank = {name: ranks(v) for name, v in found.items()}
    sums = (("naswot", "depth"), ("naswot", "synflow"), ("naswot", "synflow", "depth"))
    return found | {"+".join(names): np.sum([by_rank[n] for n in names], axis=0) for names in sums}


# --- search ---


@dataclass(frozen=True)
class Nearest:
    """Proposals of `sampler`, moved to what the table holds and has not been tried; of several the one that scores best."""

    table: Table
    sampler: Any
    scores: Array | None = None
    tried: set[int] = field(default_factory=set)

    name: ClassVar[str] = "evolution over a table"
    cites: ClassVar[str] = "Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS, ICLR"

    def propose(self, problem: Problem, history: History, rng: np.random.Generator) -> Config:
        drawn = DRAWN if self.scores is not None else 1
        rows = [self._row(self.sampler.propose(problem, history, rng), rng) for _ in range(drawn)]
        row = rows[0] if self.scores is None else max(rows, key=lambda r: self.scores[r])
        self.tried.add(row)
        return self.table.config(row)

    def _row(self, config: Config, rng: np.random.Generator) -> int:
        wanted = np.array([config[name] for name in self.table.names])
        apart = (self.table.networks != wanted).sum(axis=1).astype(float) + 0.5 * rng.random(
            len(self.table.networks)
        )
        apart[list(self.tried)] = np.inf
        return int(apart.argmin())


def evaluations(table: Table, seed: int, scores: Array | None) -> int:
    """Trainings until a network of the best 0.1 % has been trained; MOST where none was by then."""
    rows = {tuple(row): i for i, row in enumerate(table.networks.tolist())}
    goal = np.sort(table.accuracy)[-max(int(TOP * len(table.accuracy)), 1)]
    sampler: Any = Nearest(table, EvolutionSampler(), scores)
    study = Study(table.space(), maximize="accuracy", seed=seed, sampler=sampler, scheduler="full")
    for n in range(1, MOST + 1):
        task = study.ask()
        if task is None:
            break
        reached = table.accuracy[rows[tuple(int(task.config[name]) for name in table.names)]]  # type: ignore[arg-type]
        if reached >= goal:
            return n
        study.tell(task, [{"accuracy": float(reached)}])
    return MOST


def random_evaluations(table: Table, seed: int) -> int:
    goal = np.sort(table.accuracy)[-max(int(TOP * len(table.accuracy)), 1)]
    order = rng_for(seed, "random", "accel").permutation(len(table.accuracy))
    return int(np.argmax(table.accuracy[order] >= goal)) + 1


def compare(table: Table, scores: Mapping[str, Array], seeds: int) -> Iterator[str]:
    """Rank correlation with the accuracy, trainings (median and quartiles) and their ratio to evolution's."""
    from scipy.stats import spearmanr

    yield "| method | Spearman | median trainings | quartiles | not by 500 | of evolution's |"
    yield "|---|---|---|---|---|---|"
    alone = np.array([evaluations(table, s, None) for s in range(seeds)])
    by_chance = np.array([random_evaluations(table, s) for s in range(seeds)])

    yield shown("random search", "", by_chance, alone)
    yield shown("evolution", "", alone, alone)
    for name, values in scores.items():
        taken = np.array([evaluations(table, s, values) for s in range(seeds)])
        yield shown(f"evolution + {name}", f"{spearmanr(values, table.accuracy)[0]:.2f}", taken, alone)


def main() -> None:
    given = asked_of(__doc__)
    if given.verb == "score":
        score(given.out, given.part)
        return
    table = Table.read()
    scores = read_scores(given.scores, table)
    for line in compare(table, {k: scores[k] for k in given.only or scores}, given.seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
