"""A network as data: a tuple of op descriptors with their spatial sizes.

`cost.costs` and `blocks.build` both fold over the same plan, so what is counted is what is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Options = Mapping[str, Any]


class Conv(NamedTuple):
    """A convolution with "same" padding, then BatchNorm, then an activation ("" for none).

    `height` and `width` are those of its output; `zero` starts the BatchNorm scale at 0 (the last of a residual
    branch: the block begins as the identity, Goyal et al. 2017). Without `norm` it is a bare linear map: a factor of a
    decomposed convolution.
    """

    cin: int
    cout: int
    kernel: int
    stride: int
    groups: int
    height: int
    width: int
    act: str
    zero: bool = False
    norm: bool = True


class Chain(NamedTuple):
    """One op after the other: what a decomposed convolution became."""

    ops: tuple[Op, ...]


class SqueezeExcite(NamedTuple):
    """Channel gates from the pooled map (Hu et al. 2018): linear, relu, linear, hard sigmoid."""

    channels: int
    hidden: int


class Residual(NamedTuple):
    """act(body(x) + x); `body` keeps the shape. Without a body act(x): a block of which only the shortcut is left."""

    body: tuple[Op, ...]
    act: str


class Head(NamedTuple):
    """Global average pool, dropout, linear."""

    cin: int
    n_classes: int
    dropout: float


Op = Conv | Chain | SqueezeExcite | Residual | Head


class NetPlan(NamedTuple):
    """A whole network for uint8 images of height × width × channels."""

    height: int
    width: int
    channels: int
    n_classes: int
    ops: tuple[Op, ...]


class Shape(NamedTuple):
    """A feature map on its way through the plan."""

    channels: int
    height: int
    width: int

    def after(self, channels: int, stride: int) -> Shape:
        return Shape(channels, -(-self.height // stride), -(-self.width // stride))


Block = Callable[[Shape, int, int, str, Options], tuple[Op, ...]]


def conv(
    s: Shape, cout: int, kernel: int, stride: int, act: str, *, groups: int = 1, zero: bool = False
) -> Conv:
    """The convolution that takes a map of shape `s` to `cout` channels."""
    out = s.after(cout, stride)
    return Conv(s.channels, cout, kernel, stride, groups, out.height, out.width, act, zero)


def _skip(s: Shape, cout: int, stride: int) -> bool:
    return stride == 1 and s.channels == cout


def conv_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """k×k convolution; with a shortcut where shapes allow."""
    if _skip(s, cout, stride):
        return (Residual((conv(s, cout, options["kernel"], 1, "", zero=True),), act),)
    return (conv(s, cout, options["kernel"], stride, act),)


def separable_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """Depthwise k×k, then pointwise (Howard et al. 2017)."""
    skip = _skip(s, cout, stride)
    depth = conv(s, s.channels, options["kernel"], stride, act, groups=s.channels)
    point = conv(s.after(s.channels, stride), cout, 1, 1, "" if skip else act, zero=skip)
    return (Residual((depth, point), act),) if skip else (depth, point)


def bottleneck_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """1×1 down to ratio · cout, k×k, 1×1 up (He et al. 2016)."""
    skip = _skip(s, cout, stride)
    inner = eight(cout * options["ratio"], at_least=4)
    mid = s.after(inner, stride)
    body = (
        conv(s, inner, 1, 1, act),
        conv(Shape(inner, s.height, s.width), inner, options["kernel"], stride, act),
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
    skip = _skip(s, cout, stride)
    if options["se"]:
        body = (*body, SqueezeExcite(wide.channels, eight(wide.channels / 4, at_least=4)))
    body = (*body, conv(wide.after(wide.channels, stride), cout, 1, 1, "", zero=skip))
    return (Residual(body, ""),) if skip else body


BLOCKS: Mapping[str, Block] = {
    "conv": conv_block,
    "separable": separable_block,
    "bottleneck": bottleneck_block,
    "inverted": inverted_block,
    "fused": fused_block,
}


def eight(width: float, at_least: int = 8) -> int:
    """The nearest multiple of 8 (of 4 below 24): widths that fill the vector registers."""
    unit = 8 if width >= 24 else 4
    return max(at_least, int(width / unit + 0.5) * unit)


def stage_stride(index: int, side: int) -> int:
    """The stride of stage `index` (0 is the first) on maps whose shorter side is `side`.

    The first stage keeps the stem's resolution unless that is large; later ones halve until little is left.
    """
    if index == 0:
        return 2 if side > 32 else 1
    return 2 if side > 5 else 1


def plan_network(
    height: int,
    width: int,
    channels: int,
    n_classes: int,
    stem: tuple[int, int],
    stages: tuple[tuple[str, Options], ...],
    act: str,
    dropout: float,
) -> NetPlan:
    """The plan of stem (width, stride), stages (module name, its options with width and repeats) and head."""
    s = Shape(channels, height, width)
    ops: list[Op] = [conv(s, stem[0], 3, stem[1], act)]
    s = s.after(stem[0], stem[1])
    for index, (module, options) in enumerate(stages):
        block, cout = BLOCKS[module], options["width"]
        for repeat in range(options["repeats"]):
            stride = stage_stride(index, min(s.height, s.width)) if repeat == 0 else 1
            ops.extend(block(s, cout, stride, act, options))
            s = s.after(cout, stride)
    ops.append(Head(s.channels, n_classes, dropout))
    return NetPlan(height, width, channels, n_classes, tuple(ops))
