"""The winner for good: fitted on every training row, written as one ONNX graph, checked against Python, measured once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.core import Config
from seedleaf.data.tables.written import CELLS, as_cells
from seedleaf.errors import TrialError
from seedleaf.learners.tables.block import Block, Layout
from seedleaf.learners.tables.cost import File, files_of, limits_of, room_for, settled
from seedleaf.learners.tables.decide import decided, powered
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.metrics import METRICS, fits, row_losses
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.reader import unreadable
from seedleaf.learners.tables.registry import brought_up
from seedleaf.learners.tables.running import ask, session
from seedleaf.learners.tables.source import Source, open_source
from seedleaf.learners.tables.trial import out_of_fold
from seedleaf.learners.tables.written import answers, compared_rows, joined, write, written_classes
from seedleaf.seeds import seed_for

Array = npt.NDArray[Any]
COMPARED = 500  # rows of those that Python has answered
CLOSE = 1e-4  # how far ONNX Runtime may be from Python, in probabilities or in spreads of the target


def refit(
    config: Config, setup: Mapping[str, Any], place: str, rounds: int, deadline: float
) -> dict[str, float]:
    """Fit `config` on all training rows by `deadline` and write it to `place`.onnx, with what Python answers beside.

    `rounds`: trees or epochs that were best in cross-validation, 0 where that means nothing.
    """
    source = open_source(str(setup["data"]))
    begun = time.time()
    seed = seed_for(int(setup.get("seed", 0)), "refit")
    effort = Effort(deadline, seed, rounds or None, room_for(setup, source))
    fitted = fit_config(
        brought_up(config, source.kind), source.train, source.y_train, source.n_classes, effort
    )
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    write(fitted, source, Path(place))
    return {"train_seconds": time.time() - begun, "rounds": float(fitted.rounds)}


Plan = tuple[Sequence[str], Sequence[float], float]  # models, their weights, the power of their probabilities


def deliver(
    places: Sequence[str],
    weights: Sequence[float],
    setup: Mapping[str, Any],
    out: str,
    power: float = 1.0,
    instead: Sequence[Plan] = (),
    decision: Sequence[float] = (),
) -> dict[str, Any]:
    """Join the models that were written at `places` into `out`/model.onnx, compare it with Python, measure the test part.

    Where the file breaks a limit of `setup["limits"]`, the first of `instead` that keeps all of them is delivered. Returns
    test (metrics), bytes, latency_ms, packed (are its trees?), onnx_max_difference, confusion, and `plan`, the place of what
    was taken; with `plan` -1 nothing keeps the limits, nothing is written, and bytes and latency_ms are the least that was
    reached.
    `decision` weighs the probabilities, before their power, where the largest is not to be said: what it becomes is
    returned. TrialError where file and Python differ.
    """
    source = open_source(str(setup["data"]))
    plans: list[Plan] = [(places, weights, power), *((p, w, float(x)) for p, w, x in instead)]
    taken, file, latency = _first_within(plans, source, limits_of(setup), decision)
    if taken < 0:
        return {"plan": taken, "bytes": len(file.model), "latency_ms": latency}
    places, weights, power = plans[taken]
    parts = [Path(p) for p in places]
    whole = session(file.model)
    # Python's answers are compared with the file less its reading of cells, if it does that.
    bare = unreadable(source.schema)
    run = whole if bare else session(joined(parts, weights, source, power, walked=file.walked))
    inputs = [i.name for i in run.get_inputs()]
    block, wanted = compared_rows(source), answers(parts, weights, source, power)
    some = np.unique(np.linspace(0, len(block) - 1, COMPARED).astype(np.int64))
    apart = _apart(run, inputs, block.take(some), wanted[some], source)
    weighed = powered(decision, power)
    if not bare:
        apart = max(apart, _read_apart(whole, run, inputs, source, weighed))
    if not apart < CLOSE:
        raise TrialError(f"the ONNX graph differs from the model that was trained by {apart:.2g}")
    target = Path(out)
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(file.model)
    body = {
        "plan": taken,
        "bytes": len(file.model),
        "latency_ms": latency,
        "packed": file.walked,
        "onnx_max_difference": apart,
        "decision": weighed,
        **_test(run, inputs, source, weighed),
    }
    config = {
        "kind": "tables",
        "schema": source.schema.to_json(),
        "inputs": [i.name for i in whole.get_inputs()],
        "cells": [c.name for c in source.schema.used],
        "outputs": [o.name for o in whole.get_outputs()],
        "decision": weighed,
    }
    text = json.dumps(config, indent=1, ensure_ascii=False)
    (target / "config.json").write_text(text + "\n", encoding="utf-8", errors="surrogatepass")
    return body


def _first_within(
    plans: Sequence[Plan], source: Source, limits: Mapping[str, float], decision: Sequence[float]
) -> tuple[int, File, dict[str, float]]:
    """The place of the first plan one of whose files keeps the limits, that file and its latency; else -1, the smallest
    file and the least latency of those that were small enough to be timed."""
    smallest, quickest = File(b"", False), {"median": math.inf, "p90": math.inf}
    for i, (places, weights, power) in enumerate(plans):
        for file in files_of([Path(p) for p in places], weights, source, power, powered(decision, power)):
            if not smallest.model or len(file.model) < len(smallest.model):
                smallest = file
            if len(file.model) > limits.get("bytes", math.inf):
                continue
            latency = settled(session(file.model), source, limits.get("latency_ms", math.inf))
            if latency["median"] <= limits.get("latency_ms", math.inf):
                return i, file, latency
            quickest = min(quickest, latency, key=lambda found: found["median"])
    return -1, smallest, quickest


def _apart(run: Any, inputs: Sequence[str], block: Block, wanted: Array, source: Source) -> float:
    """The largest difference, a batch and single rows."""
    answer = ask(run, block.feed(inputs))
    scale = 1.0 if source.n_classes else max(float(source.y_train.std()), 1e-12)
    apart = float(np.abs(answer - wanted).max(initial=0)) / scale
    for i in {0, len(block) // 2, len(block) - 1}:
        one = run.run(None, block.take(np.array([i])).feed(inputs))[0]
        apart = max(apart, float(np.abs(one[0] - answer[i]).max()) / scale)
    return apart


def _read_apart(
    whole: Any, run: Any, inputs: Sequence[str], source: Source, decision: Sequence[float]
) -> float:
    """The largest difference between reading cells in the graph and reading them in Python: rows as the source has them,
    together and one of them alone, and a row of empty cells. TrialError where the class that is said does not follow."""
    sample = {name: [*cells, ""] for name, cells in source.sample.items()}
    cells = as_cells(sample, source.schema)
    block = Layout.of(source.schema).block(source.schema.features(sample))
    wanted = run.run(None, block.feed(inputs))[0]
    answer, *labels = whole.run(None, {CELLS: cells})
    if source.n_classes:
        said = (
            labels[0]
            == np.array(written_classes(source), object)[
                decided(answer, np.asarray(decision, np.float32)).argmax(1)
            ]
        )
        if not said.all():
            raise TrialError("the ONNX graph says other classes than its probabilities do")
    scale = 1.0 if source.n_classes else max(float(source.y_train.std()), 1e-12)
    one = whole.run(None, {CELLS: cells[:1]})[0]
    return max(float(np.abs(answer - wanted).max()), float(np.abs(one[0] - wanted[0]).max())) / scale


def _test(run: Any, inputs: Sequence[str], source: Source, decision: Sequence[float]) -> dict[str, Any]:
    """The delivered file on the test part: every metric of the task, and an interval for the share that is right."""
    y, block = source.y_test, source.test
    known = np.flatnonzero(y >= 0 if source.n_classes else np.isfinite(y))
    if not len(known):
        return {"test": {"n": 0}}
    answer = ask(run, block.take(known).feed(inputs)).astype(np.float64)
    y, task = y[known], source.schema.target.task
    told = decided(answer, np.asarray(decision))
    able = [m for m in METRICS.values() if task in m.tasks and fits(m, y)]
    test: dict[str, Any] = {m.name: m.score(y, told if m.labels else answer) for m in able}
    test["n"] = len(known)
    if not source.n_classes:
        return {"test": test}
    right = int((told.argmax(1) == y).sum())
    test["low"], test["high"] = _wilson(right, len(known))
    k = source.n_classes
    confusion = np.bincount(y * k + told.argmax(1), minlength=k * k).reshape(k, k)
    names = source.schema.target.classes
    totals = confusion.sum(1)
    per_class = [
        [names[i], int(totals[i]), float(confusion[i, i] / totals[i]) if totals[i] else None]
        for i in range(k)
    ]
    return {"test": test, "confusion": confusion.tolist() if k <= 50 else None, "per_class": per_class}


def _wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    p = right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def compare(one: str, other: str, setup: Mapping[str, Any], n_folds: int | None = None) -> dict[str, float]:
    """How much smaller the loss of trial folder `one` is than that of `other`, row by row on the first `n_folds` folds, or
    on all: mean and error."""
    source = open_source(str(setup["data"]))
    y = source.y_train
    losses = []
    for folder in (one, other):
        answer = out_of_fold(source, Path(folder), n_folds)
        known = np.isfinite(answer.reshape(len(y), -1)[:, 0])
        losses.append(row_losses(y[known], answer[known], source.n_classes))
    gain = losses[1] - losses[0]
    return {
        "gain": float(gain.mean()),
        "se": float(gain.std() / np.sqrt(len(gain))),
        "other": float(losses[1].mean()),
    }
