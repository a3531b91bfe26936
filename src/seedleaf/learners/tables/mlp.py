"""A small network for tables after RealMLP (Holzmüller et al. 2024), with embedded numbers (Gorishniy et al. 2022).

How it is trained stands in mlp_train.py; torch is imported only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows, probabilities_graph, softmax
from seedleaf.learners.tables.options import coded, scaled
from seedleaf.space import Choice, Float, Int, Param

Floats = npt.NDArray[np.float32]
WIDTHS = (32, 64, 128, 256)
COSINES, EMBEDDED = 8, 3  # waves for each number, and what becomes of them beside the number itself


@dataclass(frozen=True, eq=False)
class Net:
    """Weights as arrays: `waves` (w, b, v, c) of the embedding or (), `layers` of (weight (in, out), bias), the weights such
    as one byte each and a scale for each column hold."""

    waves: tuple[Floats, ...]
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    act: str
    n_smooth: int
    classes: bool
    rounds: int

    def predict(self, x: Matrix) -> npt.NDArray[np.float64]:
        h = x * self.scale
        if self.waves:
            w, b, v, c = self.waves
            number = h[:, : self.n_smooth]
            made = np.cos(number[:, :, None] * w + b)
            made = np.maximum(np.einsum("ndk,dkm->ndm", made, v) + c, 0).reshape(len(x), -1)
            h = np.concatenate([h, made], axis=1)
        for i, (weight, bias) in enumerate(self.layers):
            h = h @ weight + bias
            if i + 1 < len(self.layers):
                h = np.maximum(h, 0) if self.act == "relu" else h / (1 + np.exp(-np.clip(h, -60, 60)))
        return softmax(h.astype(np.float64)) if self.classes else h.astype(np.float64)

    def graph(self, g: Graph, x: str) -> str:
        h = g.add("Mul", x, g.constant(self.scale, "float32"))
        if self.waves:
            w, b, v, c = self.waves
            number = g.gather(h, range(self.n_smooth))
            angle = g.add(
                "Mul", g.add("Unsqueeze", number, g.constant([2], "int64")), g.constant(w, "float32")
            )
            made = g.add("Cos", g.add("Add", angle, g.constant(b, "float32")))
            made = g.add("Unsqueeze", made, g.constant([2], "int64"))  # (N, d, 1, k) @ (d, k, m)
            made = g.add("MatMul", made, g.constant(v, "float32"))
            made = g.add("Relu", g.add("Add", made, g.constant(c[:, None, :], "float32")))
            flat = g.constant([0, self.n_smooth * v.shape[2]], "int64")
            h = g.concat([h, g.add("Reshape", made, flat)])
        for i, (weight, bias) in enumerate(self.layers):
            h = g.dense(h, weight, bias, small=True)
            if i + 1 < len(self.layers):
                h = g.add("Relu", h) if self.act == "relu" else g.add("Mul", h, g.add("Sigmoid", h))
        return probabilities_graph(g, h) if self.classes else h


@dataclass(frozen=True)
class MlpFamily:
    name: str = "mlp"
    plainness: int = 4
    native: bool = False
    varies: bool = True
    modules: tuple[str, ...] = ("torch",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        waves: dict[str, Param] = {}
        if kind.n_numbers:
            waves["waves"] = Choice(
                none={}, cosines=dict(pitch=Float(0.03, 1.0, log=True, prior=0.1)), default="cosines"
            )
        widths = [
            w
            for w in WIDTHS
            if kind.room is None or _bytes(kind.n_columns, w, 1, kind.n_classes or 1) < kind.room
        ] or [WIDTHS[0]]
        return {
            "width": Choice(*widths, ordered=True, default=min(128, widths[-1])),
            "depth": Int(1, 3, default=2),
            "act": Choice("relu", "silu", default="silu"),
            "rate": Float(5e-3, 0.2, log=True, prior=0.04),
            "decay": Float(1e-3, 0.2, log=True, prior=0.02),
            "dropout": Float(0.0, 0.5, prior=0.25),
            "smoothing": Float(0.0, 0.1, prior=0.0),
            "epochs": Int(16, 200, log=True, prior=96 if kind.n_rows < 3_000 else 64),
            **waves,
            **scaled(kind, "robust"),
            **coded(kind, "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Net:
        waves = train.n_smooth if own.get("waves") == "cosines" else 0
        needed = _bytes(train.x.shape[1], int(own["width"]), int(own["depth"]), train.n_out, waves)
        if effort.room is not None and needed > effort.room:
            raise TrialError(
                f"too large: its weights take {needed:,} bytes, {effort.room:,} are left of the limit"
            )
        from seedleaf.learners.tables.mlp_train import Training

        return Training(own, train, valid, effort).run()


def _bytes(columns: int, width: int, depth: int, n_out: int, waves: int = 0) -> int:
    """What the weights take in a file; `waves` of the columns are embedded."""
    sizes = [columns + EMBEDDED * waves, *[width] * depth, n_out]
    layers = sum((a + 8) * b for a, b in pairwise(sizes))
    return layers + 4 * (columns + waves * (2 * COSINES + EMBEDDED * (COSINES + 1)))
