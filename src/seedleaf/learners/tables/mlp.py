"""A small network for tables after RealMLP (Holzmüller et al. 2024): numbers scaled and bent, embedded by cosines
(Gorishniy et al. 2022), label smoothing, a one-cycle learning rate, the best epoch kept. One thread, torch only in training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError
from seedleaf.learners.tables import metrics
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Effort, Kind, Matrix, Rows, probabilities_graph, softmax
from seedleaf.learners.tables.options import coded, scaled
from seedleaf.space import Choice, Float, Int, Param

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]
BATCH = 256
COSINES, EMBEDDED = 12, 3  # waves for each number, and what becomes of them beside the number itself
LOOKS = 20  # at the validation rows in a training
PROBE = 12  # batches after which it is known how many the time allows
MOST_STEPS = 30_000


@dataclass(frozen=True, eq=False)
class Net:
    """Weights as arrays: `waves` (w, b, v, c) of the embedding or (), `layers` of (weight (in, out), bias)."""

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
            h = g.dense(h, weight, bias)
            if i + 1 < len(self.layers):
                h = g.add("Relu", h) if self.act == "relu" else g.add("Mul", h, g.add("Sigmoid", h))
        return probabilities_graph(g, h) if self.classes else h


@dataclass(frozen=True)
class MlpFamily:
    name: str = "mlp"
    plainness: int = 4
    native: bool = False
    modules: tuple[str, ...] = ("torch",)

    def space(self, kind: Kind) -> Mapping[str, Param]:
        waves: dict[str, Param] = {}
        if kind.n_numbers:
            waves["waves"] = Choice(
                none={}, cosines=dict(pitch=Float(0.05, 3.0, log=True, default=0.5)), default="cosines"
            )
        return {
            "width": Choice(32, 64, 128, 256, ordered=True, default=128),
            "depth": Int(1, 3, default=2),
            "act": Choice("relu", "silu", default="silu"),
            "rate": Float(3e-4, 2e-2, log=True, default=3e-3),
            "decay": Float(1e-5, 1e-1, log=True, default=1e-2),
            "dropout": Float(0.0, 0.5, default=0.15),
            "smoothing": Float(0.0, 0.15, default=0.05),
            "epochs": Int(16, 200, log=True, default=64),
            **waves,
            **scaled(kind, "robust"),
            **coded(kind, "onehot", ordinal=False),
        }

    def fit(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> Net:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(effort.seed % 2**31)
        return _Training(own, train, valid, effort).run()


class _Training:
    """One training: plans as many steps as the time allows, keeps the weights of the best look."""

    def __init__(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> None:
        import torch

        self.own, self.rows, self.valid, self.effort = own, train, valid, effort
        self.classes = bool(train.n_classes)
        self.x = torch.from_numpy(train.x)
        self.y = torch.from_numpy(train.y if self.classes else train.y.astype(np.float32))
        self.weights = self._weights(own)
        decayed = [p for k, p in self.weights.items() if k.startswith("w")]
        others = [p for k, p in self.weights.items() if not k.startswith("w")]
        groups = [
            {"params": decayed, "weight_decay": float(own["decay"])},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=float(own["rate"]), betas=(0.9, 0.95))

    def _weights(self, own: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        import torch

        d, n = self.rows.x.shape[1], self.rows.n_smooth
        found = {"scale": torch.ones(d)}
        width = d
        if own.get("waves") == "cosines" and n:
            found["a"] = 2 * math.pi * float(own["waves.pitch"]) * torch.randn(n, COSINES)
            found["b"] = math.pi * (2 * torch.rand(n, COSINES) - 1)
            found["v"] = torch.randn(n, COSINES, EMBEDDED) / math.sqrt(COSINES)
            found["c"] = torch.zeros(n, EMBEDDED)
            width += n * EMBEDDED
        sizes = [width, *[int(own["width"])] * int(own["depth"]), self.rows.n_out]
        for i, (a, b) in enumerate(pairwise(sizes)):
            last = i + 2 == len(sizes)
            found[f"w{i}"] = torch.randn(a, b) * math.sqrt((0.1 if last else 2.0) / a)
            found[f"d{i}"] = torch.zeros(b)
        return {k: p.requires_grad_() for k, p in found.items()}

    def _forward(self, x: torch.Tensor, dropout: float) -> torch.Tensor:
        import torch
        from torch.nn import functional as F

        w = self.weights
        h = x * w["scale"]
        if "a" in w:
            made = torch.cos(h[:, : self.rows.n_smooth, None] * w["a"] + w["b"])
            made = torch.relu(torch.einsum("ndk,dkm->ndm", made, w["v"]) + w["c"]).flatten(1)
            h = torch.cat([h, made], 1)
        depth = int(self.own["depth"])
        for i in range(depth + 1):
            h = h @ w[f"w{i}"] + w[f"d{i}"]
            if i < depth:
                h = F.dropout(F.relu(h) if self.own["act"] == "relu" else F.silu(h), dropout)
        return h

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as F

        out = self._forward(self.x[rows], float(self.own["dropout"]))
        if self.classes:
            return F.cross_entropy(out, self.y[rows], label_smoothing=float(self.own["smoothing"]))
        return F.mse_loss(out[:, 0], self.y[rows])

    def run(self) -> Net:
        import torch

        n = len(self.x)
        batch = min(BATCH, max(n // 4, 1))
        a_round = max(n // batch, 1)
        wanted = min((self.effort.rounds or int(self.own["epochs"])) * a_round, MOST_STEPS)
        generator = torch.Generator().manual_seed(self.effort.seed % 2**31)
        best, best_loss, best_step = None, math.inf, 0
        total, step, begun = wanted, 0, time.time()
        order = torch.randperm(n, generator=generator)
        every = max(total // LOOKS, 1)
        while step < total and (step < PROBE or self.effort.left() > 0):
            if step % a_round == 0:
                order = torch.randperm(n, generator=generator)
            place = step % a_round * batch
            self._step(order[place : place + batch], step / total)
            step += 1
            if step == PROBE:
                a_step = (time.time() - begun) / PROBE
                total = max(min(wanted, int(0.9 * max(self.effort.left(), 0) / a_step)), PROBE)
                every = max(total // LOOKS, 1)
            if self.valid is not None and (step % every == 0 or step == total):
                loss = self._judge(self.valid)
                if loss < best_loss:
                    best_loss, best_step, best = loss, step, self._net(0)
        if self.valid is None:
            return self._checked(self._net(max(round(step / a_round), 1)))
        if best is None:
            raise TrialError("diverged: the loss on the validation rows is not finite")
        # The schedule is part of a config: the final fit takes the epochs that were planned, unless the end was no gain.
        whole = step if best_step > 0.6 * step else best_step
        return replace(best, rounds=max(round(whole / a_round), 1))

    def _step(self, rows: torch.Tensor, share: float) -> None:
        """One step; the rate rises for a tenth of the way and falls to nothing along a cosine."""
        rate = min(share / 0.1, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in self.optimiser.param_groups:
            group["lr"] = float(self.own["rate"]) * max(rate, 1e-3)
        loss = self._loss(rows)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _judge(self, valid: Rows) -> float:
        answer = self._net(0).predict(valid.x)
        loss = float(metrics.row_losses(valid.y, answer, valid.n_classes).mean())
        return loss if math.isfinite(loss) else math.inf

    def _net(self, rounds: int) -> Net:
        w = {k: p.detach().numpy().copy() for k, p in self.weights.items()}
        waves = (w["a"], w["b"], w["v"], w["c"]) if "a" in w else ()
        layers = tuple((w[f"w{i}"], w[f"d{i}"]) for i in range(int(self.own["depth"]) + 1))
        return Net(waves, w["scale"], layers, str(self.own["act"]), self.rows.n_smooth, self.classes, rounds)

    def _checked(self, net: Net) -> Net:
        if not all(np.isfinite(weight).all() for weight, _ in net.layers):
            raise TrialError("diverged: the weights are not finite")
        return net
