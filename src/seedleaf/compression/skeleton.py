"""What of a network can be made narrower, as data: layers, channel groups, and what the network costs at any widths.

A group is a set of channels that must go together: the outputs of a layer, what normalises them, and every input that reads
them (the dependency groups of Fang et al. 2023, "DepGraph"). Both our own plans and foreign modules are described so; the
driver computes with it and needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

Axis = Literal["in", "out"]
Widths = Mapping[str, int]  # group -> channels that are kept
FLOAT_BYTES = 4
LEAST = 2  # channels that every group keeps at least
NARROW = 8  # channels below which nothing is worth decomposing
DROPPED = 0.75  # of the blocks that may be left out at most


@dataclass(frozen=True, slots=True)
class Member:
    """Positions `index` on an axis of a layer's weights; position index[i] belongs to channel root[i] of the group."""

    layer: str
    axis: Axis
    index: tuple[int, ...]
    root: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that are removed together. `refused` says why they are left alone, where they are."""

    id: str
    channels: int
    members: tuple[Member, ...]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights. `kernel`, `stride` and the size of the output map are 1 where they mean nothing."""

    name: str
    kind: Literal["conv", "linear", "norm"]
    cin: int
    cout: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    groups: int = 1
    height: int = 1
    width: int = 1
    bias: bool = False

    @property
    def depthwise(self) -> bool:
        return self.kind == "conv" and self.groups > 1 and self.groups == self.cin == self.cout

    @property
    def separable(self) -> bool:
        """May it be decomposed? A plain convolution or a linear layer."""
        return self.kind != "norm" and self.groups == 1


@dataclass(frozen=True, slots=True)
class Block:
    """A residual branch: without it only the shortcut is left, so the network still runs."""

    name: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """All layers in the order in which they run, the groups of their channels, and the blocks that can be left out."""

    layers: tuple[Layer, ...]
    groups: tuple[Group, ...]
    blocks: tuple[Block, ...] = ()

    @cached_property
    def free(self) -> tuple[Group, ...]:
        """The groups that may be pruned."""
        return tuple(g for g in self.groups if not g.refused)

    @cached_property
    def by_id(self) -> dict[str, Group]:
        return {g.id: g for g in self.groups}

    @cached_property
    def reads(self) -> dict[str, list[tuple[str, Axis, float]]]:
        """layer -> (group, axis, positions per channel)."""
        found: dict[str, list[tuple[str, Axis, float]]] = {layer.name: [] for layer in self.layers}
        for group in self.free:
            for m in group.members:
                found[m.layer].append((group.id, m.axis, len(m.index) / group.channels))
        return found

    @cached_property
    def touched(self) -> dict[str, tuple[Layer, ...]]:
        """group -> the layers that become smaller with it."""
        names = {g.id: {m.layer for m in g.members} for g in self.free}
        return {g: tuple(x for x in self.layers if x.name in found) for g, found in names.items()}

    def full(self) -> dict[str, int]:
        return {g.id: g.channels for g in self.free}

    def at(self, layer: Layer, widths: Widths) -> Layer:
        """`layer` as it is when each group keeps `widths` of its channels."""
        cin, cout = float(layer.cin), float(layer.cout)
        for group, axis, each in self.reads[layer.name]:
            gone = each * (self.by_id[group].channels - widths[group])
            if axis == "out":
                cout -= gone
            else:
                cin -= gone
        if layer.depthwise or layer.kind == "norm":
            cin = cout
        groups = round(cout) if layer.depthwise else layer.groups
        return Layer(
            layer.name, layer.kind, round(cin), round(cout), layer.kernel, layer.stride, groups,
            layer.height, layer.width, layer.bias,
        )  # fmt: skip

    def narrowed(self, widths: Widths) -> list[Layer]:
        return [self.at(layer, widths) for layer in self.layers]

    def costs(self, widths: Widths | None = None) -> dict[str, int]:
        """params, macs and bytes (float32, normalisation folded) with those widths; all of them without."""
        return costs(self.narrowed(widths) if widths is not None else self.layers)

    # --- JSON ---

    def to_json(self) -> dict[str, Any]:
        parts: dict[str, tuple[Any, ...]] = {
            "layers": self.layers,
            "groups": self.groups,
            "blocks": self.blocks,
        }
        return {name: [asdict(x) for x in part] for name, part in parts.items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Skeleton:
        layers = tuple(Layer(**{**x, "kernel": tuple(x["kernel"])}) for x in body["layers"])
        groups = tuple(
            Group(
                g["id"],
                g["channels"],
                tuple(
                    Member(m["layer"], m["axis"], tuple(m["index"]), tuple(m["root"])) for m in g["members"]
                ),
                g["refused"],
            )
            for g in body["groups"]
        )
        blocks = tuple(Block(b["name"], tuple(b["layers"])) for b in body["blocks"])
        return cls(layers, groups, blocks)


def costs_of(layer: Layer) -> tuple[int, int, int]:
    """params, macs, bytes of one layer."""
    if layer.kind == "norm":
        return 2 * layer.cout, 0, 0
    weights = layer.cin // layer.groups * layer.cout * layer.kernel[0] * layer.kernel[1]
    macs = weights * layer.height * layer.width
    return weights + layer.bias * layer.cout, macs, FLOAT_BYTES * (weights + layer.cout)


def costs(layers: tuple[Layer, ...] | list[Layer]) -> dict[str, int]:
    """params (trainable numbers), macs (multiply-adds for one image) and bytes as deployed."""
    rows = [costs_of(layer) for layer in layers]
    return dict(zip(("params", "macs", "bytes"), (sum(c) for c in zip(*rows, strict=True)), strict=True))


def identity(layer: str, axis: Axis, channels: int) -> Member:
    """The member of a layer whose positions are the group's channels, one by one."""
    every = tuple(range(channels))
    return Member(layer, axis, every, every)
