"""What a planned network costs, counted from the plan alone: no torch, well under a millisecond."""

from __future__ import annotations

from collections.abc import Iterable

from seedleaf.learners.ops import Chain, Conv, Head, Join, NetPlan, Op, Residual, SqueezeExcite

FLOAT_BYTES = 4


def costs(plan: NetPlan) -> dict[str, int]:
    """`params` (trainable numbers), `macs` (multiply-adds of convolutions and linear layers for one image) and
    `bytes` (float32 weights as deployed, BatchNorm folded into the convolutions).

    A re-parameterised convolution counts as the one that it becomes.
    """
    params, macs, deployed = _count(plan.ops)
    return {"params": params, "macs": macs, "bytes": FLOAT_BYTES * deployed}


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


def _bodies(op: Residual | Join | Chain) -> tuple[tuple[Op, ...], ...]:
    if isinstance(op, Join):
        return tuple(b.body for b in op.branches)
    return (op.body if isinstance(op, Residual) else op.ops,)


def _linear(op: Head | SqueezeExcite) -> tuple[int, int]:
    if isinstance(op, Head):
        return op.cin * op.n_classes, op.n_classes
    return 2 * op.channels * op.hidden, op.channels + op.hidden
