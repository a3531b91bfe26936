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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from light.mobile import Stage, mobile_network
from light.nb201 import DRAWN, MOST, TOP, Array, asked_of, read_parts, score_networks, shown, with_sums
from search.surrogates import DATA
from seedleaf import Choice, Space
from seedleaf.core import Config, History
from seedleaf.seeds import rng_for
from seedleaf.space import Problem
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler

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


def read_scores(paths: Sequence[Path], table: Table) -> dict[str, Array]:
    """Each proxy's score by network; depth, parameters and multiply-adds; and sums of ranks."""
    found = read_parts(paths, np.arange(len(table.accuracy)))
    found["depth"] = table.networks[:, 2::4].sum(axis=1).astype(float)
    return with_sums(found | {name: table.values[column] for name, column in BASELINES.items()})


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
    given, table = asked_of(__doc__), Table.read()
    if given.verb == "score":
        first, parts = given.part
        rows = np.arange(len(table.accuracy))[first::parts]
        score_networks(rows, lambda row: mobile_network(table.stages(row)), given.out)
        return
    scores = read_scores(given.scores, table)
    for line in compare(table, {k: scores[k] for k in given.only or scores}, given.seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
