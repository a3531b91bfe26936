"""How much each channel matters: one function and one row in CRITERIA per criterion. Higher is more.

Scores of a group sum to the damage of removing it all, in one unit over the groups where the criterion has one (Taylor),
else in shares of the group.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from seedleaf.compression.skeleton import Group, Member, Skeleton
from seedleaf.compression.subject import Subject
from seedleaf.seeds import rng_for

Scores = Mapping[str, npt.NDArray[np.float64]]  # group -> (channels,)
Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]  # uint8 images (B, H, W, C), labels (B,)


@dataclass(frozen=True, eq=False)
class Signals:
    """First-order statistics of the loss at the weights: what Taylor scores and the damage of a decomposition need.

    `taylor[group]` is the mean over batches of (sum of gradient · weight over what removes the channel)²; `fisher[layer]`
    the mean of the squared gradient of each weight, of the weight's shape.
    """

    taylor: Mapping[str, npt.NDArray[np.float64]]
    fisher: Mapping[str, Tensor]


def listen(subject: Subject, batches: Batches, device: str = "cpu") -> Signals:
    """Gradients of the cross-entropy on `batches`, in eval mode (the statistics of BatchNorm stand still)."""
    net, skeleton = copy.deepcopy(subject.net).to(device).eval(), subject.skeleton
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    modules = dict(net.named_modules())
    weights: dict[str, Any] = {x.name: modules[x.name].weight for x in skeleton.layers if x.separable}
    fisher = {name: torch.zeros_like(w) for name, w in weights.items()}
    taylor = {g.id: np.zeros(g.channels) for g in skeleton.free}
    n = 0
    with torch.enable_grad():
        for x, y in batches():
            net.zero_grad(set_to_none=True)
            F.cross_entropy(net(x.to(device)), y.to(device)).backward()  # type: ignore[no-untyped-call]
            for name, weight in weights.items():
                if weight.grad is not None:
                    fisher[name] += weight.grad**2
            for group in skeleton.free:
                taylor[group.id] += _salience(group, skeleton, modules) ** 2
            n += 1
    many = max(n, 1)
    return Signals({g: v / many for g, v in taylor.items()}, {k: (v / many).cpu() for k, v in fisher.items()})


def _salience(group: Group, skeleton: Skeleton, modules: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Gradient · weight of each channel, summed over what a mask of the channel would zero."""
    found = np.zeros(group.channels)
    for member in _removers(group, skeleton):
        for parameter in modules[member.layer].parameters(recurse=False):
            if parameter.grad is None:
                continue
            rows = (parameter.grad * parameter).detach().flatten(1).sum(1) if parameter.ndim > 1 else None
            each = rows if rows is not None else (parameter.grad * parameter).detach()
            np.add.at(found, np.asarray(member.root), each.double().cpu().numpy()[np.asarray(member.index)])
    return found


def _removers(group: Group, skeleton: Skeleton) -> list[Member]:
    """The members whose zeroing removes a channel: the norms where there are any (they come last), else the layers."""
    kinds = {x.name: x.kind for x in skeleton.layers}
    outs = [m for m in group.members if m.axis == "out"]
    return [m for m in outs if kinds[m.layer] == "norm"] or outs


# --- criteria ---


def magnitude(subject: Subject, signals: Signals | None, seed: int) -> Scores:
    """Squared norm of all weights that go with the channel (Li et al. 2017, over the whole group)."""
    modules, found = dict(subject.net.named_modules()), {}
    norms = {x.name for x in subject.skeleton.layers if x.kind == "norm"}
    for group in subject.skeleton.free:
        total = np.zeros(group.channels)
        for m in group.members:
            if m.layer in norms:
                continue
            weight = modules[m.layer].weight.detach()
            axis = 0 if m.axis == "out" else 1
            norm = weight.double().pow(2).sum([d for d in range(weight.ndim) if d != axis]).numpy()
            norm = norm / max(norm.sum(), 1e-12)
            np.add.at(total, np.asarray(m.root), norm[np.asarray(m.index)])
        found[group.id] = _share(total)
    return found


def bn_scale(subject: Subject, signals: Signals | None, seed: int) -> Scores:
    """Squared BatchNorm scales (Liu et al. 2017); the magnitude where a group has no BatchNorm."""
    modules, found = dict(subject.net.named_modules()), dict(magnitude(subject, signals, seed))
    norms = {x.name for x in subject.skeleton.layers if x.kind == "norm"}
    for group in subject.skeleton.free:
        total = np.zeros(group.channels)
        for m in group.members:
            if m.layer in norms:
                scale = modules[m.layer].weight.detach().double().pow(2).numpy()
                np.add.at(total, np.asarray(m.root), scale[np.asarray(m.index)])
        if total.any():
            found[group.id] = _share(total)
    return found


def taylor(subject: Subject, signals: Signals | None, seed: int) -> Scores:
    """First-order change of the loss, squared (Molchanov et al. 2019)."""
    assert signals is not None, "taylor scores need signals"
    total = sum(float(v.sum()) for v in signals.taylor.values()) or 1.0
    return {g: v / total for g, v in signals.taylor.items()}


def random(subject: Subject, signals: Signals | None, seed: int) -> Scores:
    """The control: any other criterion must beat it."""
    return {g.id: _share(rng_for(seed, "random", g.id).random(g.channels)) for g in subject.skeleton.free}


def _share(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = scores.sum()
    return scores / total if total > 0 else np.full(len(scores), 1.0 / len(scores))


Criterion = Callable[[Subject, Signals | None, int], Scores]
CRITERIA: Mapping[str, Criterion] = {
    "taylor": taylor,
    "magnitude": magnitude,
    "bn_scale": bn_scale,
    "random": random,
}


def weakest_first(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Channels in the order of removal. Ties go by place, so equal scores still let an exact number go."""
    return np.argsort(scores, kind="stable").astype(np.int64)
