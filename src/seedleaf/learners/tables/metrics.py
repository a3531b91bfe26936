"""What predictions are judged by. One row in `METRICS` is one metric; a loss per row is what paired tests compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seedleaf.errors import StudyError

Array = npt.NDArray[Any]
TINY = 1e-7


@dataclass(frozen=True)
class Metric:
    """`score(y, p)`: y labels and p probabilities (N, K), or numbers and p (N). `tasks` are those that it is for.

    `labels`: all that counts is the class with the largest p; `tuned`: and a rare class may be worth saying before it is the
    most probable one (decide.py).
    """

    name: str
    direction: Literal["min", "max"]
    tasks: tuple[str, ...]
    score: Callable[[Array, Array], float]
    labels: bool = False
    tuned: bool = False


def row_losses(y: Array, p: Array, n_classes: int) -> Array:
    """The proper loss of each row (N): negative log likelihood, or the squared error."""
    if n_classes == 0:
        return np.asarray((p.reshape(len(y), -1)[:, 0] - y) ** 2)
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], TINY)))


def absolute(y: Array, p: Array, n_classes: int = 0) -> Array:
    """The absolute error of each row (N)."""
    return np.asarray(np.abs(p.reshape(len(y), -1)[:, 0] - y))


def logloss(y: Array, p: Array) -> float:
    return float(row_losses(y, p, p.shape[1]).mean())


def error(y: Array, p: Array) -> float:
    return float((p.argmax(1) != y).mean())


def accuracy(y: Array, p: Array) -> float:
    return float((p.argmax(1) == y).mean())


def auc(y: Array, p: Array) -> float:
    """Area under the ROC curve; of many classes the mean of one against the rest, for classes that occur."""
    return _each(y, p, _area, 0.5)


def average_precision(y: Array, p: Array) -> float:
    """The mean precision over the steps at which the recall rises; of many classes as in `auc`."""
    return _each(y, p, _precision, 0.0)


def _each(y: Array, p: Array, score: Callable[[Array, Array], float], nothing: float) -> float:
    """The score of the second of two classes; of many the mean of one against the rest, for classes that occur."""
    found = [score(y == k, p[:, k]) for k in (range(1, 2) if p.shape[1] == 2 else range(p.shape[1]))]
    known = [a for a in found if np.isfinite(a)]
    return float(np.mean(known)) if known else nothing


def _precision(positive: Array, score: Array) -> float:
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits, ranked = np.cumsum(positive[order]), score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores stand together
    recall = hits[last] / hits[-1]
    return float((np.diff(recall, prepend=0.0) * hits[last] / (last + 1)).sum())


def _area(positive: Array, score: Array) -> float:
    n = int(positive.sum())
    if n in (0, len(positive)):
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share the mean of their ranks
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def recalls(y: Array, p: Array) -> Array:
    """The share that is right of each class that occurs."""
    right = p.argmax(1) == y
    return np.array([right[y == k].mean() for k in np.unique(y)])


def balanced_accuracy(y: Array, p: Array) -> float:
    return float(recalls(y, p).mean())


def f1(y: Array, p: Array) -> float:
    """Of two classes that of the second; of many the mean over the classes."""
    return float(np.nan_to_num(_f1(y, p)[1])) if p.shape[1] == 2 else macro_f1(y, p)


def macro_f1(y: Array, p: Array) -> float:
    """The mean over the classes that occur or are said."""
    found = _f1(y, p)
    known = found[np.isfinite(found)]
    return float(known.mean()) if len(known) else 0.0


def _f1(y: Array, p: Array) -> Array:
    """Of each class; NaN for one that neither occurs nor is said."""
    k, said = p.shape[1], p.argmax(1)
    hits = np.bincount(y[said == y], minlength=k).astype(np.float64)
    both = np.bincount(said, minlength=k) + np.bincount(y, minlength=k)
    return np.where(both > 0, 2 * hits / np.maximum(both, 1), np.nan)


def mcc(y: Array, p: Array) -> float:
    """Matthews' correlation of what is said with what is (of many classes: Gorodkin 2004); 0 where one is always said."""
    k, said = p.shape[1], p.argmax(1)
    true, told = np.bincount(y, minlength=k).astype(float), np.bincount(said, minlength=k).astype(float)
    n, right = float(len(y)), float((said == y).sum())
    below = (n * n - told @ told) * (n * n - true @ true)
    return float((right * n - true @ told) / np.sqrt(below)) if below > 0 else 0.0


def rmse(y: Array, p: Array) -> float:
    return float(np.sqrt(np.mean((y - p) ** 2)))


def mae(y: Array, p: Array) -> float:
    return float(absolute(y, p).mean())


def r2(y: Array, p: Array) -> float:
    spread = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - p) ** 2).sum()) / spread if spread else 0.0


def rmsle(y: Array, p: Array) -> float:
    """The error of logarithms: relative where numbers are large. For targets of 0 and more; an answer below counts as 0."""
    return rmse(np.log1p(np.maximum(y, 0.0)), np.log1p(np.maximum(p, 0.0)))


def mape(y: Array, p: Array) -> float:
    """The mean of errors as shares of the target, no target counting for less than a millionth of their mean size."""
    least = 1e-6 * float(np.abs(y).mean()) or 1.0
    return float((np.abs(y - p) / np.maximum(np.abs(y), least)).mean())


# The metrics that are means over rows, or hang on one: what each row adds to it.
BY_ROW: Mapping[str, Callable[[Array, Array, int], Array]] = {
    "logloss": row_losses,
    "rmse": row_losses,
    "r2": row_losses,
    "mae": absolute,
}

BOTH, REAL = ("binary", "multiclass"), ("regression",)
METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("logloss", "min", BOTH, logloss),
        Metric("error", "min", BOTH, error, labels=True),
        Metric("accuracy", "max", BOTH, accuracy, labels=True),
        Metric("auc", "max", BOTH, auc),
        Metric("average_precision", "max", BOTH, average_precision),
        Metric("balanced_accuracy", "max", BOTH, balanced_accuracy, labels=True, tuned=True),
        Metric("f1", "max", BOTH, f1, labels=True, tuned=True),
        Metric("macro_f1", "max", BOTH, macro_f1, labels=True, tuned=True),
        Metric("mcc", "max", BOTH, mcc, labels=True, tuned=True),
        Metric("rmse", "min", REAL, rmse),
        Metric("mae", "min", REAL, mae),
        Metric("r2", "max", REAL, r2),
        Metric("rmsle", "min", REAL, rmsle),
        Metric("mape", "min", REAL, mape),
    )
}
ALIASES = {
    "log_loss": "logloss",
    "roc_auc": "auc",
    "mse": "rmse",
    "pr_auc": "average_precision",
    "f1_macro": "macro_f1",
    "matthews": "mcc",
}
# A proper score tells configs apart with less noise than a count of mistakes does, and its winner ranks and decides well.
AUTO = {"binary": "logloss", "multiclass": "logloss", "regression": "rmse"}
SECOND = {"binary": ("error", "auc"), "multiclass": ("error",), "regression": ("mae", "r2")}


def fits(metric: Metric, y: Array) -> bool:
    """Can it be told of these targets?"""
    return metric.name != "rmsle" or bool(y.min(initial=0) >= 0)


def metric_for(task: str, wanted: str = "auto") -> Metric:
    """The metric by name; StudyError where it is unknown or not for that task."""
    name = AUTO[task] if wanted == "auto" else ALIASES.get(wanted, wanted)
    fitting = [m.name for m in METRICS.values() if task in m.tasks]
    if name not in fitting:
        raise StudyError(f"no metric for {task} is called {wanted!r}; there are: auto, {', '.join(fitting)}")
    return METRICS[name]
