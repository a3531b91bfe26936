"""One config fitted on rows of a table: its features, its family's model, the scale of the target; and all that as ONNX."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError, first_line
from seedleaf.learners.tables.block import Block
from seedleaf.learners.tables.features import Features, fit_features
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Model, Rows
from seedleaf.learners.tables.registry import split_config

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted config. `present` are the classes that its rows had; a class that they had not gets no probability."""

    features: Features
    model: Model
    n_classes: int
    present: tuple[int, ...]
    middle: float = 0.0
    spread: float = 1.0

    @property
    def rounds(self) -> int:
        return self.model.rounds

    def predict(self, block: Block) -> Floats:
        """Probabilities (N, n_classes), or values (N)."""
        answer = self.model.predict(self.features.apply(block))
        if self.n_classes == 0:
            return answer[:, 0] * self.spread + self.middle
        if len(self.present) == self.n_classes:
            return answer
        out = np.zeros((len(block), self.n_classes))
        out[:, list(self.present)] = answer
        return out

    def graph(self, g: Graph) -> str:
        """Float32 (N, n_classes), or float64 (N, 1)."""
        answer = self.model.graph(g, self.features.graph(g))
        if self.n_classes == 0:
            wide = g.cast(answer, "float64")
            scaled = g.add("Mul", wide, g.constant(self.spread))
            return g.add("Add", scaled, g.constant(self.middle))
        if len(self.present) == self.n_classes:
            return answer
        place = np.zeros((len(self.present), self.n_classes))
        place[range(len(self.present)), list(self.present)] = 1.0
        return g.dense(answer, place, None)


def fit_config(
    config: Mapping[str, Any],
    train: Block,
    y: Array,
    n_classes: int,
    effort: Effort,
    valid: tuple[Block, Array] | None = None,
) -> Fitted:
    """Fit `config` on the rows of `train`; `valid` may only say when to stop. TrialError where nothing comes of it."""
    family, own = split_config(config)
    rng = np.random.default_rng(effort.seed)
    present: tuple[int, ...] = ()
    middle, spread = 0.0, 1.0
    if n_classes:
        present = tuple(int(k) for k in np.unique(y))
        if len(present) < 2:
            raise TrialError("the training rows of a fold have one class")
        y = np.searchsorted(present, y)
    else:
        middle = float(y.mean())
        spread = float(y.std()) or 1.0
        y = (y - middle) / spread
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            features, x = fit_features(train, y, len(present), own, rng, family.native)
            rows = Rows(x, y, len(present), features.n_smooth)
            watched = None if valid is None else _watched(features, valid, present, n_classes, middle, spread)
            if effort.room is not None:
                effort = replace(effort, room=max(effort.room - _size(features), 0))
            model = family.fit(own, rows, watched, effort)
    except (ValueError, np.linalg.LinAlgError, ArithmeticError) as error:
        raise TrialError(f"{family.name} failed: {first_line(error)}") from error
    except MemoryError as error:
        raise TrialError(f"out of memory: {family.name} on {len(train)} rows") from error
    return Fitted(features, model, n_classes, present, middle, spread)


def _size(features: Features) -> int:
    """Bytes that the features take in a file."""
    g = Graph()
    features.graph(g)
    return g.size


def _watched(
    features: Features,
    valid: tuple[Block, Array],
    present: tuple[int, ...],
    n_classes: int,
    middle: float,
    spread: float,
) -> Rows | None:
    """The validation rows as the model sees its own: without those of classes that it does not know."""
    block, y = valid
    if n_classes == 0:
        return Rows(features.apply(block), (y - middle) / spread, 0, features.n_smooth)
    known = np.flatnonzero(np.isin(y, present))
    if not len(known):
        return None
    labels = np.searchsorted(present, y[known])
    return Rows(features.apply(block.take(known)), labels, len(present), features.n_smooth)
