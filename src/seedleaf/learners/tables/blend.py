"""A few good configs beside each other (Caruana et al. 2004), and probabilities that mean what they say: both from answers
for training rows by models that had not seen them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.cost import FORMS, in_form, limits_of, reader_costs
from seedleaf.learners.tables.decide import decision
from seedleaf.learners.tables.metrics import BY_ROW, metric_for, row_losses
from seedleaf.learners.tables.plain import FEW, tie
from seedleaf.learners.tables.source import Source, open_source
from seedleaf.learners.tables.trial import out_of_fold

Array = npt.NDArray[Any]
Keeps = Callable[[Sequence[int]], bool]
DRAWS = 12  # a weight is a multiple of a twelfth
MEMBERS = 4  # each is in the file
LOOKED_AT = 10_000  # rows are enough to weigh by
WORTH = 0.002  # of the loss: a member that brings less is not worth its bytes
POWERS = tuple(np.exp(np.linspace(np.log(0.4), np.log(2.5), 23)))


def blend(
    folders: Sequence[str],
    setup: Mapping[str, Any],
    n_folds: int,
    costs: Sequence[Mapping[str, float]] = (),
    plainness: Sequence[int] = (),
) -> dict[str, Any]:
    """Weights of the trials in `folders`, best first, all of which have done `n_folds` folds; and the power of the
    probabilities.

    Judged by the metric where that is smooth, else by log loss: a count of mistakes is too coarse to weigh by. `costs`: of
    each a file with it alone, where limits are to be kept: only such are blended as keep them together. Returns
    {"weights", "power", "before", "after"}, and what decide.decision says of the blend: {"decision"}.
    """
    source = open_source(str(setup["data"]))
    y = source.y_train
    known = np.flatnonzero(_finite(out_of_fold(source, Path(folders[0]), n_folds)))
    if len(known) > LOOKED_AT:
        known = np.sort(np.random.default_rng(0).choice(known, LOOKED_AT, replace=False))
    answers = [out_of_fold(source, Path(f), n_folds)[known] for f in folders]  # one is held whole at a time
    whole = np.all([_finite(a) for a in answers], axis=0)
    y, answers = y[known][whole], [a[whole] for a in answers]
    by_row = BY_ROW.get(str(setup["metric"]), row_losses)
    squared = not source.n_classes and by_row is row_losses

    def losses(y: Array, p: Array) -> Array:
        return by_row(y, p, source.n_classes)

    def loss(p: Array) -> float:
        value = float(losses(y, p).mean())
        return float(np.sqrt(value)) if squared else value

    keeps = _rule(costs, limits_of(setup), source)
    counts = _greedy(answers, loss, keeps)
    weights = counts / counts.sum()
    mixed = np.asarray(sum(w * a for w, a in zip(weights, answers, strict=True)))
    # Few rows are few of the table, not of those that have been judged; and a lead is one in the metric that was asked for.
    may_tie = bool(plainness) and len(source.y_train) <= FEW and str(setup["metric"]) in BY_ROW
    tied = tie(y, losses, answers, weights, mixed, plainness, keeps) if may_tie else None
    if tied is not None:
        weights = np.eye(len(answers))[tied[0]]
        mixed = answers[tied[0]]
    power, after = 1.0, loss(mixed)
    if source.n_classes and setup["metric"] in ("logloss", "error", "accuracy"):
        power, after = _calibrated(mixed, loss)
    said = decision(metric_for(source.schema.target.task, str(setup["metric"])), y, mixed)
    return {
        "weights": weights.tolist(),
        "power": power,
        "before": loss(answers[0]),
        "after": after,
        "decision": said,
        "tied": None
        if tied is None
        else {"lead": tied[1], "se": tied[2], "members": np.flatnonzero(counts).tolist()},
    }


def _finite(answer: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(answer.reshape(len(answer), -1)).all(1))


def _rule(costs: Sequence[Mapping[str, float]], limits: Mapping[str, float], source: Source) -> Keeps:
    """Whether models together keep the limits, all in one form: each adds what it costs over the reading of cells."""
    if not limits or not costs:
        return lambda chosen: True
    base = reader_costs(source)
    forms = [[in_form(of, form) for of in costs] for form in FORMS]

    def keeps(chosen: Sequence[int]) -> bool:
        return any(
            all(
                base[k] + sum(max(of[i][k] - base[k], 0.0) for i in chosen) <= most
                for k, most in limits.items()
            )
            for of in forms
        )

    return keeps


def _greedy(
    answers: Sequence[Array], loss: Callable[[Array], float], keeps: Keeps
) -> npt.NDArray[np.float64]:
    """How often each answer is drawn, with replacement, each time the one that leaves the least loss."""
    counts = np.zeros(len(answers))
    total = answers[0].astype(np.float64)
    counts[0], best = 1, loss(answers[0])
    found, least = counts.copy(), best
    for draw in range(1, DRAWS):
        members = [int(i) for i in np.flatnonzero(counts)]
        able = [i for i in range(len(answers)) if i in members or keeps([*members, i])]
        able = members if len(members) >= MEMBERS else able
        tried = [(loss((total + answers[i]) / (draw + 1)), i) for i in able]
        best, i = min(tried)
        total, counts[i] = total + answers[i], counts[i] + 1
        # Every member more than before has to pay for its bytes.
        more = int(np.count_nonzero(counts) - np.count_nonzero(found))
        if best < least * (1 - WORTH * max(more, 0)) - 1e-12:
            found, least = counts.copy(), best
    return found


def _calibrated(p: Array, loss: Callable[[Array], float]) -> tuple[float, float]:
    """The power of probabilities (a temperature, Guo et al. 2017) of the least loss; 1 unless it gains a hundredth."""
    logs = np.log(np.maximum(p, 1e-12))
    tried = []
    for power in POWERS:
        z = power * logs
        q = np.exp(z - z.max(1, keepdims=True))
        tried.append((loss(q / q.sum(1, keepdims=True)), float(power)))
    plain = loss(p)
    least, power = min(tried)
    return (power, least) if least < 0.99 * plain else (1.0, plain)
