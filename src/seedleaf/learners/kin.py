"""Which operations of one planned network can take their weights from which of another. No torch: the tuner asks it too."""

from __future__ import annotations

from collections.abc import Sequence

from seedleaf.learners.cost import costs_of
from seedleaf.learners.ops import Branch, Chain, Conv, Head, Join, NetPlan, Op, Residual, SqueezeExcite

Pairs = list[tuple[int, int]]  # places in the child and in the parent


def aligned(child: NetPlan, parent: NetPlan) -> Pairs:
    """The pairs, in order, that hand most weights down: the best alignment of the two rows of operations, so that a block
    that was put in between, or taken out, moves nothing else."""
    mine, theirs = child.ops, parent.ops
    shared = [[overlap(a, b) for b in theirs] for a in mine]
    best = [[0.0] * (len(theirs) + 1) for _ in range(len(mine) + 1)]
    for i in range(len(mine) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            pair = shared[i][j] + best[i + 1][j + 1] if shared[i][j] > 0 else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], pair)
    pairs: Pairs = []
    i = j = 0
    while i < len(mine) and j < len(theirs):
        if shared[i][j] > 0 and best[i][j] == shared[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def kinship(child: NetPlan, parent: NetPlan) -> float:
    """The share of the child's weights that the parent has, 0 to 1."""
    there = sum(overlap(child.ops[i], parent.ops[j]) for i, j in aligned(child, parent))
    return there / max(costs_of(child.ops), 1)


def overlap(a: Op, b: Op) -> float:
    """How many weights of `a` those of `b` can stand for: 0 where they are of different kinds."""
    if isinstance(a, Conv) and isinstance(b, Conv):
        if (a.groups == 1) != (b.groups == 1) or a.rep != b.rep or a.norm != b.norm:
            return 0.0
        inputs = min(a.cin // a.groups, b.cin // b.groups)
        return float(min(a.cout, b.cout) * inputs * min(a.kernel, b.kernel) ** 2)
    if isinstance(a, SqueezeExcite) and isinstance(b, SqueezeExcite):
        return 2.0 * min(a.channels, b.channels) * min(a.hidden, b.hidden)
    if isinstance(a, Head) and isinstance(b, Head) and a.n_classes == b.n_classes:
        return float(min(a.cin, b.cin) * a.n_classes)
    if isinstance(a, Residual) and isinstance(b, Residual):
        return _bodies(a.body, b.body)
    if isinstance(a, Chain) and isinstance(b, Chain):
        return _bodies(a.ops, b.ops)
    if isinstance(a, Join) and isinstance(b, Join) and len(a.branches) == len(b.branches):
        return sum(_branch(x, y) for x, y in zip(a.branches, b.branches, strict=True))
    return 0.0


def _branch(a: Branch, b: Branch) -> float:
    return _bodies(a.body, b.body)


def _bodies(a: Sequence[Op], b: Sequence[Op]) -> float:
    """Bodies are alike in all of their operations or not at all."""
    if len(a) != len(b):
        return 0.0
    parts = [overlap(x, y) for x, y in zip(a, b, strict=True)]
    return sum(parts) if all(part > 0 for part in parts) else 0.0
