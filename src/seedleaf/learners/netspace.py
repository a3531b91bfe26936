"""The space of the convolutional networks: resolution, stem, up to four stages of their own kind of module."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Limit, Value
from seedleaf.learners.plan import BLOCKS
from seedleaf.space import Bool, Choice, Const, Int, Param, Space

if TYPE_CHECKING:
    from seedleaf.data.spec import ImageSpec

STAGES = ("stage1", "stage2", "stage3", "stage4")
# Channels come in fours: widths that fill the vector registers cost no more than those just below them.
NARROWEST, WIDEST, WIDEST_STEM, WIDTH_STEP = 8, 256, 48, 4
COARSEST = 12  # pixels of the shorter side
ACTIVATIONS = ("relu", "hard_swish", "silu", "leaky_relu", "gelu")
# Written signs: a mirrored one is another one or none. Names of sets, and words of the names of folders and classes.
SETS_OF_SIGNS = re.compile(r"mnist|digits|usps|svhn|gtsrb|omniglot|captcha|handwrit|signlanguage")
SIGNS = re.compile(
    r"(?<![a-z])((road|traffic|street)?sign|(number|licen[cs]e)?plate|digit|letter|alphabet|char|glyph|font|ocr|asl|left|right)s?"
    r"(?![a-z])"
)
SIDES = (re.compile(r"(?<![a-z])left(?![a-z])"), re.compile(r"(?<![a-z])right(?![a-z])"))
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def may_mirror(spec: ImageSpec) -> bool:
    """May a mirrored image still show its class? Not where classes are written signs, or told by what is left and right."""
    name, classes = _words(spec.name), [_words(c) for c in spec.class_names]
    if "fashion" in name:
        return True
    # One class of many may be called a plate, a stop sign or a right whale among photographs.
    told = 2 * sum(bool(SIGNS.search(c)) for c in classes) >= max(len(classes), 1)
    sides = all(any(side.search(c) for c in classes) for side in SIDES)
    return not (SETS_OF_SIGNS.search(name) or SIGNS.search(name) or told or sides)


def _words(name: str) -> str:
    """In small letters, "TurnLeft" as two words."""
    return CAMEL.sub(" ", name).lower()


def surely_mirrors(spec: ImageSpec) -> bool:
    """Is mirroring a safe start? Classes called by single characters may be signs, unless the images have colour."""
    if not may_mirror(spec):
        return False
    signs = all(len(name) == 1 for name in spec.class_names)
    return spec.channels == 3 or not signs or "fashion" in spec.name.lower()


def usual_shift(spec: ImageSpec) -> float:
    """The default shift as a share of the side, for photographs and tiny pictures.

    Grey pictures of a size come centred, and within ten epochs a shift of one pixel cost 0.003 there.
    """
    return 0.1 if spec.channels == 3 or min(spec.height, spec.width) < 16 else 0.0


def side_of(spec: ImageSpec) -> float:
    """The side of the square of as many pixels: what is wide and low has work for its area."""
    return math.sqrt(spec.height * spec.width)


def stem_strides(spec: ImageSpec) -> tuple[int, ...]:
    """What the first convolution may divide the resolution by."""
    side = side_of(spec)
    return (1,) if side < 16 else (1, 2) if side < 48 else (2, 4)


def resolutions(spec: ImageSpec) -> tuple[float, ...]:
    """What share of the images' sides a network may work at; it never goes below `COARSEST` pixels."""
    side = min(spec.height, spec.width)
    return (*(f for f in (0.25, 0.5, 0.75) if side * f >= COARSEST), 1.0)


def network_space(spec: ImageSpec, limits: Sequence[Limit]) -> dict[str, Param]:
    """Resolution, stem, two stages and up to two more, activation."""
    cap = min((x.at_most for x in limits if x.metric == "params"), default=float("inf"))
    cap = min(cap, *(x.at_most / 4 for x in limits if x.metric == "bytes"), float("inf"))
    strides, sides = stem_strides(spec), resolutions(spec)
    stage: Any = {name: _module_space(name, cap) for name in BLOCKS}
    optional: Any = {"none": {}, **stage}
    return {
        "resolution": Choice(*sides, ordered=True, default=1.0) if len(sides) > 1 else Const(1.0),
        "stem_kernel": Choice(3, 5, ordered=True, default=3),
        "stem_width": Int(NARROWEST, WIDEST_STEM, log=True, step=WIDTH_STEP, default=16),
        "stem_stride": Choice(*strides, ordered=True) if len(strides) > 1 else Const(strides[0]),
        "stage1": Choice(**stage, default="conv"),
        "stage2": Choice(**stage, default="conv"),
        "stage3": Choice(**optional, default="none"),
        "stage4": Choice(**optional, default="none"),
        "activation": Choice(*ACTIVATIONS, default="relu"),
    }


# Weights per squared width of one block, about (it enters with fewer channels than it leaves with):
_DENSITY = {
    "conv": 5.0,
    "separable": 1.2,
    "bottleneck": 2.0,
    "inverted": 4.0,
    "fused": 14.0,
    "ghost": 2.5,
    "shuffle": 0.6,
}
_DEPTHWISE = ("separable", "inverted", "ghost", "shuffle")
_EXPANDING = ("inverted", "fused", "ghost")
# These work on halves of their channels. Where a half is no multiple of four ONNX Runtime took up to 2.5 times longer.
_HALVING = ("ghost", "shuffle")


def _module_space(module: str, cap: float) -> dict[str, Any]:
    """The parameters of one stage of `module`. A single block takes at most 0.6 of the limit on params, so that many
    draws of the whole space keep it."""
    fits = min(math.sqrt(0.6 * cap / _DENSITY[module]), WIDEST)
    step = 2 * WIDTH_STEP if module in _HALVING else WIDTH_STEP
    widest = max(int(fits) // step * step, NARROWEST)
    kernels = (3, 5, 7) if module in _DEPTHWISE else (3, 5)
    space: dict[str, Any] = {
        "width": Int(NARROWEST, widest, log=True, step=step, default=min(32, widest)),
        "repeats": Int(1, 4, default=1),
        "kernel": Choice(*kernels, ordered=True, default=3),
    }
    if module == "bottleneck":
        space["ratio"] = Choice(0.25, 0.375, 0.5, ordered=True, default=0.25)
    if module in _EXPANDING:
        space["expansion"] = Choice(1.5, 2, 3, 4, 6, ordered=True, default=2)
        space["se"] = Choice(0.0, 0.125, 0.25, 0.5, ordered=True, default=0.0)
    return {**space, "form": Choice(plain={}, shaped=_form(module), default="plain")}


def _form(module: str) -> dict[str, Any]:
    """What is rarely worth changing. Behind one choice, so that the neighbourhood of a plain network stays small."""
    form: dict[str, Any] = {
        "activation": Choice("net", *ACTIVATIONS, default="net"),
        "stride": Choice("rule", "last", "keep", "halve", default="rule"),
    }
    if module != "shuffle":  # whose channels that pass by are its shortcut
        form["skip"] = Bool(True)
    if module in ("conv", "bottleneck"):
        form["groups"] = Choice(1, 2, 4, ordered=True, default=1)
    if module in ("conv", "separable"):
        form["rep"] = Bool(False)
    return form


def smallest_with(space: Space, spec: ImageSpec, first: str, second: str, groups: int = 4) -> Config:
    """The least network of two stages of these modules, their convolutions in so many groups where they can be."""
    changes: dict[str, Value] = {"stage1": first, "stage2": second, "stage3": "none", "stage4": "none"}
    changes |= {"stem_width": NARROWEST, "stem_stride": stem_strides(spec)[-1], "stem_kernel": 3}
    changes["resolution"] = resolutions(spec)[0]
    for stage in STAGES[:2]:
        least: dict[str, Value] = {
            "width": NARROWEST,
            "repeats": 1,
            "kernel": 3,
            "ratio": 0.25,
            "expansion": 1.5,
            "se": 0.0,
        }
        form: dict[str, Value] = {"form": "shaped", "form.stride": "halve", "form.groups": groups}
        changes |= {f"{stage}.{k}": v for k, v in {**least, **form}.items()}
    return nearest(space, changes)


def nearest(space: Space, wanted: Mapping[str, Value | None]) -> Config:
    """The config of `space` closest to what is `wanted`, defaults for the rest; what it does not hold is left out."""
    return space.walk(lambda node: closest(node.param, wanted.get(node.key)))


def closest(param: Param, wanted: Value | None) -> Value:
    """`wanted` itself or, for a whole number, the nearest one there is; without a wish the default."""
    if isinstance(param, Int) and wanted is not None:
        return param.nearest(float(wanted))
    if wanted is not None and param.contains(wanted):
        return wanted
    if param.default is not None:
        return param.default
    return param.options[0] if isinstance(param, Choice) else param.from_unit(0.5)
