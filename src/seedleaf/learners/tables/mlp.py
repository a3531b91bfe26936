"""A small network for tables after RealMLP (Holzmüller et al. 2024), with embedded numbers (Gorishniy et al. 2022) and
several heads over shared weights after TabM (Gorishniy, Kotelnikov and Babenko 2024).

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
MOST_HEADS = 8
AT_ONCE = 1 << 14  # rows that are answered at once, over all heads


@dataclass(frozen=True, eq=False)
class Net:
    """Weights as arrays: `waves` (w, b, v, c) of the embedding or (), `layers` of (weight (in, out), bias), the weights such
    as one byte each and a scale for each column hold.

    Of several heads each looks at what goes into the layers by factors of its own, `heads` (K, in), and has columns of its
    own in the last layer (in, K · out); what they say is averaged. Without heads that is (0, in).
    """

    waves: tuple[Floats, ...]
    scale: Floats
    heads: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    act: str
    n_smooth: int
    classes: bool
    rounds: int

    def predict(self, x: Matrix) -> npt.NDArray[np.float64]:
        rows = AT_ONCE // max(len(self.heads), 1)
        return np.concatenate([self._answer(x[i : i + rows]) for i in range(0, max(len(x), 1), rows)])

    def _answer(self, x: Matrix) -> npt.NDArray[np.float64]:
        h = x * self.scale
        if self.waves:
            w, b, v, c = self.waves
            number = h[:, : self.n_smooth]
            made = np.cos(number[:, :, None] * w + b)
            made = np.maximum(np.einsum("ndk,dkm->ndm", made, v) + c, 0).reshape(len(x), -1)
            h = np.concatenate([h, made], axis=1)
        if heads := len(self.heads):
            h = h * self.heads[:, None]
        for i, (weight, bias) in enumerate(self.layers):
            if heads and i + 1 == len(self.layers):
                weight, bias = self._of_heads(weight), bias.reshape(heads, 1, -1)
            h = h @ weight + bias
            if i + 1 < len(self.layers):
                h = np.maximum(h, 0) if self.act == "relu" else h / (1 + np.exp(-np.clip(h, -60, 60)))
        said = softmax(h.astype(np.float64)) if self.classes else h.astype(np.float64)
        return np.asarray(said.mean(0) if heads else said, np.float64)

    def _of_heads(self, last: Floats) -> Floats:
        """The weights of the last layer (in, K · out) as those of each head (K, in, out)."""
        return last.reshape(len(last), len(self.heads), -1).transpose(1, 0, 2)

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
        heads = len(self.heads)
        if heads:
            h = g.add("Mul", h, g.constant(self.heads[:, None], "float32"))  # (K, N, in)
        for weight, bias in self.layers[:-1]:
            h = g.dense(h, weight, None if heads else bias, small=True)
            h = g.add("Add", h, g.constant(bias, "float32")) if heads else h
            h = g.add("Relu", h) if self.act == "relu" else g.add("Mul", h, g.add("Sigmoid", h))
        if not heads:
            h = g.dense(h, *self.layers[-1], small=True)
            return probabilities_graph(g, h) if self.classes else h
        weight, bias = self.layers[-1]
        parts = g.constant([len(weight), heads, -1], "int64")
        last = g.add("Transpose", g.add("Reshape", g.small(weight), parts), perm=[1, 0, 2])
        h = g.add("Add", g.add("MatMul", h, last), g.constant(bias.reshape(heads, 1, -1), "float32"))
        h = probabilities_graph(g, h) if self.classes else h
        return g.add("ReduceMean", h, g.constant([0], "int64"), keepdims=0)


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
            "heads": Int(1, MOST_HEADS, log=True, prior=1),
            **waves,
            **scaled(kind, "robust"),
            **coded(kind, "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Net:
        waves = train.n_smooth if own.get("waves") == "cosines" else 0
        width, depth, heads = (int(own.get(k, 1)) for k in ("width", "depth", "heads"))
        needed = _bytes(train.x.shape[1], width, depth, train.n_out, waves, heads)
        if effort.room is not None and needed > effort.room:
            raise TrialError(
                f"too large: its weights take {needed:,} bytes, {effort.room:,} are left of the limit"
            )
        from seedleaf.learners.tables.mlp_train import Training

        return Training(own, train, valid, effort).run()


def _bytes(columns: int, width: int, depth: int, n_out: int, waves: int = 0, heads: int = 1) -> int:
    """What the weights take in a file; `waves` of the columns are embedded."""
    sizes = [columns + EMBEDDED * waves, *[width] * depth, n_out * heads]
    layers = sum((a + 8) * b for a, b in pairwise(sizes))
    layers += 4 * heads * sizes[0] if heads > 1 else 0
    return layers + 4 * (columns + waves * (2 * COSINES + EMBEDDED * (COSINES + 1)))
