"""From a history to a model of its learning curves: which rows count, how losses are scaled, when it is fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from scipy.stats import rankdata

from seedleaf.core import History, State, Trial
from seedleaf.space.problem import Problem
from seedleaf.tuner.constraints import violation
from seedleaf.tuner.curve_fit import fit
from seedleaf.tuner.curve_gp import Hyper, Posterior, Rows
from seedleaf.tuner.evidence import vectors
from seedleaf.tuner.kernels import Array, Embedding, Ints
from seedleaf.tuner.scaled import standardised

GRID = 1.4  # of a curve the first step is taken, then every step at least so many times the one before, and the last
MOST = 300  # rows that predictions rest on: time grows with their square
FITTED = 150  # rows that hyper-parameters are fitted to: time grows with their cube
AGAIN = 1.4  # they are fitted anew when there are so many times more measurements
FIRST = 6
CREDIT = (0.3, 0.8)  # rank correlations of no trust and of full trust
BENEFIT = (0.7, 10)  # until there is evidence: a rank correlation, and how many curves it counts as


@dataclass(frozen=True)
class Model:
    """What the curves seen so far say of all others.

    `units` are all trials as unit vectors, `points` the same in the embedding; losses are standardised; `best` is the
    lowest that was seen, less the noise: a lucky draw is nothing to beat.
    """

    embedding: Embedding
    units: Array
    points: Array
    posterior: Posterior
    best: float
    full: int

    @classmethod
    def of(cls, problem: Problem, history: History) -> Model | None:
        """The model of a history; None before the first measurement. Running trials count as if they had reached their
        budgets with the losses that the model expects of them there."""
        embedding, units, points = _embedded(problem, history)
        told = _rows(problem, history, points, history.trials.values())
        if told is None:
            return None
        rows, losses = told
        hyper, _ = _hyper(problem, history, embedding, points)
        y = standardised(losses, rows)
        keep = thinned(rows, losses)
        rows, y = rows.take(keep), y[keep]
        posterior = Posterior.given(hyper, embedding.node, rows, y)
        best = float((y - hyper.noise * posterior.alpha).min())
        pending = history.running()[:MOST]
        if pending:
            ids = np.array([t.id for t in pending], dtype=np.intp)
            s = log_steps(np.array([t.budget for t in pending]), problem.full)
            guess = posterior.curves(points[ids], ids).mean(s)
            at = np.append(rows.at, ids)
            order = np.argsort(at, kind="stable")
            both = Rows(points, at[order], np.append(rows.s, s)[order])
            posterior = Posterior.given(hyper, embedding.node, both, np.append(y, guess)[order])
        return cls(embedding, units, points, posterior, best, problem.full)

    def ranking(self) -> Ints:
        """The trials that have been measured, the one first of which the lowest loss is expected in the end."""
        ids = np.unique(self.posterior.rows.at)
        return np.asarray(
            ids[np.argsort(self.posterior.curves(self.points[ids], ids).mean(np.ones(1)), kind="stable")]
        )


def log_steps(steps: Array | Ints, full: int) -> Array:
    """The logarithm of steps, 0 for the first and 1 for the last of a full training; all 1 where that has one step."""
    if full == 1:
        return np.ones(len(steps))
    return np.minimum(np.log(np.maximum(steps, 1)) / math.log(full), 1.0)


def thinned(rows: Rows, losses: Array, most: int = MOST) -> Ints:
    """At most `most` rows: the last of every curve first (the better half of them, and others spread evenly), then
    inner ones."""
    if len(rows) <= most:
        return np.arange(len(rows))
    last = np.append(rows.at[1:] != rows.at[:-1], True)
    ends, inner = np.flatnonzero(last), np.flatnonzero(~last)
    if len(ends) > most:
        order = ends[np.argsort(losses[ends], kind="stable")]
        good, others = order[: most // 2], order[most // 2 :]
        spread = np.linspace(0, len(others) - 1, most - len(good)).astype(np.intp)
        return np.sort(np.append(good, others[spread]))
    chosen = np.random.default_rng(len(rows)).permutation(inner)[: most - len(ends)]
    return np.sort(np.append(ends, chosen))


def _embedded(problem: Problem, history: History) -> tuple[Embedding, Array, Array]:
    """(embedding, unit vectors, points) of all trials; kept in the memo and extended."""
    units = vectors(problem.space, history)
    embedding, points = history.memo.get("points", (None, None))
    if embedding is None:
        embedding = Embedding.of(problem.space)
        points = np.empty((0, len(embedding.node)))
    if len(points) < len(units):
        points = np.vstack([points, embedding(units[len(points) :])])
        history.memo["points"] = embedding, points
    return embedding, units, points


def _rows(
    problem: Problem,
    history: History,
    points: Array,
    trials: Iterable[Trial],
    until: dict[int, int] | None = None,
) -> tuple[Rows, Array] | None:
    """What was measured, as rows and losses, shape (n,). With `until` only up to that step of each trial.

    A trial that failed counts as one loss as high as the highest, at the step that it did not reach.
    """
    at: list[int] = []
    steps: list[int] = []
    losses: list[float] = []
    kept = history.memo.setdefault("thin curves", {})
    for trial in trials:
        end = trial.step if until is None else until.get(trial.id, 0)
        if until is None and trial.state is State.FAILED:
            curve = [(end + 1, math.inf)]
        else:
            known, curve = kept.get(trial.id, (-1, []))
            if known != end:
                curve = _thin_curve(problem, trial, end)
                if until is None:
                    kept[trial.id] = end, curve
        at += [trial.id] * len(curve)
        steps += [step for step, _ in curve]
        losses += [loss for _, loss in curve]
    values = np.array(losses)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    values = np.where(np.isfinite(values), values, finite.max())
    return Rows(points, np.array(at, dtype=np.intp), log_steps(np.array(steps), problem.full)), values


def _thin_curve(problem: Problem, trial: Trial, end: int) -> list[tuple[int, float]]:
    """(step, loss) of a few steps, the first and the last among them; +inf beyond a measured limit."""
    objective, limits = problem.objectives[0], problem.measured_limits
    rows, due = [], 0.0
    for m in takewhile(lambda m: m.step <= end, trial.measurements):
        if m.step >= due or m.step == end:
            loss = objective.loss(m.metrics) if not limits or not violation(limits, m.metrics) else math.inf
            rows.append((m.step, loss))
            due = m.step * GRID
    return rows


def trust(problem: Problem, history: History) -> float:
    """How well the model knows configs that it has not seen, in [0, 1]: 1 where it puts them in the right order.

    The rank correlation of first losses with what the model expects of them without their own curves, cross-validated
    when hyper-parameters were last fitted; between 0 and 1 as it lies in CREDIT.
    """
    embedding, _, points = _embedded(problem, history)
    _, correlation = _hyper(problem, history, embedding, points)
    return min(max((correlation - CREDIT[0]) / (CREDIT[1] - CREDIT[0]), 0.0), 1.0)


def _hyper(problem: Problem, history: History, embedding: Embedding, points: Array) -> tuple[Hyper, float]:
    """Hyper-parameters fitted to the first 6, 9, 13, … measurements of the log, each fit beginning where the one before
    ended, and the rank correlation of `trust`: they depend on the log alone, so it does not matter whether they are
    still in the memo."""
    count: int = FIRST
    found: tuple[Hyper, float] | None = None
    while True:
        key = f"curves:{count}"
        if key not in history.memo:
            history.memo[key] = _fitted(problem, history, embedding, points, count, found)
        found = history.memo[key]
        following = int(count * AGAIN) + 1
        if following > len(history.told):
            return found
        count = following


def _fitted(
    problem: Problem,
    history: History,
    embedding: Embedding,
    points: Array,
    count: int,
    before: tuple[Hyper, float] | None,
) -> tuple[Hyper, float]:
    until = dict(sorted(history.told[:count]))  # of each trial the last step
    told = _rows(problem, history, points, (history.trials[i] for i in sorted(until)), until)
    if told is None:
        return before or (Hyper.centre(len(embedding.sizes), embedding.active), BENEFIT[0])
    rows, losses = told
    some = np.sort(np.random.default_rng(count).permutation(len(rows))[:FITTED])
    rows, losses = rows.take(some), losses[some]
    y = standardised(losses, rows)
    start = before[0] if before else None
    hyper = fit(embedding.node, rows, y, start, iterations=15, active=embedding.active)
    return hyper, _foresight(Posterior.given(hyper, embedding.node, rows, y), y)


def _foresight(posterior: Posterior, y: Array) -> float:
    """Rank correlation of the losses at the first step with what is expected there of each curve left out; few curves
    are no evidence against the model, and leave it near BENEFIT."""
    rows = posterior.rows
    first = np.flatnonzero(rows.s == rows.s.min())
    values, group = np.unique(y[first], return_inverse=True)  # equal losses may be one model twice
    if len(values) < 3:
        return BENEFIT[0]
    of_trial = dict(zip(rows.at[first].tolist(), group.tolist(), strict=True))
    block = np.array([of_trial.get(i, -1) for i in rows.at.tolist()])
    expected = posterior.left_out(y, block)
    found = float(np.corrcoef(rankdata(y[first]), rankdata(expected[first]))[0, 1])
    return (len(values) * found + BENEFIT[1] * BENEFIT[0]) / (len(values) + BENEFIT[1])
