"""Our own networks: pruning and decomposing are moves in the space of plans; the builder is the one that trained them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import nn

from seedleaf.compression.skeleton import Axis, Block, Group, Layer, Member, Skeleton, identity
from seedleaf.compression.subject import Factor, Keep, sliced
from seedleaf.errors import RunError
from seedleaf.learners.blocks import Net, build
from seedleaf.learners.ops import Chain, Conv, Head, Join, NetPlan, Op, Residual, Resize, SqueezeExcite


@dataclass(frozen=True, eq=False)
class OwnNet:
    """A network with the plan that it was built from."""

    plan: NetPlan
    net: Net

    @cached_property
    def skeleton(self) -> Skeleton:
        return skeleton_of(self.plan)

    def decomposable(self, layer: str) -> bool:
        return isinstance(self.net.get_submodule(layer), nn.Conv2d)

    def pruned(self, keep: Keep) -> OwnNet:
        widths = self.skeleton.full() | {g: len(kept) for g, kept in keep.items()}
        plan = narrowed(self.plan, widths)
        return self._with(plan, sliced(self.net.state_dict(), self.skeleton, keep))

    def decomposed(self, factors: Mapping[str, Sequence[Factor]]) -> OwnNet:
        """Each named convolution becomes a Chain; its BatchNorm and activation stay behind the last factor."""
        state, moved = self.net.state_dict(), {}
        paths = {name.rpartition(".")[0]: name for name in factors}
        for name, tensor in state.items():
            path = next((p for p in paths if name.startswith(f"{p}.")), None)
            if path is None:
                moved[name] = tensor
            elif name.startswith(f"{path}.1."):  # the BatchNorm
                moved[f"{path}.{len(factors[paths[path]]) - 1}{name[len(path) :]}"] = tensor
        for path, layer in paths.items():
            for i, factor in enumerate(factors[layer]):
                moved[f"{path}.{i}.0.weight"] = factor.weight
        return self._with(factored(self.plan, {p: factors[n] for p, n in paths.items()}), moved)

    def dropped(self, blocks: Sequence[str]) -> OwnNet:
        plan = self.plan._replace(ops=_emptied(self.plan.ops, "body", frozenset(blocks)))
        gone = tuple(f"{b}.body." for b in blocks)
        return self._with(plan, {k: v for k, v in self.net.state_dict().items() if not k.startswith(gone)})

    def fresh(self) -> OwnNet:
        net = build(self.plan)
        net.load_state_dict({"shift": self.net.shift, "scale": self.net.scale}, strict=False)
        return OwnNet(self.plan, net.eval())

    def to_json(self) -> dict[str, Any]:
        return {"plan": plan_to_json(self.plan)}

    def _with(self, plan: NetPlan, state: Mapping[str, torch.Tensor]) -> OwnNet:
        net = build(plan)
        net.load_state_dict(dict(state))
        return OwnNet(plan, net.eval())


# --- the skeleton of a plan ---


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


# --- new plans ---


def narrowed(plan: NetPlan, widths: Mapping[str, int]) -> NetPlan:
    """The plan whose groups have `widths` channels."""
    skeleton = skeleton_of(plan)
    layers = {x.name: skeleton.at(x, widths) for x in skeleton.layers}
    return plan._replace(ops=_narrowed(plan.ops, "body", layers))


def _narrowed(ops: Sequence[Op], path: str, layers: Mapping[str, Layer]) -> tuple[Op, ...]:
    found: list[Op] = []
    for i, op in enumerate(ops):
        here = f"{path}.{i}"
        if isinstance(op, Conv):
            x = layers[f"{here}.0"]
            found.append(op._replace(cin=x.cin, cout=x.cout, groups=x.groups))
        elif isinstance(op, Chain):
            found.append(Chain(_narrowed(op.ops, here, layers)))
        elif isinstance(op, Residual):
            found.append(op._replace(body=_narrowed(op.body, f"{here}.body", layers)))
        elif isinstance(op, SqueezeExcite):
            x = layers[f"{here}.squeeze"]
            found.append(SqueezeExcite(x.cin, x.cout))
        elif isinstance(op, Resize | Join):
            found.append(op)
        else:
            found.append(op._replace(cin=layers[f"{here}.{2 if op.dropout else 1}"].cin))
    return tuple(found)


def _emptied(ops: Sequence[Op], path: str, blocks: frozenset[str]) -> tuple[Op, ...]:
    """The ops with empty bodies in those residual blocks: their activation of the shortcut is what stays."""
    named = [(f"{path}.{i}", op) for i, op in enumerate(ops)]
    return tuple(op._replace(body=()) if isinstance(op, Residual) and n in blocks else op for n, op in named)


def factored(plan: NetPlan, factors: Mapping[str, Sequence[Factor]]) -> NetPlan:
    """The plan in which the convolution at each path is a chain of its factors."""
    size = plan.height, plan.width

    def ops(given: Sequence[Op], path: str) -> tuple[Op, ...]:
        return tuple(op(inner, f"{path}.{i}") for i, inner in enumerate(given))

    def op(given: Op, path: str) -> Op:
        nonlocal size
        if isinstance(given, Residual):
            return given._replace(body=ops(given.body, f"{path}.body"))
        if isinstance(given, Chain):
            return Chain(ops(given.ops, path))
        entering = size
        if isinstance(given, Conv | Resize):
            size = given.height, given.width
        if path not in factors:
            return given
        if not isinstance(given, Conv):
            raise RunError(f"{path} is no convolution: only convolutions of our own networks are decomposed")
        return Chain(_chain(given, factors[path], entering))

    return plan._replace(ops=ops(plan.ops, "body"))


def _chain(op: Conv, factors: Sequence[Factor], entering: tuple[int, int]) -> tuple[Op, ...]:
    last, size, found = len(factors) - 1, entering, []
    for i, factor in enumerate(factors):
        cout, cin, final = factor.weight.shape[0], factor.weight.shape[1] * factor.groups, i == last
        size, stride = ((op.height, op.width), op.stride) if factor.spatial else (size, 1)
        kernel, act = int(factor.weight.shape[2]), op.act if final else ""
        zero = op.zero and final
        norm = op.norm and final
        found.append(Conv(cin, cout, kernel, stride, factor.groups, *size, act, zero, norm=norm))
    return tuple(found)


# --- JSON: a plan is kept beside the weights ---

_OPS: Mapping[str, Any] = {
    "conv": Conv, "chain": Chain, "squeeze_excite": SqueezeExcite, "residual": Residual, "resize": Resize, "head": Head,
}  # fmt: skip
_KINDS = {op: kind for kind, op in _OPS.items()}


def plan_to_json(plan: NetPlan) -> dict[str, Any]:
    def body(op: Op) -> dict[str, Any]:
        fields = {k: [body(x) for x in v] if isinstance(v, tuple) else v for k, v in op._asdict().items()}
        return {"op": _KINDS[type(op)], **fields}

    return {**plan._asdict(), "ops": [body(op) for op in plan.ops]}


def plan_from_json(body: Mapping[str, Any]) -> NetPlan:
    """What `plan_to_json` wrote. RunError where it is no plan."""

    def op(given: Mapping[str, Any]) -> Any:
        fields = {k: tuple(map(op, v)) if isinstance(v, list) else v for k, v in given.items() if k != "op"}
        return _OPS[given["op"]](**fields)

    try:
        return NetPlan(**{**body, "ops": tuple(map(op, body["ops"]))})
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"this is not the plan of a network: {error!r}") from None
