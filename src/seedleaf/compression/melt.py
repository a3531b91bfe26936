"""Our own networks made plain before they are compressed: side branches melt into their convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seedleaf.compression.subject import replace_module
from seedleaf.learners.blocks import BN_MOMENTUM, Net
from seedleaf.learners.fold import RepConv
from seedleaf.learners.ops import Chain, Conv, Join, NetPlan, Op, Residual

IMAGES = 256  # that the statistics are measured on


def plain_plan(plan: NetPlan) -> NetPlan:
    """The plan without side branches."""
    return plan._replace(ops=_plain(plan.ops))


def _plain(ops: Sequence[Op]) -> tuple[Op, ...]:
    return tuple(map(_plain_op, ops))


def _plain_op(op: Op) -> Op:
    if isinstance(op, Conv):
        return op._replace(rep=False)
    if isinstance(op, Residual):
        return op._replace(body=_plain(op.body))
    if isinstance(op, Chain):
        return Chain(_plain(op.ops))
    if isinstance(op, Join):
        return op._replace(branches=tuple(b._replace(body=_plain(b.body)) for b in op.branches))
    return op


def branches(ops: Sequence[Op]) -> bool:
    """Does any channel go another way than its neighbours?"""
    return any(
        isinstance(op, Join) or (isinstance(op, Residual | Chain) and branches(_inner(op))) for op in ops
    )


def _inner(op: Residual | Chain) -> Sequence[Op]:
    return op.body if isinstance(op, Residual) else op.ops


def melt(net: Net, images: Any) -> None:
    """Replace, in place, each re-parameterised convolution of `net` by a convolution and a BatchNorm that answer as it does.

    The BatchNorm's statistics are measured on `images` (uint8, N, H, W, C), so that measuring them anew changes nothing.
    """
    net.eval()
    found = [(name, m) for name, m in net.named_modules() if isinstance(m, RepConv)]
    if not found:
        return
    norms = []
    for name, module in found:
        path = name.rpartition(".")[0]
        holder = net.get_submodule(path)
        assert isinstance(holder, nn.Sequential)
        merged = module.merged()
        shift = cast(Tensor, merged.bias).detach()
        merged.bias = None
        norm = nn.BatchNorm2d(merged.out_channels, momentum=BN_MOMENTUM).eval()
        replace_module(net, path, nn.Sequential(merged, norm, *list(holder)[1:]))
        norms.append((norm, shift))
    # In the order of the network: each is exact before the next one is measured.
    handles = [n.register_forward_pre_hook(_measure(n, shift)) for n, shift in norms]
    try:
        with torch.no_grad():
            net(torch.from_numpy(np.array(images[:IMAGES])))
    finally:
        for handle in handles:
            handle.remove()


def _measure(norm: nn.BatchNorm2d, shift: Tensor) -> Any:
    def hook(_: nn.Module, given: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(given[0], (0, 2, 3))
        cast(Tensor, norm.running_mean).copy_(mean)
        cast(Tensor, norm.running_var).copy_(variance)
        with torch.no_grad():
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.copy_(mean + shift)

    return hook
