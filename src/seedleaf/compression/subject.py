"""What passes work on: a network with a skeleton, which gives back a smaller one and never changes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from seedleaf.compression.skeleton import Layer, Skeleton
from seedleaf.learners.blocks import Net

Keep = Mapping[str, Sequence[int]]  # group -> the channels that stay, ascending


class Factor(Protocol):
    """One convolution or linear layer of a decomposed layer."""

    weight: Tensor  # (out, in / groups, kh, kw)
    groups: int
    spatial: bool  # has the stride and the padding of the layer that it stands for


class Subject(Protocol):
    """A network, uint8 images (N, H, W, C) -> logits (N, classes), that can be made smaller."""

    @property
    def net(self) -> Net:
        """The network itself, in eval mode; passes read its weights."""

    @property
    def skeleton(self) -> Skeleton: ...

    def decomposable(self, layer: str) -> bool:
        """May the layer of that name become a chain?"""

    def pruned(self, keep: Keep) -> Subject:
        """Another network without the channels that `keep` does not name; groups it does not name stay whole."""

    def decomposed(self, factors: Mapping[str, Sequence[Factor]]) -> Subject:
        """Another network in which each named layer is the chain of its factors."""

    def dropped(self, blocks: Sequence[str]) -> Subject:
        """Another network in which only the shortcuts of those blocks are left."""

    def fresh(self) -> Subject:
        """A network of the same shape with untrained weights: the control."""

    def lasting(self) -> tuple[str, ...]:
        """The parameters that `fresh` leaves as they were trained."""

    def to_json(self) -> dict[str, Any]:
        """How the network is described in config.json."""


def masked(net: Net, skeleton: Skeleton, keep: Keep) -> None:
    """Zero, in place, what a pruning to `keep` would remove: the yardstick that the rebuilt network is held against.

    Outputs of convolutions and linear layers become 0 and so does what normalises them (scale and shift), whatever the
    running statistics are.
    """
    modules = dict(net.named_modules())
    with torch.no_grad():
        for group_id, kept in keep.items():
            for member in skeleton.by_id[group_id].members:
                if member.axis == "in":
                    continue
                staying = np.isin(member.root, np.asarray(list(kept)))
                gone = torch.as_tensor(np.asarray(member.index)[~staying], dtype=torch.long)
                for parameter in modules[member.layer].parameters(recurse=False):
                    parameter[gone] = 0.0


def sliced(state: Mapping[str, Tensor], skeleton: Skeleton, keep: Keep) -> dict[str, Tensor]:
    """The weights of the network that keeps only `keep`: every axis of every member is cut."""
    found = dict(state)
    kinds = {layer.name: layer for layer in skeleton.layers}
    for layer, axes in positions(skeleton, keep).items():
        for name in tensors_of(kinds[layer], state):
            for axis, kept in axes.items():
                found[name] = _cut(found[name], kinds[layer], name, axis, kept)
    return found


def tensors_of(layer: Layer, state: Mapping[str, Tensor]) -> list[str]:
    names = ("weight", "bias", "running_mean", "running_var")
    return [key for n in names if (key := f"{layer.name}.{n}") in state]


def positions(skeleton: Skeleton, keep: Keep) -> dict[str, dict[str, Tensor]]:
    """layer -> axis -> the positions that stay, where several groups share an axis those that none of them removes."""
    sizes = {layer.name: {"in": layer.cin, "out": layer.cout} for layer in skeleton.layers}
    stays: dict[tuple[str, str], np.ndarray[Any, np.dtype[np.bool_]]] = {}
    for group_id, kept in keep.items():
        for m in skeleton.by_id[group_id].members:
            mask = stays.setdefault((m.layer, m.axis), np.ones(sizes[m.layer][m.axis], bool))
            mask[np.asarray(m.index)[~np.isin(m.root, np.asarray(list(kept)))]] = False
    found: dict[str, dict[str, Tensor]] = {}
    for (layer, axis), mask in stays.items():
        found.setdefault(layer, {})[axis] = torch.as_tensor(np.flatnonzero(mask), dtype=torch.long)
    return found


def _cut(tensor: Tensor, layer: Layer, name: str, axis: str, kept: Tensor) -> Tensor:
    if axis == "out":
        return tensor.index_select(0, kept)
    if not name.endswith(".weight") or layer.depthwise or layer.kind == "norm":
        return tensor
    return tensor.index_select(1, kept)


def parent_of(root: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds the module `name`, and what it is called there."""
    path, _, last = name.rpartition(".")
    return root.get_submodule(path), last


def replace_module(root: nn.Module, name: str, new: nn.Module) -> None:
    parent, last = parent_of(root, name)
    parent._modules[last] = new
