"""Networks that are not ours: any torch module that takes float images (N, C, H, W) and gives logits (N, classes).

What `tracing` reads off a module is tried out first: where the network that `surgery` rebuilt does not answer as the masked
one, the group is left whole and said so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from seedleaf.compression.restart import untrained
from seedleaf.compression.skeleton import Group, Skeleton
from seedleaf.compression.subject import Factor, Keep, masked, replace_module
from seedleaf.compression.surgery import chained, rebuilt
from seedleaf.compression.tracing import noise_like, shortcuts, trace
from seedleaf.errors import RunError, first_line
from seedleaf.learners.blocks import Net

ALIKE = 1e-4  # relative to the largest logit: what rounding may explain


@dataclass(frozen=True, eq=False)
class ForeignNet:
    """Somebody's module in a Net (`body`), which normalises raw images for it.

    `known` says of groups why they are refused, or "": what was tried out on the network that this one was made from.
    """

    net: Net
    example: Tensor  # uint8 (2, H, W, C)
    known: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def skeleton(self) -> Skeleton:
        found = trace(self.net, self.example)
        groups = tuple(
            g
            if g.refused
            else replace(g, refused=self.known[g.id])
            if g.id in self.known
            else self._tried(found, g)
            for g in found.groups
        )
        return Skeleton(found.layers, groups, tuple(shortcuts(self.net, self.example, found.layers)))

    def decomposable(self, layer: str) -> bool:
        module = self.net.get_submodule(layer)
        if isinstance(module, nn.Conv2d):
            plain = (
                module.padding_mode == "zeros"
                and module.dilation == (1, 1)
                and module.stride[0] == module.stride[1]
            )
            return plain and not isinstance(module.padding, str)
        return isinstance(module, nn.Linear)

    def pruned(self, keep: Keep) -> ForeignNet:
        smaller, apart = self._cut(self.skeleton, keep)
        if not apart <= ALIKE:
            raise RunError(
                f"the pruned network differs from the masked one by {apart:.2g}: its channels hang together in a way that "
                "is not understood, so it is not pruned"
            )
        return self._child(smaller)

    def decomposed(self, factors: Mapping[str, Sequence[Factor]]) -> ForeignNet:
        net = copy.deepcopy(self.net)
        for name, chain in factors.items():
            replace_module(net, name, chained(net.get_submodule(name), chain))
        return self._child(net.eval())

    def dropped(self, blocks: Sequence[str]) -> ForeignNet:
        net = copy.deepcopy(self.net)
        for name in blocks:
            replace_module(net, name, nn.Identity())
        return ForeignNet(net.eval(), self.example)

    def fresh(self) -> ForeignNet:
        return ForeignNet(untrained(self.net)[0], self.example)

    def lasting(self) -> tuple[str, ...]:
        return tuple(name.removeprefix("body.") for name in untrained(self.net)[1])

    def _child(self, net: Net) -> ForeignNet:
        """Its groups are as exact as they were here, and every cut is compared with the masked network anyway."""
        return ForeignNet(net, self.example, {g.id: g.refused for g in self.skeleton.groups})

    def to_json(self) -> dict[str, Any]:
        return {"module": type(self.net.body).__qualname__}

    def _cut(self, skeleton: Skeleton, keep: Keep) -> tuple[Net, float]:
        """The network with only those channels, and how far its answers are from the masked network's."""
        smaller = rebuilt(self.net, skeleton, keep)
        yardstick = copy.deepcopy(self.net)
        masked(yardstick, skeleton, keep)
        return smaller, difference(smaller, yardstick, self.example)

    def _tried(self, skeleton: Skeleton, group: Group) -> Group:
        """The group, refused where cutting half of it does not give the masked network."""
        keep = {group.id: range(0, group.channels, 2)}
        try:
            _, apart = self._cut(skeleton, keep)
        except Exception as error:  # whatever a wrong width does inside somebody's forward
            return replace(
                group, refused=f"the network does not run without its channels: {first_line(error)}"
            )
        if apart <= ALIKE:
            return group
        if apart == float("inf"):
            return replace(group, refused="its outputs are the network's")
        return replace(group, refused=f"removing its channels changes what others compute (by {apart:.2g})")


def difference(one: Net, other: Net, example: Tensor) -> float:
    """The largest difference of their logits on noise, relative to the largest logit (at least 1)."""
    noise = noise_like(example)
    with torch.no_grad():
        a, b = one.eval()(noise), other.eval()(noise)
    if a.shape != b.shape:
        return float("inf")
    return float((a - b).abs().max() / b.abs().max().clamp_min(1.0))
