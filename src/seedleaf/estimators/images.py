"""`ImageClassifier`: the main job behind scikit-learn's interface."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from seedleaf.api import fit
from seedleaf.data.arrays import FAINT
from seedleaf.data.scale import BEYOND
from seedleaf.estimators.folder import run_folder

Array = npt.NDArray[Any]
COLOUR_ROWS = 3072  # values of a row: those of a colour picture of 32×32


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Find and train a light image classifier within `time_limit`.

    The parameters mean what they mean to `seedleaf.fit`, and are checked by `fit`: `time_limit`, `max_params`, `max_macs`,
    `max_latency`, `max_bytes`, `preset`, `workers`, `out`, `learner`, `tradeoff` and `fidelity`; `random_state` is its seed.
    Its `memory`, `sampler`, `scheduler` and `inherit` are not among them. The whole front is `result_.front`.

    X is (N, H, W) or (N, H, W, C), uint8 or numbers, which are scaled by the range seen in `fit`; X that reaches twice as
    far is refused, and what stays within a sixteenth warned of. Rows of shape (N, D) are taken as square grey pictures where
    D is a square, else as pictures one pixel high; those of colour pictures are refused. y holds any labels. A part of X is
    kept back to measure the result: see `result_.best.metrics`. Without `out` the run's folder goes away with the estimator;
    a second fit with the same `out` lands beside the first, in `out`-2.
    """

    def __init__(
        self,
        time_limit: str | float = "10m",
        max_params: str | int | None = None,
        max_macs: str | int | None = None,
        max_latency: str | float | None = None,
        max_bytes: str | int | None = None,
        preset: str = "good",
        workers: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        out: str | Path | None = None,
        learner: str = "convnet",
        tradeoff: str = "",
        fidelity: str = "auto",
    ) -> None:
        self.time_limit = time_limit
        self.max_params = max_params
        self.max_macs = max_macs
        self.max_latency = max_latency
        self.max_bytes = max_bytes
        self.preset = preset
        self.workers = workers
        self.random_state = random_state
        self.out = out
        self.learner = learner
        self.tradeoff = tradeoff
        self.fidelity = fidelity

    def fit(self, X: Any, y: Any) -> ImageClassifier:
        """Search, train and export. ValueError where X or y cannot be used, BudgetError where the time is too short,
        LimitError where no network keeps the limits, StudyError where a parameter names nothing that there is, SpaceError
        where `learner` does."""
        X, y = validate_data(self, X, y, allow_nd=True, dtype=None, ensure_min_samples=4)
        X = _numeric(X)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"this classifier needs 2 classes, y holds one class: {self.classes_[0]!r}")
        self.pixels_ = X.dtype == np.uint8
        self.low_, self.high_ = (0.0, 255.0) if X.dtype == np.uint8 else (float(X.min()), float(X.max()))
        with run_folder(self) as folder:
            self.result_ = fit(
                (self._images(X), codes.astype(np.int64)),
                time_limit=self.time_limit,
                max_params=self.max_params,
                max_macs=self.max_macs,
                max_latency=self.max_latency,
                max_bytes=self.max_bytes,
                preset=self.preset,
                workers=self.workers,
                learner=self.learner,
                tradeoff=self.tradeoff,
                fidelity=self.fidelity,
                seed=seed_of(self.random_state),
                out=folder,
                command="ImageClassifier.fit",
            )
        # The model is opened now, so that it stays usable when the folder has gone.
        self._codes = np.array([int(name) for name in self.result_.classes])
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Class probabilities, (N, len(classes_)), columns in the order of `classes_`."""
        check_is_fitted(self)
        X = _numeric(validate_data(self, X, reset=False, allow_nd=True, dtype=None))
        given = self.result_.predict_proba(self._images(X)).astype(np.float64)
        out = np.zeros((len(X), len(self.classes_)))
        out[:, self._codes] = given
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The most probable label of each image."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    def _images(self, X: Array) -> npt.NDArray[np.uint8]:
        if X.ndim == 2:
            side = math.isqrt(X.shape[1])
            third = math.isqrt(X.shape[1] // 3)
            if 3 * third * third == X.shape[1] and (X.shape[1] >= COLOUR_ROWS or X.dtype == np.uint8):
                raise ValueError(
                    f"rows of {X.shape[1]} may be colour pictures of {third}×{third}, with channels first or last: give X "
                    f"as (N, {third}, {third}, 3), or as (N, 1, {X.shape[1]}) where they are none"
                )
            X = X.reshape(len(X), side, side) if side * side == X.shape[1] else X[:, None, :]
        if X.ndim == 3:
            X = X[..., None]
        if self.pixels_ and X.dtype == np.uint8:
            return np.ascontiguousarray(X)
        span = max(self.high_ - self.low_, 1e-12)
        self._check_scale(X, span)
        return np.clip(np.rint((X - self.low_) * (255.0 / span)), 0, 255).astype(np.uint8)

    def _check_scale(self, X: Array, span: float) -> None:
        """ValueError where X is on another scale than what was fitted, and would be answered with nonsense; a warning where
        it may be."""
        if not X.size:
            return
        reaches = X.reshape(len(X), -1).max(1)
        # A single picture that is too bright is cut; of most that are, the scale is another one.
        bright, high = float(np.quantile(reaches, 0.9)), float(reaches.max())
        parts_of_one = X.dtype.kind == "f" and high <= 1 and bool((X % 1 != 0).any())
        if bright - self.low_ >= BEYOND * span or (self.pixels_ and parts_of_one):
            raise ValueError(
                f"X reaches {bright:g}, but what was fitted went from {self.low_:g} to {self.high_:g}: bring X to its scale"
            )
        if 0 < high - float(X.min()) < span / FAINT:
            warnings.warn(
                f"X goes from {float(X.min()):g} to {high:g} only, what was fitted from {self.low_:g} to {self.high_:g}: is "
                "it on the same scale?",
                stacklevel=5,
            )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k != "_finalizer"}


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed of a run; a generator gives another one each time."""
    if random_state is None or isinstance(random_state, int):
        return int(random_state or 0)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _numeric(X: Array) -> Array:
    if X.ndim > 4:
        raise ValueError(f"X has {X.ndim} dimensions; images are (N, H, W) or (N, H, W, C)")
    return X if X.dtype == np.uint8 else X.astype(np.float64)


__all__ = ["ImageClassifier"]
