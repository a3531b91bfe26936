"""What families beside the leading one are worth in a blend, out of the answers that runs have kept.

    python benchmarks/tables/kin.py RUNS            # a folder that fit.py has filled: RUNS/SET-SPLIT/seedleaf/run

Of each run the trials that were judged on all folds. Weights are chosen on one half of the training rows and judged on the
other, both ways, for ten halvings: the best trial alone; the 24 best of its family; those and the three best of each other
family. Prints markdown: log loss, or RMSE over the target's spread.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.core import History, Objective, State
from seedleaf.data.tables import judged, load_table
from seedleaf.folder import LOG, STUDY
from seedleaf.learners.tables.blend import _greedy
from seedleaf.learners.tables.metrics import row_losses
from seedleaf.learners.tables.registry import family_name
from seedleaf.learners.tables.trial import fold_file
from seedleaf.modality.table_choice import KIN, LOOKED_AT
from seedleaf.store import SqlStore

Array = npt.NDArray[Any]
HALVINGS = 10


def row_of(place: Path) -> str:
    """One line of the table: the means over the halvings, and how often the other families help."""
    run = place / "seedleaf" / "run"
    task = json.loads((run / "run.json").read_text(encoding="utf-8"))["options"]["task"]
    data = load_table(place / "train.csv", target="target", task=task, test="none", seed=0)
    data, splits = judged(data, None, 0)
    k, y = len(data.schema.target.classes), data.y_train
    y = y.astype(np.int64) if k else y

    def answers(trial: int) -> Array:
        parts = [np.load(run / "trials" / f"{trial:04d}" / fold_file(j)) for j in range(len(splits))]
        whole = np.full((len(y), *parts[0].shape[1:]), np.nan)
        for (_, valid), part in zip(splits, parts, strict=True):
            whole[valid] = part
        return whole

    def loss(rows: Array, p: Array) -> float:
        value = float(row_losses(y[rows], p, k).mean())
        return value if k else float(np.sqrt(value) / y.std())

    store = SqlStore(run / LOG)
    history = History.fold(store.read(STUDY))
    store.close()
    goal = Objective(**history.header["objectives"][0])
    full = sorted(history.in_state(State.DONE), key=lambda t: goal.loss(t.metrics))
    kinds = defaultdict(list)
    for t in full:
        kinds[family_name(t.config)].append(t.id)
    if len(kinds) < 2:
        return f"| {place.name} | {', '.join(kinds) or 'none complete'} | | | | |"
    lead, *others = kinds.values()
    own = lead[:LOOKED_AT]
    every = [*own, *(t for ids in others for t in ids[:KIN])]
    known = {t: answers(t) for t in every}
    found: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for _ in range(HALVINGS):
        halves = np.array_split(rng.permutation(len(y)), 2)
        for some, rest in (halves, halves[::-1]):
            for name, ids in (("one", lead[:1]), ("own", own), ("every", every)):
                weights = blended({t: known[t][some] for t in ids}, partial(loss, some))
                mixed = sum(w * known[t][rest] for t, w in weights.items())
                found[name].append(loss(rest, np.asarray(mixed)))
    one, alone, both = (float(np.mean(found[n])) for n in ("one", "own", "every"))
    wins = int((np.array(found["every"]) < np.array(found["own"])).sum())
    told = ", ".join(f"{name} {len(ids)}" for name, ids in kinds.items())
    share = f"{100 * (both / alone - 1):+.1f} %"
    return f"| {place.name} | {told} | {one:.4f} | {alone:.4f} | {both:.4f} | {share}, {wins} of {2 * HALVINGS} |"


def blended(answers: dict[int, Array], loss: Callable[[Array], float]) -> dict[int, float]:
    """The weights of a blend, as a run would choose them."""
    first = min(answers, key=lambda t: loss(answers[t]))
    order = [first, *(t for t in answers if t != first)]
    counts = _greedy([answers[t] for t in order], loss, lambda _: True)
    return {t: float(w) for t, w in zip(order, counts / counts.sum(), strict=True) if w}


def main() -> None:
    print("| set | complete | best alone | its family | all families | all against its family |")
    print("|---|---|---|---|---|---|")
    for place in sorted(Path(sys.argv[1]).glob(sys.argv[2] if len(sys.argv) > 2 else "*")):
        if (place / "seedleaf" / "run" / LOG).exists():
            print(row_of(place), flush=True)


if __name__ == "__main__":
    main()
