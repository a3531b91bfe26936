"""A network as data: a tuple of op descriptors with their spatial sizes.

`cost.costs` and `blocks.build` both fold over the same plan, so what is counted is what is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seedleaf.learners.light_blocks import Options, gates, ghost_block, keeps_shape, shuffle_block
from seedleaf.learners.ops import (
    Branch,
    Conv,
    Head,
    Join,
    NetPlan,
    Op,
    Residual,
    Resize,
    Shape,
    SqueezeExcite,
    conv,
    eight,
)

__all__ = [
    "BLOCKS",
    "Branch",
    "Conv",
    "Head",
    "Join",
    "NetPlan",
    "Op",
    "Residual",
    "Resize",
    "Shape",
    "SqueezeExcite",
    "eight",
    "plan_network",
]

Block = Callable[[Shape, int, int, str, Options], tuple[Op, ...]]


def conv_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """k×k convolution; with a shortcut where shapes allow. Re-parameterised ones have theirs inside."""
    kernel, groups, rep = options["kernel"], options.get("groups", 1), options.get("rep", False)
    if keeps_shape(s, cout, stride, options) and not rep:
        return (Residual((conv(s, cout, kernel, 1, "", groups=groups, zero=True),), act),)
    return (conv(s, cout, kernel, stride, act, groups=groups, rep=rep),)


def separable_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """Depthwise k×k, then pointwise (Howard et al. 2017)."""
    skip = keeps_shape(s, cout, stride, options)
    depth = conv(
        s, s.channels, options["kernel"], stride, act, groups=s.channels, rep=options.get("rep", False)
    )
    point = conv(s.after(s.channels, stride), cout, 1, 1, "" if skip else act, zero=skip)
    return (Residual((depth, point), act),) if skip else (depth, point)


def bottleneck_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """1×1 down to ratio · cout, k×k, 1×1 up (He et al. 2016); in groups it is ResNeXt's (Xie et al. 2017)."""
    skip = keeps_shape(s, cout, stride, options)
    inner = eight(cout * options["ratio"], at_least=4)
    mid = s.after(inner, stride)
    narrow, groups = Shape(inner, s.height, s.width), options.get("groups", 1)
    body = (
        conv(s, inner, 1, 1, act),
        conv(narrow, inner, options["kernel"], stride, act, groups=groups),
        conv(mid, cout, 1, 1, "" if skip else act, zero=skip),
    )
    return (Residual(body, act),) if skip else body


def inverted_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """1×1 up to expansion · cin, depthwise k×k, squeeze-excite, linear 1×1 down (Sandler et al. 2018)."""
    inner = eight(s.channels * options["expansion"])
    wide = Shape(inner, s.height, s.width)
    body: tuple[Op, ...] = (
        conv(s, inner, 1, 1, act),
        conv(wide, inner, options["kernel"], stride, act, groups=inner),
    )
    return _projected(s, body, wide, cout, stride, options)


def fused_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """k×k up to expansion · cin, squeeze-excite, linear 1×1 down (Tan and Le 2021)."""
    inner = eight(s.channels * options["expansion"])
    body: tuple[Op, ...] = (conv(s, inner, options["kernel"], stride, act),)
    return _projected(s, body, Shape(inner, s.height, s.width), cout, stride, options)


def _projected(
    s: Shape, body: tuple[Op, ...], wide: Shape, cout: int, stride: int, options: Options
) -> tuple[Op, ...]:
    skip = keeps_shape(s, cout, stride, options)
    body = (*body, *gates(wide.channels, options))
    body = (*body, conv(wide.after(wide.channels, stride), cout, 1, 1, "", zero=skip))
    return (Residual(body, ""),) if skip else body


BLOCKS: Mapping[str, Block] = {
    "conv": conv_block,
    "separable": separable_block,
    "bottleneck": bottleneck_block,
    "inverted": inverted_block,
    "fused": fused_block,
    "ghost": ghost_block,
    "shuffle": shuffle_block,
}


def stage_stride(index: int, side: int) -> int:
    """The stride of stage `index` (0 is the first) on maps whose shorter side is `side`.

    The first stage keeps the stem's resolution unless that is large; later ones halve until little is left.
    """
    if index == 0:
        return 2 if side > 32 else 1
    return 2 if side > 5 else 1


def stage_strides(index: int, side: int, repeats: int, where: str = "rule") -> tuple[int, ...]:
    """The stride of each of a stage's blocks: the rule's at its first one, or at its "last"; "keep" the resolution,
    or "halve" it at the first whatever the rule says."""
    stride = {"keep": 1, "halve": 2}.get(where, stage_stride(index, side))
    rest = (1,) * (repeats - 1)
    return (*rest, stride) if where == "last" else (stride, *rest)


def plan_network(
    height: int,
    width: int,
    channels: int,
    n_classes: int,
    stem: tuple[int, int],
    stages: tuple[tuple[str, Options], ...],
    act: str,
    dropout: float,
    *,
    stem_kernel: int = 3,
    resolution: float = 1.0,
) -> NetPlan:
    """The plan of stem (width, stride), stages (module name, its options with width and repeats) and head.

    A stage's options may also hold groups, se, rep, skip, stride and an activation of its own ("net": the network's).
    """
    s = Shape(channels, height, width)
    ops: list[Op] = []
    if resolution < 1:
        s = Shape(channels, max(round(height * resolution), 1), max(round(width * resolution), 1))
        ops.append(Resize(s.height, s.width))
    ops.append(conv(s, stem[0], stem_kernel, stem[1], act))
    s = s.after(stem[0], stem[1])
    for index, (module, options) in enumerate(stages):
        block, cout = BLOCKS[module], options["width"]
        own = options.get("activation", "net")
        side = min(s.height, s.width)
        for stride in stage_strides(index, side, options["repeats"], options.get("stride", "rule")):
            ops.extend(block(s, cout, stride, act if own == "net" else own, options))
            s = s.after(cout, stride)
    ops.append(Head(s.channels, n_classes, dropout))
    return NetPlan(height, width, channels, n_classes, tuple(ops))
