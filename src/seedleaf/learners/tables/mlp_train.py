"""How the network of tables is trained, after RealMLP (Holzmüller et al. 2024): weights in the neural tangent
parametrisation with a learning rate for each kind of them, a one-cycle rate, dropout and decay that fade, the best look
kept.
One thread.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from seedleaf.errors import TrialError
from seedleaf.learners.tables import metrics
from seedleaf.learners.tables.mlp import COSINES, EMBEDDED, Net
from seedleaf.learners.tables.model import Effort, Rows, softmax
from seedleaf.learners.tables.rounded import as_bytes

Floats = npt.NDArray[np.float32]
BATCH = 256
SCALE_RATE, WAVE_RATE = 6.0, 0.1  # the rates of the input's scale and of the waves over that of the weights
LAST = 0.1  # the variance of the last layer's weights at the start
LOOKS = 25  # at the validation rows in a training
LOOKED_AT = 4_000  # of those rows are enough to tell when to stop
PATIENCE = 10  # looks without an improvement before it ends
PROBE = 12  # batches before the clock is believed: the first ones are slow
MOST_STEPS = 30_000
POOL = 1 << 20  # random numbers that dropout takes its own from: drawing them anew is a third of a step


class Training:
    """One training: plans as many steps as the time allows, keeps the weights of the best look."""

    def __init__(self, own: Mapping[str, Any], train: Rows, valid: Rows | None, effort: Effort) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(effort.seed % 2**31)
        self.own, self.rows, self.effort = own, train, effort
        self.classes = bool(train.n_classes)
        self.depth, self.heads = int(own["depth"]), int(own.get("heads", 1))
        self.x = torch.from_numpy(train.x)
        self.y = torch.from_numpy(train.y if self.classes else train.y.astype(np.float32))
        self.random = random.Random(effort.seed)
        self.valid = None if valid is None else self._some(valid)
        self.pool = torch.rand(POOL)
        self.weights = self._weights(own)
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.95), fused=True)

    def _some(self, valid: Rows) -> Rows:
        some = np.array(self.random.sample(range(len(valid.x)), min(len(valid.x), LOOKED_AT)))
        return replace(valid, x=np.ascontiguousarray(valid.x[some]), y=valid.y[some])

    def _weights(self, own: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """`scale` (D); the waves `a`, `b` (n, k, 1), `v` (n, m, k), `c` (n, m, 1); layers `w` (in, out), `d` (out).

        Of several heads, the factors `r` (K, 1, in), and a last layer `w` (K, in, out), `d` (K, 1, out).
        """
        d, n = self.rows.x.shape[1], self.rows.n_smooth
        found = {"scale": torch.ones(d)}
        width = d
        if own.get("waves") == "cosines" and n:
            found["a"] = 2 * math.pi * float(own["waves.pitch"]) * torch.randn(n, COSINES, 1)
            found["b"] = math.pi * (2 * torch.rand(n, COSINES, 1) - 1)
            found["v"] = torch.randn(n, EMBEDDED, COSINES) / math.sqrt(COSINES)
            found["c"] = torch.zeros(n, EMBEDDED, 1)
            width += n * EMBEDDED
        self.sizes = [width, *[int(own["width"])] * self.depth, self.rows.n_out]
        for i, (a, b) in enumerate(pairwise(self.sizes)):
            found[f"w{i}"] = torch.randn(a, b) * math.sqrt(LAST if i == self.depth else 2.0)
            found[f"d{i}"] = torch.zeros(b)
        if (k := self.heads) > 1:
            # Signs tell heads apart; where numbers are embedded, some of what they become, too (TabM's own choice).
            r = torch.randn(k, 1, width)
            found["r"] = r if "a" in found else r.sign()
            found[f"w{self.depth}"] = torch.randn(k, *self.sizes[-2:]) * math.sqrt(LAST)
            found[f"d{self.depth}"] = torch.zeros(k, 1, self.sizes[-1])
        return {k: p.requires_grad_() for k, p in found.items()}

    def _groups(self) -> list[dict[str, Any]]:
        """The weights by their rate over the config's, and by their decay."""
        kinds = {"scale": (SCALE_RATE, 0.0), "w": (1.0, float(self.own["decay"])), "d": (1.0, 0.0)}
        groups: dict[tuple[float, float], list[torch.Tensor]] = {}
        for name, p in self.weights.items():
            kind = name if name == "scale" else name[0]
            groups.setdefault(kinds.get(kind, (WAVE_RATE, 0.0)), []).append(p)
        return [{"params": ps, "times": times, "decay": decay} for (times, decay), ps in groups.items()]

    def _forward(self, x: torch.Tensor, dropout: float) -> torch.Tensor:
        """(N, out), or (K, N, out) of K heads."""
        w = self.weights
        h = x * w["scale"]
        if "a" in w:
            made = torch.cos(h[:, : self.rows.n_smooth].t()[:, None, :] * w["a"] + w["b"])
            made = torch.relu(torch.baddbmm(w["c"], w["v"], made))
            h = torch.cat([h, made.reshape(-1, len(x)).t()], 1)
        if "r" in w:
            h = (h * w["r"]).flatten(0, 1)
        for i in range(self.depth):
            h = torch.addmm(w[f"d{i}"], h, w[f"w{i}"], alpha=self._alpha(i))
            h = F.relu(h) if self.own["act"] == "relu" else F.silu(h)
            h = self._dropped(h, dropout) if dropout else h
        bias, last = w[f"d{self.depth}"], w[f"w{self.depth}"]
        if "r" not in w:
            return torch.addmm(bias, h, last, alpha=self._alpha(self.depth))
        return torch.baddbmm(
            bias, h.view(self.heads, -1, self.sizes[-2]), last, alpha=self._alpha(self.depth)
        )

    def _alpha(self, layer: int) -> float:
        return 1 / math.sqrt(self.sizes[layer])

    def _dropped(self, h: torch.Tensor, share: float) -> torch.Tensor:
        n = h.numel()
        if n >= POOL:
            return F.dropout(h, share)
        start = self.random.randrange(POOL - n)
        kept = self.pool[start : start + n].view_as(h) > share
        return h * (kept * (1 / (1 - share)))

    def run(self) -> Net:
        n = len(self.x)
        batch = min(BATCH, max(n // 4, 1))
        a_round = max(n // batch, 1)
        wanted = min((self.effort.rounds or int(self.own["epochs"])) * a_round, MOST_STEPS)
        generator = torch.Generator().manual_seed(self.effort.seed % 2**31)
        best, best_loss, best_step, bad = None, math.inf, 0, 0
        total, step, begun = wanted, 0, time.time()
        every = max(wanted // LOOKS, PROBE)
        order = torch.randperm(n, generator=generator)
        ends = False
        while not ends and bad < PATIENCE:
            if step % a_round == 0:
                order = torch.randperm(n, generator=generator)
            place = step % a_round * batch
            self._step(order[place : place + batch], step / total)
            step += 1
            if step == PROBE:
                begun = time.time()
            elif step % PROBE == 0:
                total = self._allowed(step, wanted, (time.time() - begun) / (step - PROBE))
                every = max(total // LOOKS, 1)
            ends = step >= total or (step >= PROBE and self.effort.left() <= 0)
            if self.valid is not None and (step % every == 0 or ends):
                loss = self._judge(self.valid)
                bad += 1
                if loss < best_loss:
                    best_loss, best_step, best, bad = loss, step, self._net(0), 0
        if self.valid is None:
            return self._checked(self._net(max(round(step / a_round), 1)))
        if best is None:
            raise TrialError("diverged: the loss on the validation rows is not finite")
        # The schedule is part of a config: the final fit takes the epochs that were planned, unless the end was no gain.
        whole = total if best_step > 0.6 * total else best_step
        return replace(best, rounds=max(round(whole / a_round), 1))

    def _allowed(self, step: int, wanted: int, a_step: float) -> int:
        """The steps of the whole training that the clock allows, at `a_step` seconds each."""
        return max(min(wanted, step + int(0.95 * max(self.effort.left(), 0.0) / max(a_step, 1e-9))), step + 1)

    def _step(self, rows: torch.Tensor, share: float) -> None:
        """One step. The rate rises for a tenth of the way and falls to nothing along a cosine; dropout and decay stay for
        half of the way, then fall so."""
        rate = float(self.own["rate"]) * max(min(share / 0.1, 1.0) * _cosine(share), 1e-3)
        fading = 1.0 if share < 0.5 else _cosine(2 * share - 1)
        for group in self.optimiser.param_groups:
            group["lr"], group["weight_decay"] = rate * group["times"], fading * group["decay"]
        out, y = self._forward(self.x[rows], float(self.own["dropout"]) * fading), self.y[rows]
        if out.dim() == 3:  # each head has to be right by itself
            out, y = out.flatten(0, 1), y.repeat(self.heads)
        if self.classes:
            loss = F.cross_entropy(out, y, label_smoothing=float(self.own["smoothing"]))
        else:
            loss = F.mse_loss(out[:, 0], y)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _judge(self, valid: Rows) -> float:
        with torch.no_grad():
            out = self._forward(torch.from_numpy(valid.x), 0.0).numpy().astype(np.float64)
        answer = softmax(out) if self.classes else out
        answer = answer.mean(0) if answer.ndim == 3 else answer
        loss = float(metrics.row_losses(valid.y, answer, valid.n_classes).mean())
        return loss if math.isfinite(loss) else math.inf

    def _net(self, rounds: int) -> Net:
        w = {k: p.detach().numpy().copy() for k, p in self.weights.items()}
        waves: tuple[Floats, ...] = ()
        if "a" in w:
            waves = (w["a"][:, :, 0], w["b"][:, :, 0], w["v"].transpose(0, 2, 1).copy(), w["c"][:, :, 0])
        heads = np.zeros((0, self.sizes[0]), np.float32)
        if "r" in w:
            heads, last = w["r"][:, 0], f"w{self.depth}"
            w[last] = w[last].transpose(1, 0, 2).reshape(self.sizes[-2], -1)
        layers = tuple(
            (as_bytes(w[f"w{i}"] * np.float32(self._alpha(i))), w[f"d{i}"].reshape(-1))
            for i in range(self.depth + 1)
        )
        act, n_smooth = str(self.own["act"]), self.rows.n_smooth
        return Net(waves, w["scale"], heads, layers, act, n_smooth, self.classes, rounds)

    def _checked(self, net: Net) -> Net:
        if not all(np.isfinite(weight).all() for weight, _ in net.layers):
            raise TrialError("diverged: the weights are not finite")
        return net


def _cosine(share: float) -> float:
    """From 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * share)
