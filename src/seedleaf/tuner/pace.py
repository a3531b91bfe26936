"""What a config's steps cost in seconds: measured for trials, predicted for others by a regression over the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seedleaf.core import Config, History, Trial
from seedleaf.space.encode import encode
from seedleaf.space.problem import Problem
from seedleaf.tuner.kernels import Array, Embedding

LEAST = 5  # trials with seconds before anything is predicted
MOST = 400  # trials that a regression rests on, the latest
# The prior: one unit of log cost known beforehand (MACs, params) is about one of log seconds shared among them; over the
# whole range of a parameter log seconds change by about one; what remains is noise.
KNOWN, RANGE, NOISE = 0.7, 0.7, 0.25


def seconds_to(trial: Trial, step: int) -> float:
    """Seconds that the trial took for its steps up to `step`; 0 where its log tells none."""
    return sum(m.seconds for m in trial.measurements if m.step <= step)


@dataclass(frozen=True)
class Pace:
    """log seconds of a first rung = mean + (features - centre) · weights: Bayesian linear regression.

    Features are the points of the embedding and the logarithms of the costs that `problem` knows of a config. Trials are
    compared over the same steps, so it does not matter that later steps may cost more (`train.ramp`).
    """

    problem: Problem
    embedding: Embedding
    mean: float
    centre: Array
    weights: Array

    @classmethod
    def of(cls, problem: Problem, history: History, known: bool = True) -> Pace | None:
        """The model of a history, with or without the costs that are `known` beforehand; None while fewer than LEAST
        trials have told how long they took. It is kept in the memo until the log tells more.
        """
        key = f"pace:{known}"
        kept = history.memo.get(key, (-1, None))
        if kept[0] == len(history.told):
            return kept[1]  # type: ignore[no-any-return]
        low = problem.rungs[0]
        timed = [(t, seconds_to(t, low)) for t in history.trials.values() if t.step >= low]
        timed = [(t, seconds) for t, seconds in timed if seconds > 0][-MOST:]
        found = cls._fitted(problem, history, timed, known) if len(timed) >= LEAST else None
        history.memo[key] = len(history.told), found
        return found

    @classmethod
    def _fitted(
        cls, problem: Problem, history: History, timed: Sequence[tuple[Trial, float]], known: bool
    ) -> Pace:
        embedding = history.memo.get("pace embedding") or Embedding.of(problem.space)
        history.memo["pace embedding"] = embedding
        rows = history.memo.setdefault("pace rows", {})
        for trial, _ in timed:
            if trial.id not in rows:
                rows[trial.id] = _features(problem, embedding, trial.config)
        x = np.array([rows[trial.id] for trial, _ in timed])
        y = np.log([seconds for _, seconds in timed])
        centre, mean = x.mean(0), float(y.mean())
        columns = len(embedding.node)
        told = KNOWN / math.sqrt(max(x.shape[1] - columns, 1)) if known else 0.0
        prior = np.where(np.arange(x.shape[1]) < columns, RANGE, told)
        inner = (x - centre) * prior
        gram = inner.T @ inner + NOISE**2 * np.eye(x.shape[1])
        weights = prior * np.linalg.solve(gram, inner.T @ (y - mean))
        return cls(problem, embedding, mean, centre, weights)

    def log_seconds(self, config: Config) -> float:
        """The logarithm of the seconds that a first rung of `config` is expected to take."""
        row = _features(self.problem, self.embedding, config)
        return self.mean + float((row - self.centre) @ self.weights)

    def of_points(self, points: Array) -> Array:
        """The same for many points of the embedding, shape (n, columns), of a model without known costs."""
        columns = points.shape[1]
        return np.asarray(self.mean + (points - self.centre[:columns]) @ self.weights[:columns])


def _features(problem: Problem, embedding: Embedding, config: Config) -> Array:
    point = embedding(encode(problem.space, config)[None])[0]
    costs = problem.costs(config)
    return np.append(point, [math.log(max(float(costs[name]), 1e-9)) for name in sorted(costs)])
