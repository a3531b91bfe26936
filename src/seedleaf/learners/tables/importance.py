"""How much worse the delivered model answers when one column is shuffled (Breiman 2001; Fisher, Rudin and Dominici 2019).

The rows are those of the test part, which nothing was learned from. Without one they are those that the model was trained
on: they say what it uses, not what that is worth on new rows. As many rows and repeats as there is time for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.block import Block, Layout
from seedleaf.learners.tables.decide import decided, powered
from seedleaf.learners.tables.graph import NUMBERS, TEXTS
from seedleaf.learners.tables.metrics import metric_for
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.source import Source, open_source
from seedleaf.learners.tables.written import joined
from seedleaf.seeds import rng_for

Array = npt.NDArray[Any]
REPEATS = 10  # shuffles of each column
MOST_ROWS = 5_000
FEWEST_ROWS = 200  # below that, repeats are dropped and not rows
ENOUGH = 20  # rows without which nothing is said
AT_LEAST = 3  # repeats for which rows are given up


@dataclass(frozen=True)
class Place:
    """Where a column stands in the graph's inputs."""

    name: str
    given: str
    at: int


def importance(
    places: Sequence[str],
    weights: Sequence[float],
    power: float,
    setup: Mapping[str, Any],
    seconds: float,
    decision: Sequence[float] = (),
) -> dict[str, Any]:
    """Shuffle each column in turn and judge the joined model anew on the test part, for about `seconds`.

    Returns {"metric", "score", "part", "rows", "repeats", "columns": [[name, mean, spread], ...]}, the columns that matter
    most first: by how much the metric gets worse, on average over the repeats, and its standard deviation over them. A
    column that time ran out before is not in it. "part" is "training" where the test part is too small, "test" otherwise;
    nothing ("columns" empty) where there are too few rows of either.
    """
    end = time.time() + seconds
    source = open_source(str(setup["data"]))
    goal = metric_for(source.schema.target.task, str(setup["metric"]))
    part, block, y, known = _rows(source)
    body: dict[str, Any] = {
        "metric": goal.name,
        "score": None,
        "part": part,
        "rows": 0,
        "repeats": 0,
        "columns": [],
    }
    if len(known) < ENOUGH:
        return body
    run = session(joined([Path(p) for p in places], weights, source, power, walked=False))
    inputs = [i.name for i in run.get_inputs()]
    sign = 1.0 if goal.direction == "min" else -1.0

    weighed = np.asarray(powered(decision, power)) if goal.labels else None

    def judged(feed: Mapping[str, Array], labels: Array) -> float:
        return goal.score(labels, decided(run.run(None, dict(feed))[0].astype(np.float64), weighed))

    columns = _columns(Layout.of(source.schema), inputs)
    order = rng_for(int(setup.get("seed", 0)), "importance").permutation(known)
    some = np.sort(order[:FEWEST_ROWS])
    begun = time.perf_counter()
    judged(block.take(some).feed(inputs), y[some])
    a_row = (time.perf_counter() - begun) / len(some)
    chosen = np.sort(order[: _affordable(a_row, len(columns), end - time.time())])
    feed, labels = _feed(block.take(chosen), inputs), y[chosen]
    base = judged(feed, labels)
    found: list[dict[str, float]] = []
    for repeat in range(REPEATS):
        worse = {}
        rng = rng_for(int(setup.get("seed", 0)), "importance", repeat)
        for place in columns:
            if time.time() >= end:
                break
            with_shuffled = _shuffled(feed, place, rng)
            worse[place.name] = sign * (judged(with_shuffled, labels) - base)
        if len(worse) == len(columns) or not found:
            found.append(worse)
        if time.time() >= end:
            break
    rows = [(name, *_summary([f[name] for f in found])) for name in found[0]]
    rows.sort(key=lambda r: (-r[1], r[0]))
    return {
        **body,
        "score": base,
        "rows": len(chosen),
        "repeats": len(found),
        "columns": [list(r) for r in rows],
        "left": len(columns) - len(rows),
    }


def _rows(source: Source) -> tuple[str, Block, Array, Array]:
    """Which part is shuffled, its rows, their targets, and those of them whose target is known."""

    def known(y: Array) -> Array:
        return np.flatnonzero(y >= 0 if source.n_classes else np.isfinite(y))

    if len(tested := known(source.y_test)) >= ENOUGH:
        return "test", source.test, source.y_test, tested
    return "training", source.train, source.y_train, known(source.y_train)


def _columns(layout: Layout, inputs: Sequence[str]) -> list[Place]:
    """Every column that the graph is given."""
    found = [Place(name, NUMBERS, j) for j, name in enumerate(layout.numbers) if NUMBERS in inputs]
    return found + [Place(name, TEXTS, j) for j, name in enumerate(layout.texts) if TEXTS in inputs]


def _affordable(a_row: float, columns: int, seconds: float) -> int:
    """Rows for AT_LEAST repeats of all columns within `seconds`, FEWEST_ROWS at least."""
    able = seconds / max(a_row * max(columns, 1) * AT_LEAST, 1e-12)
    return int(min(max(able, FEWEST_ROWS), MOST_ROWS))


def _feed(block: Block, inputs: Sequence[str]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array) for name, array in block.feed(inputs).items()}


def _shuffled(feed: Mapping[str, Array], place: Place, rng: np.random.Generator) -> dict[str, Array]:
    whole = feed[place.given].copy()
    whole[:, place.at] = whole[rng.permutation(len(whole)), place.at]
    return {**feed, place.given: whole}


def _summary(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation; of one value the latter is not known."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
