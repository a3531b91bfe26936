"""Histogram gradient boosting (Friedman 2001; Ke et al. 2017, LightGBM), as scikit-learn has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables import metrics
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import (
    Effort,
    Kind,
    Matrix,
    Rows,
    binary_graph,
    probabilities_graph,
    sigmoid,
    softmax,
)
from seedleaf.learners.tables.options import coded
from seedleaf.learners.tables.trees import ensemble_graph, from_boosting, leaf_values, leaves_within
from seedleaf.learners.tables.watched import Watch
from seedleaf.space import Choice, Float, Int, Param

Floats = npt.NDArray[np.float64]

MOST_LEAVES = 120_000  # of all trees together, which are two megabytes
MOST_BINS = 2**19  # of all columns together: each leaf has a histogram of so many, 10 MB
FEWEST_BINS = 15  # of a column
THREADS = 1  # a second one waits more than it works on trees of this size


@dataclass(frozen=True, eq=False)
class Boosted:
    """`base` (n_out) and `trees`: for each round one predictor an output."""

    base: Floats
    trees: Sequence[Sequence[Any]]
    n_classes: int

    @property
    def rounds(self) -> int:
        return len(self.trees)

    def predict(self, x: Matrix) -> Floats:
        raw = np.repeat(self.base[None], len(x), axis=0)
        wide = np.ascontiguousarray(x, np.float64)
        none = np.zeros((0, 8), np.uint32)
        for row in self.trees:
            for k, tree in enumerate(row):
                raw[:, k] += tree.predict(wide, none, np.zeros(0, np.uint32), 1)
        return answered(raw, self.n_classes)

    def graph(self, g: Graph, x: str) -> str:
        trees = [from_boosting(tree.nodes, k) for row in self.trees for k, tree in enumerate(row)]
        return answer_graph(g, ensemble_graph(g, x, trees, len(self.base)), self.base, self.n_classes)


@dataclass(frozen=True)
class Boosting:
    name: str = "boosting"
    plainness: int = 3
    native: bool = True  # missing values have a branch of their own
    varies: bool = True
    modules: tuple[str, ...] = ("sklearn.ensemble",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        return {**leaf_by_leaf(kind), **coded(kind, "target" if kind.high_cardinality else "onehot")}

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Boosted:
        growth = _Growth(own, train, effort)
        leaves = leaves_within(effort, MOST_LEAVES, exact=False)
        watch = Watch(own, valid, leaves // (int(own["leaves"]) * len(growth.base)), effort)
        judge = None if watch.valid is None else _Judge(growth, watch.valid)
        while watch.more():
            growth.grow()
            watch.told(None if judge is None else judge.loss())
        return growth.upto(watch.rounds())


class _Judge:
    """The loss of a growth on rows that it does not learn from."""

    def __init__(self, growth: _Growth, rows: Rows) -> None:
        self.growth, self.rows = growth, rows
        self.binned = growth.binned(rows.x)
        self.raw = np.repeat(growth.base[None], len(rows.x), axis=0)

    def loss(self) -> float:
        """After the latest round, each of which is to be asked about once."""
        self.growth.add_last(self.raw, self.binned)
        answer = answered(self.raw, self.rows.n_classes)
        return float(metrics.row_losses(self.rows.y, answer, self.rows.n_classes).mean())


class _Growth:
    """Trees added one round at a time, with scikit-learn's grower of trees on its histograms.

    Its own loop begins every warm start by binning and predicting anew, and looks at no clock.
    """

    def __init__(self, own: Mapping[str, Any], train: Rows, effort: Effort) -> None:
        from sklearn.ensemble._hist_gradient_boosting import binning, grower

        self.own, self.y, self.n_classes = own, train.y, train.n_classes
        self.rng = np.random.default_rng(effort.seed)
        self.n_bins = bins_within(int(own["bins"]), train.x.shape[1]) + 1  # with one for what is missing
        self.mapper = binning._BinMapper(
            n_bins=self.n_bins, random_state=effort.seed % 2**31, n_threads=THREADS
        )
        wide = np.ascontiguousarray(train.x, np.float64)
        self.bins = self.mapper.fit_transform(wide)
        self.missing = np.isnan(wide).any(0).astype(np.uint8)
        self.make = grower.TreeGrower
        self.base = base_of(train)
        self.raw = np.asfortranarray(np.repeat(self.base[None], len(train.x), axis=0))
        self.trees: list[list[Any]] = []

    def binned(self, x: Matrix) -> npt.NDArray[np.uint8]:
        return np.asarray(self.mapper.transform(np.ascontiguousarray(x, np.float64)))

    def grow(self) -> None:
        """One round: a tree for each output."""
        from sklearn.ensemble._hist_gradient_boosting import _gradient_boosting

        slopes, bends = self._slopes()
        row = []
        for k in range(len(self.base)):
            tree = self.make(
                X_binned=self.bins,
                gradients=np.ascontiguousarray(slopes[:, k], np.float32),
                hessians=np.ascontiguousarray(bends[:, k], np.float32),
                max_leaf_nodes=int(self.own["leaves"]),
                min_samples_leaf=int(self.own["least"]),
                n_bins=self.n_bins,
                n_bins_non_missing=self.mapper.n_bins_non_missing_,
                has_missing_values=self.missing,
                l2_regularization=float(self.own["l2"]),
                feature_fraction_per_split=float(self.own["columns"]),
                rng=self.rng,
                shrinkage=float(self.own["rate"]),
                n_threads=THREADS,
            )
            tree.grow()
            _gradient_boosting._update_raw_predictions(self.raw[:, k], tree, THREADS)
            row.append(tree.make_predictor(self.mapper.bin_thresholds_))
        self.trees.append(row)

    def _slopes(self) -> tuple[Floats, Floats]:
        """First and second derivatives (N, n_out) of the loss; one row of the second where they are all the same."""
        if self.n_classes == 0:
            return self.raw - self.y[:, None], np.ones((1, 1))
        p = answered(self.raw, self.n_classes)
        if self.n_classes == 2:
            p = p[:, 1:]
            return p - self.y[:, None], p * (1 - p)
        bends = p * (1 - p)
        p[np.arange(len(p)), self.y] -= 1.0
        return p, bends

    def add_last(self, raw: Floats, binned: npt.NDArray[np.uint8]) -> None:
        """Add the latest round's scores of binned rows to `raw`."""
        for k, tree in enumerate(self.trees[-1]):
            raw[:, k] += tree.predict_binned(binned, self.mapper.missing_values_bin_idx_, THREADS)

    def upto(self, rounds: int) -> Boosted:
        kept = self.trees[:rounds]
        for tree in (tree for row in kept for tree in row):
            tree.nodes["value"] = leaf_values(tree.nodes["value"])
        return Boosted(self.base, kept, self.n_classes)


def bins_within(bins: int, columns: int) -> int:
    """How many of `bins` a column may have in a table that wide: with 255 in each of 10,000 columns a tree of six leaves
    fills half a gigabyte, whatever the number of rows."""
    return min(bins, max(MOST_BINS // max(columns, 1), FEWEST_BINS))


def leaf_by_leaf(kind: Kind) -> dict[str, Param]:
    """What may vary wherever trees grow leaf by leaf on binned columns."""
    small, tiny = kind.n_rows < 2_500, kind.n_rows < 1_200
    return {
        "rate": Float(0.02, 0.3, log=True, prior=0.08),
        "leaves": Int(4, 96, log=True, prior=6 if tiny else 12 if small else 31),
        "least": Int(2, 80, log=True, prior=10 if small else 20),
        "l2": Float(1e-3, 30.0, log=True, prior=1.0),
        "columns": Float(0.3, 1.0, prior=0.7),
        "bins": Choice(63, 127, 255, ordered=True, default=255),
    }


def base_of(rows: Rows) -> Floats:
    """The best scores (n_out) that are the same for every row: 0, log odds, or the logs of the shares."""
    if rows.n_classes == 0:
        return np.zeros(1)
    shares = np.log(np.bincount(rows.y, minlength=rows.n_classes) / len(rows.y))
    return np.asarray(shares[1:] - shares[:1] if rows.n_classes == 2 else shares - shares.mean())


def answered(raw: Floats, n_classes: int) -> Floats:
    """Scores (N, n_out) as values (N, 1) or probabilities (N, n_classes)."""
    if n_classes == 0:
        return raw
    return sigmoid(raw[:, 0]) if n_classes == 2 else softmax(raw)


def answer_graph(g: Graph, scores: str, base: Floats, n_classes: int) -> str:
    """`answered` of float32 scores (N, n_out) and what they are added to."""
    raw = g.add("Add", scores, g.constant(base, "float32"))
    if n_classes == 0:
        return raw
    return binary_graph(g, raw) if n_classes == 2 else probabilities_graph(g, raw)
