"""What a run hands back: `result.best`, `result.predict(x)`, `result.trials`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, History, Trial
from seedleaf.errors import RunError, first_line
from seedleaf.folder import read_history
from seedleaf.predicting.images import Floats, Predictor
from seedleaf.predicting.tables import TablePredictor, is_table

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

DELIVERED = ("model.onnx", "config.json", "metrics.json")  # the model card may go


@dataclass(frozen=True)
class Best:
    """The delivered model: its config, its measured metrics and its folder."""

    config: Config
    metrics: dict[str, Any]
    path: Path


@dataclass(frozen=True)
class Result:
    """A run that has delivered. `history` is the fold of its log."""

    folder: Path
    history: History
    best: Best

    @classmethod
    def open(cls, folder: Path | str) -> Result:
        """The result in a run's folder. RunError where it is no run, has delivered nothing, or that is gone."""
        folder = Path(folder)
        history = read_history(folder)
        final = history.note("final")
        if final is None:
            raise RunError(f"{folder} has delivered no model yet: seedleaf resume {shlex.quote(str(folder))}")
        best = folder / "best"
        for name in DELIVERED:
            if not (best / name).is_file():
                raise RunError(f"{best / name} is missing: seedleaf resume {shlex.quote(str(folder))}")
        try:
            metrics = json.loads((best / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{best / 'metrics.json'} cannot be read: {first_line(error)}") from None
        return cls(folder, history, Best(final["config"], metrics, best))

    @property
    def front(self) -> list[Best]:
        """The networks that were delivered, lightest first: the best one and those that give away accuracy for size; or
        the quickest first, and for speed, where the search was against latency."""
        return [self._delivered(str(row["folder"])) for row in self.front_rows]

    @property
    def front_rows(self) -> list[dict[str, Any]]:
        """What was measured of each of them; the best alone where no other was worth delivering."""
        rows = (self.history.note("front") or {}).get("members")
        return list(rows) if rows else [{"folder": "best", **self.best.metrics}]

    def _delivered(self, folder: str) -> Best:
        if folder == "best":
            return self.best
        path = self.folder / folder
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))["config"]
            metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"{path} holds no delivered network any more") from None
        return Best(config, metrics, path)

    @property
    def importance(self) -> list[dict[str, Any]]:
        """Of a table, by how much the metric gets worse when a column is shuffled: rows of column, mean and spread over the
        shuffles (None where there was one), most important first; empty where nothing was shuffled. Of test rows; with
        fewer than 20 of them, of training rows."""
        rows = (self.history.note("importance") or {}).get("columns") or []
        return [dict(zip(("column", "mean", "spread"), row, strict=True)) for row in rows]

    @cached_property
    def predictor(self) -> Predictor | TablePredictor:
        return (TablePredictor if is_table(self.folder) else Predictor).open(self.folder)

    def predict(self, x: Any) -> list[str] | npt.NDArray[Any]:
        """The most probable class name of each image (uint8 (N, H, W, C), or numbers as in training, scaled as there), or of
        each row of a table (a file, a DataFrame, a mapping of names to columns); its value where the target is a number."""
        return self.predictor.predict(x)

    def predict_proba(self, x: Any) -> Floats:
        """Class probabilities, (N, classes), in the order of `classes`."""
        return self.predictor.probabilities(x)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.predictor.classes

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial: state, step, seconds, reason, its last metrics, and its config (columns config.*)."""
        return trials_frame(list(self.history.trials.values()))


def trials_frame(trials: list[Trial]) -> pd.DataFrame:
    """One row per trial; the columns of parameters that a trial does not have are missing values."""
    import pandas as pd

    rows = [
        {
            "trial": t.id,
            "state": str(t.state),
            "step": t.step,
            "seconds": t.seconds,
            "reason": t.reason,
            **t.metrics,
            **{f"config.{k}": v for k, v in t.config.items()},
        }
        for t in trials
    ]
    frame = pd.DataFrame(rows)
    return frame.set_index("trial") if rows else frame
