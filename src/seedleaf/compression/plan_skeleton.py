"""The skeleton of a plan: its layers, and which of their channels hang together. No weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seedleaf.compression.skeleton import Axis, Block, Group, Layer, Member, Skeleton, identity
from seedleaf.errors import RunError
from seedleaf.learners.ops import Chain, Conv, Join, NetPlan, Op, Residual, Resize, SqueezeExcite


class _Site(NamedTuple):
    layer: Layer
    source: int  # groups by number, before they are merged
    target: int


class _Walk:
    """Numbers the channel groups on the way through a plan; a shortcut merges two."""

    def __init__(self, plan: NetPlan) -> None:
        self.sites: list[_Site] = []
        self.parent: list[int] = []
        self.whole: list[tuple[int, str]] = []  # groups that must stay whole, and why
        self.image = self.new()
        last = self.ops(plan.ops, "body", self.image)
        self.fixed = {self.root(self.image), self.root(last)}

    def new(self) -> int:
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def root(self, group: int) -> int:
        while self.parent[group] != group:
            group = self.parent[group]
        return group

    def ops(self, ops: Sequence[Op], path: str, group: int) -> int:
        for i, op in enumerate(ops):
            group = self.op(op, f"{path}.{i}", group)
        return group

    def op(self, op: Op, path: str, group: int) -> int:
        if isinstance(op, Conv):
            return self.conv(op, path, group)
        if isinstance(op, Chain):
            return self.ops(op.ops, path, group)
        if isinstance(op, Residual):
            out = self.ops(op.body, f"{path}.body", group)
            self.parent[self.root(out)] = self.root(group)
            return group
        if isinstance(op, SqueezeExcite):
            hidden = self.new()
            self.linear(f"{path}.squeeze", op.channels, op.hidden, group, hidden)
            self.linear(f"{path}.excite", op.hidden, op.channels, hidden, group)
            return group
        if isinstance(op, Resize):
            return group
        if isinstance(op, Join):
            raise RunError("a network with branches is compressed as a module, not as a plan")
        classes = self.new()
        self.linear(f"{path}.{2 if op.dropout else 1}", op.cin, op.n_classes, group, classes)
        return classes

    def conv(self, op: Conv, path: str, group: int) -> int:
        k = (op.kernel, op.kernel)
        layer = Layer(f"{path}.0", "conv", op.cin, op.cout, k, op.stride, op.groups, op.height, op.width)
        target = group if layer.depthwise else self.new()
        if op.groups > 1 and not layer.depthwise:
            self.whole += [(end, f"{path}.0 is a grouped convolution") for end in (group, target)]
        self.sites.append(_Site(layer, group, target))
        if op.norm:
            self.sites.append(_Site(Layer(f"{path}.1", "norm", op.cout, op.cout), target, target))
        return target

    def linear(self, name: str, cin: int, cout: int, source: int, target: int) -> None:
        self.sites.append(_Site(Layer(name, "linear", cin, cout, bias=True), source, target))


def skeleton_of(plan: NetPlan) -> Skeleton:
    """Layers and groups of a plan. The image's channels and the classes are in no group."""
    walk = _Walk(plan)
    members: dict[int, list[Member]] = {}
    channels: dict[int, int] = {}
    names: dict[int, str] = {}
    for layer, source, target in walk.sites:
        ends: list[tuple[int, Axis, int]] = [(target, "out", layer.cout)]
        if layer.kind != "norm" and not layer.depthwise:
            ends.append((source, "in", layer.cin))
        for group, axis, n in ends:
            root = walk.root(group)
            if root not in walk.fixed:
                members.setdefault(root, []).append(identity(layer.name, axis, n))
                channels[root] = n
                names.setdefault(root, layer.name)
    whole = {walk.root(group): why for group, why in walk.whole}
    groups = tuple(Group(names[g], channels[g], tuple(m), whole.get(g, "")) for g, m in members.items())
    layers = tuple(site.layer for site in walk.sites)
    paths = [f"body.{i}" for i, op in enumerate(plan.ops) if isinstance(op, Residual) and op.body]
    inside = {p: tuple(x.name for x in layers if x.name.startswith(f"{p}.")) for p in paths}
    return Skeleton(layers, groups, tuple(Block(p, names) for p, names in inside.items()))
