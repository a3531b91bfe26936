"""From probabilities to a class: where the most probable one is not the best answer, what is weighed against what.

f1, balanced accuracy and Matthews' correlation count rare classes for more than their rows, and the most probable class is
then seldom a rare one. A decision is a weight for each class: said is the class whose weighted probability is largest. Of
two classes that is a threshold. It is chosen on answers for rows that the models had not seen (Elkan 2001; Lipton, Elkan and
Naryanaswamy 2014), and kept only where rows that it was not chosen on gain by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.metrics import Metric

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
STEPS = 99  # thresholds that are tried: quantiles of what is told of the second class
STRENGTHS = np.linspace(0.0, 1.2, 13)  # of many classes: how strongly rare ones are favoured
SMOOTH = 5  # neighbouring thresholds whose scores are averaged: a peak of one is chance
REPEATS = 5  # ways to halve the rows when a decision is put to the test


def decided(p: Array, weights: Array | None) -> Array:
    """Probabilities (N, K) so weighed that the largest says the class."""
    return p if weights is None or not len(weights) else p * np.asarray(weights)


def choose(goal: Metric, y: Array, p: Array) -> Floats:
    """The weights of the classes (K), summing to one, under which `goal` is best on these rows."""
    tried = np.array(list(_candidates(y, p)))
    sign = 1.0 if goal.direction == "max" else -1.0
    scores = np.array([sign * goal.score(y, p * w) for w in tried])
    if p.shape[1] == 2 and len(tried) > SMOOTH:
        wide = np.pad(scores, SMOOTH // 2, mode="edge")
        scores = np.convolve(wide, np.full(SMOOTH, 1 / SMOOTH), mode="valid")
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return np.asarray(tried[best[len(best) // 2]])


def _candidates(y: Array, p: Array) -> Iterator[Floats]:
    k = p.shape[1]
    if k == 2:
        cuts = np.unique(np.quantile(p[:, 1], (np.arange(STEPS) + 0.5) / STEPS))
        for cut in np.unique(np.append(np.clip(cuts, 1e-6, 1 - 1e-6), 0.5)):
            yield np.array([cut, 1 - cut])
        return
    shares = (np.bincount(y, minlength=k) + 1.0) / (len(y) + k)
    for strength in STRENGTHS:
        weights = shares**-strength
        yield weights / weights.sum()


def crossed(goal: Metric, y: Array, p: Array, turn: int = 0) -> float:
    """`goal` under decisions each of which was chosen on the other half of the rows; as it is where it is not tuned."""
    if not goal.tuned or len(y) < 4:
        return goal.score(y, p)
    order = np.argsort(y, kind="stable")
    if turn:
        shuffled = np.random.default_rng(turn).permutation(len(y))
        order = shuffled[np.argsort(y[shuffled], kind="stable")]
    half = np.empty(len(y), bool)
    half[order] = np.arange(len(y)) % 2 == 0  # each has its share of every class
    whole = np.empty(p.shape)
    for part in (half, ~half):
        whole[part] = p[part] * choose(goal, y[~part], p[~part])
    return goal.score(y, whole)


def decision(goal: Metric, y: Array, p: Array) -> dict[str, Any]:
    """What is delivered with probabilities of which `p` are those for unseen rows: {"weights", "before", "after"}.

    `before` is `goal` with the most probable class, `after` with decisions chosen on other rows. The weights are empty where
    that gains nothing.
    """
    before = goal.score(y, p)
    if not goal.tuned:
        return {"weights": [], "before": before, "after": before}
    after = float(np.mean([crossed(goal, y, p, turn) for turn in range(1, REPEATS + 1)]))
    sign = 1.0 if goal.direction == "max" else -1.0
    if sign * (after - before) <= 0:
        return {"weights": [], "before": before, "after": before}
    return {"weights": choose(goal, y, p).tolist(), "before": before, "after": after}


def powered(weights: Sequence[float], power: float) -> list[float]:
    """The same decision for probabilities that were raised to a power."""
    raised = np.asarray(weights, np.float64) ** power
    return [float(w) for w in raised / raised.sum()] if len(raised) else []


def threshold(weights: Sequence[float]) -> float:
    """From which probability on the second of two classes is said."""
    return float(weights[0] / (weights[0] + weights[1])) if len(weights) == 2 else 0.5
