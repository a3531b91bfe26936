"""The operations that a planned network is made of, as data: what is counted, timed and built are the same tuples."""

from __future__ import annotations

from typing import NamedTuple


class Conv(NamedTuple):
    """A convolution with "same" padding, then BatchNorm, then an activation ("" for none).

    `height` and `width` are those of its output; `zero` starts the BatchNorm scale at 0 (the last of a residual
    branch: the block begins as the identity, Goyal et al. 2017). `rep` trains a 1×1 and an identity branch beside it,
    which melt into the one convolution that is deployed (Ding et al. 2021, RepVGG). Without `norm` it is a bare linear
    map: a factor of a decomposed convolution.
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
    rep: bool = False
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


class Branch(NamedTuple):
    """`body` on the channels `first` to `stop` of what comes in; an empty body hands them on as they are."""

    first: int
    stop: int
    body: tuple[Op, ...]


class Join(NamedTuple):
    """What the branches give, one after another along the channels, then mixed between `shuffle` groups of them."""

    branches: tuple[Branch, ...]
    shuffle: int = 1


class Resize(NamedTuple):
    """Bilinear down-sampling to height × width: resolution as a parameter, inside the network."""

    height: int
    width: int


class Head(NamedTuple):
    """Global average pool, dropout, linear."""

    cin: int
    n_classes: int
    dropout: float


Op = Conv | Chain | SqueezeExcite | Residual | Join | Resize | Head


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


def conv(
    s: Shape,
    cout: int,
    kernel: int,
    stride: int,
    act: str,
    *,
    groups: int = 1,
    zero: bool = False,
    rep: bool = False,
) -> Conv:
    """The convolution that takes a map of shape `s` to `cout` channels."""
    out = s.after(cout, stride)
    return Conv(s.channels, cout, kernel, stride, groups, out.height, out.width, act, zero, rep)


def shape_after(op: Op, s: Shape) -> Shape:
    """What `op` makes of a map of shape `s`."""
    if isinstance(op, Conv):
        return Shape(op.cout, op.height, op.width)
    if isinstance(op, Resize):
        return Shape(s.channels, op.height, op.width)
    if isinstance(op, Head):
        return Shape(op.n_classes, 1, 1)
    if isinstance(op, Chain):
        return _through(op.ops, s)
    if isinstance(op, Join):
        ends = [_through(b.body, Shape(b.stop - b.first, s.height, s.width)) for b in op.branches]
        return Shape(sum(e.channels for e in ends), ends[0].height, ends[0].width)
    return s


def _through(ops: tuple[Op, ...], s: Shape) -> Shape:
    for op in ops:
        s = shape_after(op, s)
    return s


def eight(width: float, at_least: int = 8) -> int:
    """The nearest multiple of 8 (of 4 below 24): widths that fill the vector registers."""
    unit = 8 if width >= 24 else 4
    return max(at_least, int(width / unit + 0.5) * unit)
