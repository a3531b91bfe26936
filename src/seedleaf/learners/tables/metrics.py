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
    """`score(y, p)`: y labels and p probabilities (N, K), or numbers and p (N). `tasks` are those that it is for."""

    name: str
    direction: Literal["min", "max"]
    tasks: tuple[str, ...]
    score: Callable[[Array, Array], float]


def row_losses(y: Array, p: Array, n_classes: int) -> Array:
    """The proper loss of each row (N): negative log likelihood, or the squared error."""
    if n_classes == 0:
        return np.asarray((p.reshape(len(y), -1)[:, 0] - y) ** 2)
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], TINY)))


def logloss(y: Array, p: Array) -> float:
    return float(row_losses(y, p, p.shape[1]).mean())


def error(y: Array, p: Array) -> float:
    return float((p.argmax(1) != y).mean())


def auc(y: Array, p: Array) -> float:
    """Area under the ROC curve; of many classes the mean of one against the rest, for classes that occur."""
    areas = [_area(y == k, p[:, k]) for k in (range(1, 2) if p.shape[1] == 2 else range(p.shape[1]))]
    known = [a for a in areas if np.isfinite(a)]
    return float(np.mean(known)) if known else 0.5


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
    """Of two classes that of the second (the rarer one is what people mean); of many the mean over the classes."""
    said = p.argmax(1)
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    found = []
    for k in classes:
        hit = float(((said == k) & (y == k)).sum())
        found.append(2 * hit / max(float((said == k).sum() + (y == k).sum()), 1.0))
    return float(np.mean(found))


def rmse(y: Array, p: Array) -> float:
    return float(np.sqrt(np.mean((y - p) ** 2)))


def mae(y: Array, p: Array) -> float:
    return float(np.abs(y - p).mean())


def r2(y: Array, p: Array) -> float:
    spread = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - p) ** 2).sum()) / spread if spread else 0.0


BOTH, TWO, REAL = ("binary", "multiclass"), ("binary",), ("regression",)
METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("logloss", "min", BOTH, logloss),
        Metric("error", "min", BOTH, error),
        Metric("auc", "max", BOTH, auc),
        Metric("balanced_accuracy", "max", BOTH, balanced_accuracy),
        Metric("f1", "max", BOTH, f1),
        Metric("rmse", "min", REAL, rmse),
        Metric("mae", "min", REAL, mae),
        Metric("r2", "max", REAL, r2),
    )
}
ALIASES = {"accuracy": "error", "log_loss": "logloss", "roc_auc": "auc", "mse": "rmse"}
# A proper score tells configs apart with less noise than a count of mistakes does, and its winner ranks and decides well.
AUTO = {"binary": "logloss", "multiclass": "logloss", "regression": "rmse"}
SECOND = {"binary": ("error", "auc"), "multiclass": ("error",), "regression": ("mae", "r2")}


def metric_for(task: str, wanted: str = "auto") -> Metric:
    """The metric by name; StudyError where it is unknown or not for that task."""
    name = AUTO[task] if wanted == "auto" else ALIASES.get(wanted, wanted)
    fitting = [m.name for m in METRICS.values() if task in m.tasks]
    if name not in fitting:
        raise StudyError(f"no metric for {task} is called {wanted!r}; there are: auto, {', '.join(fitting)}")
    return METRICS[name]
