"""`TabularClassifier` and `TabularRegressor`: the search over a table behind scikit-learn's interface."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from seedleaf.api import fit
from seedleaf.data.spec import NO_TEST
from seedleaf.data.tables.cells import SURE, as_text
from seedleaf.estimators.folder import run_folder
from seedleaf.estimators.images import seed_of
from seedleaf.estimators.left_out import NAMED, left_out
from seedleaf.predicting.tables import TablePredictor

Array = npt.NDArray[Any]
FEWEST = 8  # rows: two folds of fewer say nothing


class _Tabular(BaseEstimator):  # type: ignore[misc]
    """What both have in common: the parameters, which are those of `seedleaf.fit`, and how X becomes columns."""

    def __init__(
        self,
        time_limit: str | float = "5m",
        metric: str | None = None,
        max_bytes: str | int | None = None,
        max_latency: str | float | None = None,
        memory: str | int | None = None,
        folds: int | None = None,
        families: str | Sequence[str] | None = None,
        group: str | None = None,
        order_by: str | None = None,
        keep: Sequence[str] | None = None,
        copies: str | None = None,
        workers: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.time_limit = time_limit
        self.metric = metric
        self.max_bytes = max_bytes
        self.max_latency = max_latency
        self.memory = memory
        self.folds = folds
        self.families = families
        self.group = group
        self.order_by = order_by
        self.keep = keep
        self.copies = copies
        self.workers = workers
        self.random_state = random_state
        self.out = out

    def _search(self, X: Any, goal: list[Any], task: str, positive: str | None = None) -> None:
        """Fit on columns `X` and what is to be predicted, texts or numbers, and keep the opened model."""
        frame = self._frame(X)
        split = self._split(frame, named=not isinstance(X, np.ndarray))
        name = "target"
        while name in frame.columns:
            name += "_"
        frame[name] = goal
        with run_folder(self) as folder:
            self.result_ = fit(
                frame,
                target=name,
                task=task,
                test=NO_TEST,
                time_limit=self.time_limit,
                metric=self.metric,
                max_bytes=self.max_bytes,
                max_latency=self.max_latency,
                memory=self.memory,
                folds=self.folds,
                families=self.families,
                group=split["group"],
                order_by=split["order_by"],
                keep=self.keep,
                copies=self.copies,
                positive=positive,
                workers=self.workers,
                seed=seed_of(self.random_state),
                out=folder,
                command=f"{type(self).__name__}.fit",
            )
        self._model = self.result_.predictor  # opened now, so that it stays usable when the folder has gone
        if isinstance(self._model, TablePredictor) and (gone := left_out(self._model.schema)):
            warnings.warn(gone, UserWarning, stacklevel=3)

    def _checked(self, X: Any, reset: bool) -> Any:
        """A frame as it is, its names and their number noted or compared; anything else as an array (N, D)."""
        if hasattr(X, "iloc") and hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and not X.shape[1]:
                raise ValueError(f"0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
            return X
        return validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")

    def _frame(self, X: Any) -> Any:
        """A frame of its own whose columns are named as text: as X has them, else x0, x1, …"""
        import pandas as pd

        if not isinstance(X, np.ndarray):
            frame = X.copy(deep=False)
            frame.columns = [as_text(name) for name in frame.columns]
            if not frame.columns.is_unique:
                raise ValueError("two columns of X have the same name")
            return frame
        return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])], copy=False)

    def _split(self, frame: Any, named: bool) -> dict[str, str | None]:
        """The columns that rows are split by, as texts. ValueError where X has none of that name."""
        asked = {"group": self.group, "order_by": self.order_by}
        if None not in asked.values():
            raise ValueError("rows are split by group or in order, not both: group and order_by are given")
        split = {option: None if column is None else as_text(column) for option, column in asked.items()}
        for option, column in split.items():
            if column is None:
                continue
            if not named:
                raise ValueError(
                    f"{option}={asked[option]!r} names a column: X must be a pandas DataFrame then"
                )
            if column not in frame.columns:
                names = ", ".join([*frame.columns[:NAMED]]) + (", …" if frame.shape[1] > NAMED else "")
                raise ValueError(f"{option}={asked[option]!r} is no column of X; there are: {names}")
        return split

    def export(self, path: str | Path) -> Path:
        """Write the one ONNX file to `path`: raw cells in, answers out; it needs ONNX Runtime alone. Returns `path`."""
        check_is_fitted(self)
        assert isinstance(self._model, TablePredictor)
        Path(path).write_bytes(self._model.model)
        return Path(path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.non_deterministic = True  # what is tried depends on the clock
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k != "_finalizer"}


class TabularClassifier(ClassifierMixin, _Tabular):  # type: ignore[misc]
    """Find and fit a classifier of rows within `time_limit`; the parameters are those of `seedleaf.fit`.

    X is a pandas DataFrame of numbers, texts, categories and dates, or an array (N, D); NaN and None are missing. y
    holds any labels. No row is held out, for scikit-learn's users test by themselves. The folds that models are judged on
    keep rows with the same cell in the column `group` together, or follow the column `order_by`; those need a DataFrame,
    and of the test that users make they know nothing. What is left out (copies of rows,
    columns that name a row or say the target) is a UserWarning, and stays with `copies="keep"` and `keep`. How good the
    winner was on rows that it had not seen stands in `result_.best.metrics["cross_validated"]`. F1 and its like are of
    `classes_[1]` where there are two. Without `out` the run's folder goes away with the estimator (`export` writes the
    model); a second fit with the same `out` lands beside the first, in `out`-2.
    """

    def fit(self, X: Any, y: Any) -> TabularClassifier:
        """Clean, search, fit, export. ValueError where X or y cannot be used, BudgetError where the time is too short."""
        if y is None:
            raise ValueError("this TabularClassifier requires y to be passed, but the target y is None")
        X, y = self._checked(X, reset=True), column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        _enough(len(y))
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"this classifier needs 2 classes, y holds one class: {self.classes_[0]!r}")
        names = [as_text(label) for label in self.classes_]
        if len(set(names)) < len(names) or any(name.lower() in SURE for name in names):
            names = [f"class {k}" for k in range(len(names))]  # as texts they would be missing, or the same
        positive = names[1] if len(names) == 2 else None  # of two, as scikit-learn has it
        self._search(X, [names[k] for k in codes], "classification", positive)
        self._places = [names.index(name) for name in self.result_.classes]
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Class probabilities, (N, len(classes_)), columns in the order of `classes_`."""
        check_is_fitted(self)
        given = self._model.probabilities(self._frame(self._checked(X, reset=False))).astype(np.float64)
        out = np.zeros((len(given), len(self.classes_)))
        out[:, self._places] = given
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The label that is said of each row: the most probable one, or by the threshold that the metric asks for."""
        check_is_fitted(self)
        said = self._model.predict(self._frame(self._checked(X, reset=False)))
        place = dict(zip(self.result_.classes, self._places, strict=True))
        return np.asarray(self.classes_[[place[name] for name in said]])


class TabularRegressor(RegressorMixin, _Tabular):  # type: ignore[misc]
    """Find and fit a model that predicts a number for each row; X and the parameters as in `TabularClassifier`."""

    def fit(self, X: Any, y: Any) -> TabularRegressor:
        """Clean, search, fit, export. ValueError where X or y cannot be used, BudgetError where the time is too short."""
        if y is None:
            raise ValueError("this TabularRegressor requires y to be passed, but the target y is None")
        X, y = self._checked(X, reset=True), column_or_1d(y, dtype=np.float64, warn=True)
        check_consistent_length(X, y)
        _enough(len(y))
        if not np.isfinite(y).all():
            raise ValueError("y contains NaN or infinity")
        self._search(X, y.tolist(), "regression")
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """The value of each row, (N)."""
        check_is_fitted(self)
        answer = self._model.predict(self._frame(self._checked(X, reset=False)))
        return np.asarray(answer, np.float64)


def _enough(n: int) -> None:
    if n < FEWEST:
        raise ValueError(f"n_samples={n} are too few: at least {FEWEST} are needed (one sample says nothing)")


__all__ = ["TabularClassifier", "TabularRegressor"]
