"""Blocks that save by making half of their channels cheaply or by leaving half of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.learners.ops import Branch, Conv, Join, Op, Residual, Shape, SqueezeExcite, conv, eight

Options = Mapping[str, Any]


def keeps_shape(s: Shape, cout: int, stride: int, options: Options) -> bool:
    """Is there to be a shortcut: does the block keep the shape, and does the config not do without?"""
    return stride == 1 and s.channels == cout and bool(options.get("skip", True))


def gates(channels: int, options: Options) -> tuple[Op, ...]:
    """Squeeze-excite with the ratio that the config asks for; nothing where that is 0."""
    asked = options.get("se", 0.0)
    ratio = 0.25 if asked is True else float(asked)  # configs of before there was a ratio say True
    return (SqueezeExcite(channels, eight(channels * ratio, at_least=4)),) if ratio else ()


def ghost_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """Up to expansion · cin and down again by ghost modules, a depthwise k×k between them where it strides
    (Han et al. 2020)."""
    skip = keeps_shape(s, cout, stride, options)
    inner, kernel = eight(s.channels * options["expansion"]), options["kernel"]
    wide = Shape(inner, s.height, s.width)
    body: tuple[Op, ...] = _ghost(s, inner, kernel, act)
    if stride > 1:
        body = (*body, conv(wide, inner, kernel, stride, "", groups=inner))
    body = (
        *body,
        *gates(inner, options),
        *_ghost(wide.after(inner, stride), cout, kernel, "", zero=skip),
    )
    return (Residual(body, ""),) if skip else body


def _ghost(s: Shape, cout: int, kernel: int, act: str, *, zero: bool = False) -> tuple[Conv, Join]:
    """Half of the channels by a 1×1 convolution, the other half from those by a depthwise one."""
    half = cout // 2
    made = s.after(half, 1)
    cheap = conv(made, half, kernel, 1, act, groups=half, zero=zero)
    return conv(s, half, 1, 1, act, zero=zero), Join((Branch(0, half, ()), Branch(0, half, (cheap,))))


def shuffle_block(s: Shape, cout: int, stride: int, act: str, options: Options) -> tuple[Op, ...]:
    """Half of the channels pass by, the others go through 1×1, depthwise k×k, 1×1; then both are mixed. Where the shape
    changes all channels go through both branches (Ma et al. 2018, ShuffleNetV2)."""
    half, kernel = cout // 2, options["kernel"]
    if stride == 1 and s.channels == cout:
        right = Shape(half, s.height, s.width)
        branches = (Branch(0, half, ()), Branch(half, cout, _shuffled(right, half, kernel, 1, act)))
        return (Join(branches, shuffle=2),)
    left = (
        conv(s, s.channels, kernel, stride, "", groups=s.channels),
        conv(s.after(s.channels, stride), half, 1, 1, act),
    )
    right_body = _shuffled(s, half, kernel, stride, act)
    return (Join((Branch(0, s.channels, left), Branch(0, s.channels, right_body)), shuffle=2),)


def _shuffled(s: Shape, half: int, kernel: int, stride: int, act: str) -> tuple[Op, ...]:
    wide = Shape(half, s.height, s.width)
    return (
        conv(s, half, 1, 1, act),
        conv(wide, half, kernel, stride, "", groups=half),
        conv(wide.after(half, stride), half, 1, 1, act),
    )
