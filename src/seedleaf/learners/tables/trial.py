"""A trial on a table, as a worker runs it: step j fits the config on the training rows of fold j and judges it on the rest.

The objective at step j is the mean over the folds up to j. What stays in the trial's folder: the answers for a fold's
validation rows, together an answer for every training row by a model that had not seen it; and the model itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.core import Config, Context, Measurement
from seedleaf.errors import TrialError
from seedleaf.learners.tables.cost import COST_KEYS, costs_over, limits_of, model_costs, room_for
from seedleaf.learners.tables.decide import crossed
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.metrics import SECOND, metric_for
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.registry import brought_up, split_config
from seedleaf.learners.tables.source import Source, open_source
from seedleaf.learners.tables.written import is_written, write
from seedleaf.seeds import seed_for
from seedleaf.writing import replacing

Array = npt.NDArray[Any]


def run(config: Config, ctx: Context) -> Iterator[Measurement]:
    """Fold after fold. Metrics are means over the folds so far; `rounds` is the mean of the trees or epochs used,
    `own_rounds` those of the latest fold."""
    source = open_source(str(ctx.setup["data"]))
    config = brought_up(config, source.kind)
    task = source.schema.target.task
    names = dict.fromkeys((str(ctx.setup["metric"]), *SECOND[task]))
    found: list[dict[str, float]] = []
    for module in split_config(config)[0].modules:
        import_module(module)
    limits = limits_of(ctx.setup)
    for j in range(ctx.stop):
        path = ctx.folder / fold_file(j)
        if j < ctx.start:  # a trial that goes on: what it had answered says what it had reached
            scores = _scores(source, j, np.load(path, allow_pickle=False), names)
            found.append(scores | _costs(ctx, source, j, limits))
            continue
        begun, own = time.time(), {}
        answer, rounds, cut = _fold(config, ctx, source, j)
        seconds = time.time() - begun
        scores = {**_scores(source, j, answer, names), "train_seconds": seconds}
        scores |= _costs(ctx, source, j, limits)
        if rounds:
            scores |= {"rounds": float(rounds), "cut": float(cut)}
            own = {"own_rounds": float(rounds)}
        found.append(scores)
        with replacing(path) as file:
            np.save(file, answer, allow_pickle=False)
        costs = costs_over(found, limits) if limits else {}
        means = {k: float(np.mean([f[k] for f in found if k in f])) for k in scores if k not in COST_KEYS}
        yield Measurement(j + 1, {**means, **costs, **own, "train_seconds": seconds}, time.time() - begun)


def fold_file(j: int) -> str:
    """The file of a trial's answers for the validation rows of fold j."""
    return f"fold-{j}.npy"


def model_file(j: int) -> str:
    """What `written` adds its suffixes to for the model of fold j."""
    return f"model-{j}"


def _fold(config: Config, ctx: Context, source: Source, j: int) -> tuple[Array, int, bool]:
    """Answers for the validation rows of fold j, the rounds that were best, and whether the clock ended it."""
    train, valid = source.folds[j]
    block, y = source.train.take(valid), source.y_train[valid]
    now = time.time()
    patient = ctx.trial in ctx.setup.get("ladder", ())
    limit = float(ctx.setup.get("ladder_seconds" if patient else "fit_seconds", 600.0))
    ends = float(ctx.setup.get("deadline", now + limit))
    # What is begun after the time at which a search ends that needs a long last fit belongs to one that needs none: it is
    # not cut. The defaults always are, for then nothing else has been measured.
    deadline = min(now + limit, max(ends, now + 0.5)) if patient or now < ends else now + limit
    seed = seed_for(int(ctx.setup.get("seed", 0)), "fold", j)
    effort = Effort(deadline, seed, room=room_for(ctx.setup, source))
    fitted = fit_config(
        config, source.train.take(train), source.y_train[train], source.n_classes, effort, (block, y)
    )
    cut = effort.left() <= 0
    answer = fitted.predict(block)
    if not np.isfinite(answer).all():
        raise TrialError("diverged: an answer is not finite")
    write(fitted, source, ctx.folder / model_file(j))
    return answer, fitted.rounds, cut


def _costs(ctx: Context, source: Source, j: int, limits: Mapping[str, float]) -> dict[str, float]:
    """What the model of fold j costs: measured once, as that takes longer than a quick fit; {} where it went unmeasured,
    or nothing limits it."""
    if not limits:
        return {}
    told, place = ctx.folder / f"costs-{j}.json", ctx.folder / model_file(j)
    if j < ctx.start and told.exists():
        return {str(k): float(v) for k, v in json.loads(told.read_text()).items()}
    if not is_written(place):
        return {}
    costs = model_costs(place, source, limits)
    with replacing(told) as file:
        file.write(json.dumps(costs).encode())
    return costs


def _scores(source: Source, j: int, answer: Array, names: Mapping[str, None]) -> dict[str, float]:
    y = source.y_train[source.folds[j][1]]
    task = source.schema.target.task
    # A decision that rare classes are worth is chosen for every config, or those that calibrate well would lose.
    return {name: crossed(metric_for(task, name), y, answer) for name in names}


def out_of_fold(source: Source, folder: Path, n_folds: int | None = None) -> Array:
    """The answers of a trial that has done the first `n_folds` folds, or all; NaN for rows that none was judged on."""
    whole: Array | None = None
    for j, (_, valid) in enumerate(source.folds[:n_folds]):
        answer = np.load(folder / fold_file(j), allow_pickle=False)
        if whole is None:
            whole = np.full((len(source.y_train), *answer.shape[1:]), np.nan)
        whole[valid] = answer
    assert whole is not None
    return whole
