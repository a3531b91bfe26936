"""What a planned network costs, counted from the plan alone: no torch, well under a millisecond."""

from __future__ import annotations

from collections.abc import Iterable

from seedleaf.learners.ops import (
    Chain,
    Conv,
    Head,
    Join,
    NetPlan,
    Op,
    Residual,
    Shape,
    SqueezeExcite,
    shape_after,
)

FLOAT_BYTES = 4
# Channels that a vector register holds (AVX-512; half as many with AVX2): convolutions fill up to whole ones. A step of 16,
# 28 and 48 channels took as long as one of 12, 28 and 44 with a quarter fewer multiply-adds, of 8, 24 and 48 a quarter less.
LANES = 16
# What the nodes of an ONNX graph take beside their weights, in bytes (names, shapes): a little more than measured.
HEADER, NODE, CONV, GATE, INDEX = 1200, 110, 280, 700, 8


def costs(plan: NetPlan) -> dict[str, int]:
    """`params` (trainable numbers), `macs` (multiply-adds of convolutions and linear layers for one image) and
    `bytes` (the most that the deployed file may take: float32 weights, BatchNorm folded away, and the graph around them).

    A re-parameterised convolution counts as the one that it becomes.
    """
    params, macs, deployed = _count(plan.ops)
    return {"params": params, "macs": macs, "bytes": FLOAT_BYTES * deployed + HEADER + _graph(plan.ops)}


def work(plan: NetPlan) -> int:
    """Multiply-adds as a CPU does them, channels filled up to whole registers: what a step takes goes by them."""
    return _work(plan.ops)


def _work(ops: Iterable[Op]) -> int:
    total = 0
    for op in ops:
        if isinstance(op, Conv):
            each = filled(op.cin // op.groups) * filled(op.cout // op.groups) * op.groups
            depthwise = op.groups == op.cin == op.cout
            total += (filled(op.cout) if depthwise else each) * op.kernel**2 * op.height * op.width
        elif isinstance(op, (Residual, Join, Chain)):
            total += sum(map(_work, _bodies(op)))
        elif isinstance(op, (Head, SqueezeExcite)):
            total += _linear(op)[0]
    return total


def filled(channels: int) -> int:
    """As whole registers hold; half of one is filled by halves, and the few of an image are left as they are."""
    least = LANES // 2
    if channels <= least:
        return channels if channels < least / 2 else least
    return -(-channels // LANES) * LANES


def costs_of(ops: Iterable[Op]) -> int:
    """The trainable numbers of `ops`."""
    return _count(ops)[0]


def _count(ops: Iterable[Op]) -> tuple[int, int, int]:
    params = macs = deployed = 0
    for op in ops:
        if isinstance(op, Conv):
            weights = op.cin // op.groups * op.cout * op.kernel * op.kernel
            params += weights + 2 * op.cout * op.norm
            deployed += weights + op.cout * op.norm
            macs += weights * op.height * op.width
        elif isinstance(op, (Residual, Join, Chain)):
            for inner in map(_count, _bodies(op)):
                params, macs, deployed = params + inner[0], macs + inner[1], deployed + inner[2]
        elif isinstance(op, (Head, SqueezeExcite)):
            weights, biases = _linear(op)
            params += weights + biases
            deployed += weights + biases
            macs += weights
    return params, macs, deployed


def _graph(ops: Iterable[Op]) -> int:
    """Bytes of the nodes of `ops`, at most."""
    total = 0
    for op in ops:
        if isinstance(op, Conv):
            total += CONV + (2 * NODE if op.act else 0)
        elif isinstance(op, Residual):
            total += 3 * NODE + _graph(op.body)
        elif isinstance(op, Chain):
            total += _graph(op.ops)
        elif isinstance(op, Join):
            total += 3 * NODE
            if op.shuffle > 1:  # written as a list of the channels that come out
                coming = Shape(max(b.stop for b in op.branches), 1, 1)
                total += NODE + INDEX * shape_after(op, coming).channels
            total += sum(4 * NODE + _graph(b.body) for b in op.branches)
        elif isinstance(op, Chain):
            total += _graph(op.ops)
        else:
            total += GATE
    return total


def _bodies(op: Residual | Join | Chain) -> tuple[tuple[Op, ...], ...]:
    if isinstance(op, Join):
        return tuple(b.body for b in op.branches)
    return (op.body if isinstance(op, Residual) else op.ops,)


def _linear(op: Head | SqueezeExcite) -> tuple[int, int]:
    if isinstance(op, Head):
        return op.cin * op.n_classes, op.n_classes
    return 2 * op.channels * op.hidden, op.channels + op.hidden
