"""The networks that a search may begin with: plain convolutions in many sizes, and which of them fills what is allowed.
Where limits are too tight for those, separable convolutions and smaller pictures.

Plain convolutions on maps that shrink early: on a CPU they gave the most accuracy for the time, although depthwise ones
have fewer multiply-adds (28×28, batch 128: 50k params in 17 s an epoch, separable ones of 43k in 30 s).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from seedleaf.core import Config, Value
from seedleaf.learners.cost import filled
from seedleaf.learners.netspace import STAGES, resolutions, side_of, stem_strides

if TYPE_CHECKING:
    from seedleaf.data.spec import ImageSpec

# Of the widths. The first ones are tried in this order where time is short, as large as the limits allow.
LIGHT = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
LEAST_SCALE, MOST_SCALE, HALVINGS = 0.15, 5.0, 9  # the scale is found to within a hundredth
REPEATS = (1, 2, 3)
# Of 4,000 or 8,000 parameters separable convolutions learned more in as many seconds than plain ones (0.03 less error), of
# 20,000 less (0.015 more): so they count for more below EVEN and for less above.
IN_TIGHT_LIMITS, EVEN, SEPARABLE = ("conv", "separable"), 12_000.0, 0.15
COARSEST_SHARE = 0.5  # of a picture's sides; less was not measured
# Smaller pictures let more parameters into as many multiply-adds, which is worth less than it seems: of 0.6 million, plain
# networks of 12,890 parameters on whole pictures err in 0.368, of 27,534 on half of the sides in 0.374.
FINE_WEIGHS = 1.3
TWICE_AS_DEEP = 0.8  # of the widths, where blocks are repeated: half of the work goes into depth
# Of two networks that are allowed, that with more params^this · macs^(1 - this) is begun with, times what its blocks a stage
# are worth. Where three would be narrow, they take half as long again as two for as many multiply-adds, and learn less.
PARAMS_WEIGH = 0.85
DEPTH, NARROW, NARROW_AND_DEEP = {1: 1.0, 2: 2.0, 3: 2.4}, 16, 0.7


def light(spec: ImageSpec) -> Iterator[dict[str, Value]]:
    """Networks in the order in which they are tried against the limits, largest first."""
    return (sized(spec, scale) for scale in LIGHT)


def heavier(
    spec: ImageSpec,
    placed: Callable[[Mapping[str, Value]], Config],
    keeps: Callable[[Config], bool],
    like: Config,
) -> Iterator[Config]:
    """The widest network that keeps the limits, of each depth and fineness, with modules and resolution of `like`."""
    module = "separable" if like["stage1"] == "separable" else "conv"
    same = {"resolution": like["resolution"]}
    fine = (False, True) if len(stem_strides(spec)) > 1 else (False,)

    def made(repeats: int, finer: bool, scale: float) -> Config:
        return placed({**_of(module, sized(spec, scale, repeats, finer)), **same})

    each = (widest(partial(made, *shape), keeps) for shape in itertools.product(REPEATS, fine))
    return (filled_up(config, placed, keeps) for config in each if config is not None)


def tight(
    spec: ImageSpec, placed: Callable[[Mapping[str, Value]], Config], keeps: Callable[[Config], bool]
) -> list[Config]:
    """Where limits leave hardly room for one of the light ones: the widest networks of smaller pictures and of separable
    convolutions; of fewer stages where none of all stages keeps them."""

    def made(module: str, resolution: float, stages: int, scale: float) -> Config:
        gone = dict.fromkeys(STAGES[stages:], "none")
        return placed({**_of(module, sized(spec, scale)), **gone, "resolution": resolution})

    sides = [share for share in resolutions(spec) if share >= COARSEST_SHARE]
    for stages in (4, 3, 2):
        shapes = itertools.product(IN_TIGHT_LIMITS, sides, (stages,))
        each = (widest(partial(made, *shape), keeps) for shape in shapes)
        if found := [config for config in each if config is not None]:
            return found
    return []


def _of(module: str, changes: Mapping[str, Value]) -> dict[str, Value]:
    """The same with its plain stages of another module."""
    return {**changes, **{stage: module for stage in STAGES if changes.get(stage, "conv") == "conv"}}


def widest(made: Callable[[float], Config], keeps: Callable[[Config], bool]) -> Config | None:
    """Of the configs that are `made` by scale, the largest that `keeps` the limits; None where none does."""
    found, low, high = None, LEAST_SCALE, MOST_SCALE
    for _ in range(HALVINGS):
        scale = math.sqrt(low * high)
        config = made(scale)
        if keeps(config):
            found, low = config, scale
        else:
            high = scale
    return found


def filled_up(
    config: Config, placed: Callable[[Mapping[str, Value]], Config], keeps: Callable[[Config], bool]
) -> Config:
    """`config` with stages that fill the vector registers, the last one first, as far as that `keeps` the limits: a step
    takes about as long, and learns more. (Not the stem, where the pictures are largest and memory is what counts.)"""
    for key in (f"{stage}.width" for stage in reversed(STAGES)):
        if key in config:
            wider = placed({**config, key: filled(int(config[key] or 0))})
            config = wider if keeps(wider) else config
    return config


def sized(spec: ImageSpec, scale: float, repeats: int = 1, finer: bool = False) -> dict[str, Value]:
    """The values in which the network of that size differs from the space's defaults.

    `finer` leaves the images their resolution in the first stage, for some four times the work.
    """
    side = side_of(spec)
    widths = (24, 48) if side < 16 else (24, 48, 80) if spec.channels == 1 else (32, 64, 104)
    share = scale if repeats == 1 else scale * TWICE_AS_DEEP
    stride = stem_strides(spec)[0 if finer else -1]
    kernel = 5 if stride > 3 else 3  # three by three at a stride of four never sees nearly half of the pixels
    changes: dict[str, Value] = {
        "stem_width": round(16 * scale**0.5),
        "stem_stride": stride,
        "stem_kernel": kernel,
        "stage3": "none" if side < 16 else "conv",
        "stage4": "separable" if side >= 48 else "none",
        "stage4.width": round(128 * scale),
    }
    for stage, width in zip(STAGES, widths, strict=False):
        changes |= {f"{stage}.width": round(width * share), f"{stage}.repeats": repeats}
    return changes


def deeper(config: Config, than: Config) -> bool:
    """Whether more plain convolutions stand in a row; of few separable ones, more in a row learned less in a short time."""
    more = int(config.get("stage1.repeats") or 1) > int(than.get("stage1.repeats") or 1)
    return more and config.get("stage1") == "conv"


def worth(costs: Mapping[str, float], config: Config) -> float:
    """Of two networks that are allowed, the one with more of it is begun with."""
    size: float = math.pow(costs["params"], PARAMS_WEIGH) * math.pow(costs["macs"], 1 - PARAMS_WEIGH)
    repeats, width = int(config["stage1.repeats"] or 1), float(config["stage1.width"] or 0)
    size *= (EVEN / costs["params"]) ** SEPARABLE if config["stage1"] == "separable" else 1.0
    size *= float(config.get("resolution") or 1.0) ** FINE_WEIGHS
    return size * DEPTH.get(repeats, 1.0) * (NARROW_AND_DEEP if repeats > 2 and width < NARROW else 1.0)
