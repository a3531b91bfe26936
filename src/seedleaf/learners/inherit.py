"""A child begins with its parent's weights where shapes allow: blocks that are new start as the identity, channels that are
new as drawn, kernels that grew with zeros around (network morphism in spirit: Wei et al. 2016; Elsken et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seedleaf.core import Config, Context
from seedleaf.errors import CheckpointError
from seedleaf.learners.images import open_source
from seedleaf.learners.kin import aligned
from seedleaf.learners.ops import NetPlan
from seedleaf.train import checkpoint

if TYPE_CHECKING:
    from seedleaf.learners.convnet import ConvNet


def begin_as_child(family: ConvNet, config: Config, ctx: Context, net: nn.Module) -> None:
    """Give `net`, of `config`, the weights in the folder `ctx.parent`; where none can be read it stays as drawn."""
    assert ctx.parent is not None
    try:
        body = checkpoint.load(ctx.parent / checkpoint.NAME, ctx.device)
    except CheckpointError as error:
        print(f"trial {ctx.trial} begins with its own weights: {error}")
        return
    spec = open_source(ctx.setup).data.spec
    state = body["judged"] if body.get("judged") is not None else body["model"]
    hand_down(net, family.plan(spec, config), state, family.plan(spec, body["values"]))


@torch.no_grad()
def hand_down(net: nn.Module, plan: NetPlan, state: Mapping[str, Tensor], parent: NetPlan) -> int:
    """Copy into `net`, of `plan`, what `state`, of `parent`, has for it. Returns how many numbers were copied."""
    mine, copied = net.state_dict(), 0
    for i, j in aligned(plan, parent):
        here, there = f"body.{i}.", f"body.{j}."
        for name, tensor in mine.items():
            other = state.get(there + name.removeprefix(here)) if name.startswith(here) else None
            if other is not None and other.ndim == tensor.ndim and tensor.is_floating_point():
                copied += _copy(tensor, other)
    return copied


def _copy(mine: Tensor, other: Tensor) -> int:
    """The part that both have: the first channels, the middle of the kernels. What `mine` has beyond it is 0 in a
    kernel and as drawn in channels."""
    if mine.ndim == 4 and mine.shape[2:] != other.shape[2:]:
        common = min(mine.shape[2], other.shape[2])
        a, b = (mine.shape[2] - common) // 2, (other.shape[2] - common) // 2
        out, cin = min(mine.shape[0], other.shape[0]), min(mine.shape[1], other.shape[1])
        if common < mine.shape[2]:
            mine[:out, :cin] = 0
        mine[:out, :cin, a : a + common, a : a + common] = other[:out, :cin, b : b + common, b : b + common]
        return out * cin * common * common
    part = tuple(slice(min(m, o)) for m, o in zip(mine.shape, other.shape, strict=True))
    mine[part] = other[part]
    return mine[part].numel()
