"""From a block of rows to the matrix that a model takes: the features of one config, fitted on training rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.block import Block
from seedleaf.learners.tables.categories import Lookup, encode
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.numbers import Numbers
from seedleaf.learners.tables.select import pairs_of, select
from seedleaf.learners.tables.texts import Grams

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """Fitted features. The matrix has the numbers first (`n_smooth` columns), then products, categories and words."""

    numbers: Numbers | None
    pairs: tuple[tuple[int, int], ...]
    lookup: Lookup | None
    words: tuple[Grams, ...] = ()
    chosen: tuple[int, ...] | None = None
    n_smooth: int = 0
    width: int = field(default=0)

    def apply(self, block: Block) -> Matrix:
        """float32 (N, width)."""
        numbers = self.numbers.apply(block.numbers) if self.numbers else np.zeros((len(block), 0))
        lookup = self.lookup.apply(block.codes) if self.lookup else np.zeros((len(block), 0))
        return self._finish(numbers, lookup, block)

    def _finish(self, numbers: Floats, lookup: Floats, block: Block) -> Matrix:
        parts = [numbers]
        if self.pairs:
            left, right = (list(side) for side in zip(*self.pairs, strict=True))
            parts.append(numbers[:, left] * numbers[:, right])
        parts.append(lookup)
        base = len(block.layout.categories)
        parts += [w.apply(block.words[w.column - base]) for w in self.words]
        x = np.concatenate(parts, axis=1)
        return np.ascontiguousarray(x if self.chosen is None else x[:, list(self.chosen)], np.float32)

    def graph(self, g: Graph) -> str:
        """float32 (N, width), the same numbers."""
        parts = []
        if self.numbers and self.numbers.width:
            parts.append(self.numbers.graph(g))
        if self.pairs:
            left, right = (list(side) for side in zip(*self.pairs, strict=True))
            parts.append(g.add("Mul", g.gather(parts[0], left), g.gather(parts[0], right)))
        if self.lookup and self.lookup.width:
            parts.append(self.lookup.graph(g))
        parts += [w.graph(g) for w in self.words]
        if not parts:
            raise ValueError("no features are left")
        x = g.concat(parts)
        return g.cast(x if self.chosen is None else g.gather(x, self.chosen), "float32")


def fit_features(
    block: Block,
    y: npt.NDArray[Any],
    n_classes: int,
    own: Mapping[str, Any],
    rng: np.random.Generator,
    native: bool = False,
) -> tuple[Features, Matrix]:
    """Features of the config `own` fitted on `block` and `y` (labels, or numbers where n_classes is 0), and the matrix of
    those rows, in which target encodings are cross-fitted. `native`: missing numbers stay missing."""
    layout = block.layout
    numbers = None
    made = np.zeros((len(block), 0))
    if layout.numbers:
        dates = layout.dates if own.get("dates", "parts") == "parts" else ()
        # A column without gaps in training may have one later: a model that wants every value gets it filled even so.
        impute = "native" if native else str(own.get("impute", "median"))
        numbers = Numbers.fit(block.numbers, dates, str(own.get("numbers", "plain")), impute)
        made = numbers.apply(block.numbers)
    lookup, coded = None, np.zeros((len(block), 0))
    if layout.categories:
        how = str(own.get("encode", "ordinal"))
        lookup, coded = encode(layout.levels, block.codes, y, n_classes, how, rng)
    words = []
    if layout.words and (size := int(own.get("words", 64))):
        for j, texts in enumerate(block.words):
            found = Grams.fit(texts, len(layout.categories) + j, str(own.get("text", "words")), size)
            words += [found] if found.width else []
    pairs: tuple[tuple[int, int], ...] = ()
    if numbers is not None and own.get("products"):
        pairs = pairs_of(made, y, n_classes, int(own["products"]), rng)
    whole = Features(numbers, pairs, lookup, tuple(words))
    x = whole._finish(made, coded, block)
    n_smooth = made.shape[1]
    chosen = None
    if own.get("select", "none") != "none" and x.shape[1] > 2:
        keep = max(2, round(float(own["select.keep"]) * x.shape[1]))
        often = float(own.get("select.often", 0.6))
        chosen = select(x, y, n_classes, str(own["select"]), keep, rng, often)
        x = np.ascontiguousarray(x[:, list(chosen)])
        n_smooth = sum(c < n_smooth for c in chosen)
    if not x.shape[1]:
        raise ValueError("no features are left: every column is constant or empty in the training rows")
    return Features(numbers, pairs, lookup, tuple(words), chosen, n_smooth, x.shape[1]), x
