"""Our own networks: pruning and decomposing are moves in the space of plans; the builder is the one that trained them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from seedleaf.compression.plan_json import plan_to_json
from seedleaf.compression.plan_skeleton import skeleton_of
from seedleaf.compression.skeleton import Layer, Skeleton
from seedleaf.compression.subject import Factor, Keep, sliced
from seedleaf.errors import RunError
from seedleaf.learners.blocks import Net, build
from seedleaf.learners.ops import Chain, Conv, Join, NetPlan, Op, Residual, Resize, SqueezeExcite


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

    def lasting(self) -> tuple[str, ...]:
        return ()

    def to_json(self) -> dict[str, Any]:
        return {"plan": plan_to_json(self.plan)}

    def _with(self, plan: NetPlan, state: Mapping[str, torch.Tensor]) -> OwnNet:
        net = build(plan)
        net.load_state_dict(dict(state))
        return OwnNet(plan, net.eval())


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
