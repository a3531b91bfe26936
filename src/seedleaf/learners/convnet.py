"""Convolutional networks of up to four stages, each of its own kind of module: `--learner convnet`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Context, Limit, Measurement, Value
from seedleaf.errors import LimitError
from seedleaf.learners import cost
from seedleaf.learners.plan import BLOCKS, NetPlan, plan_network
from seedleaf.space import Bool, Choice, Const, Int, Param, Space
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec

STAGES = ("stage1", "stage2", "stage3", "stage4")
# Channels come in fours: widths that fill the vector registers cost no more than those just below them.
NARROWEST, WIDEST, WIDEST_STEM, WIDTH_STEP = 8, 256, 48, 4
ACTIVATIONS = ("relu", "hard_swish", "silu", "leaky_relu", "gelu")
# Written signs: a mirrored one is another one or none.
SIGNS = ("digits", "mnist", "emnist", "kmnist", "qmnist", "usps", "svhn", "gtsrb", "omniglot")


@dataclass(frozen=True)
class ConvNet:
    """The family as a learner."""

    name: str = "convnet"

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        training = training_space(
            spec.n_train, mirror=may_mirror(spec), mirrored=surely_mirrors(spec), shift=usual_shift(spec)
        )
        return Space({**network_space(spec, limits), **training})

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        space = self.space(spec, limits)
        for candidate in preferred(spec):
            config = space.walk(lambda node, c=candidate: _closest(node.param, c.get(node.key)))  # type: ignore[misc]
            if self.keeps(spec, config, limits):
                return config
        config = self.smallest(spec)
        if self.keeps(spec, config, limits):
            return config
        raise LimitError(_too_tight(self.costs(spec, config), limits))

    def smallest(self, spec: ImageSpec) -> Config:
        space = self.space(spec)
        changes: dict[str, Value] = {"stem_width": NARROWEST, "stage3": "none", "stage4": "none"}
        for stage in STAGES[:2]:
            changes |= {stage: "separable", f"{stage}.width": NARROWEST}
            changes |= {f"{stage}.kernel": 3, f"{stage}.repeats": 1}
        changes["stem_stride"] = stem_strides(spec)[-1]
        return space.complete(changes)

    def keeps(self, spec: ImageSpec, config: Config, limits: Sequence[Limit]) -> bool:
        """Does `config` keep the limits that can be known before training?"""
        found = self.costs(spec, config)
        return all(found.get(limit.metric, 0) <= limit.at_most for limit in limits)

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, int]:
        return cost.costs(self.plan(spec, config))

    def plan(self, spec: ImageSpec, config: Mapping[str, Any]) -> NetPlan:
        """The network of `config` as data."""
        options: dict[str, dict[str, Any]] = {stage: {} for stage in STAGES}
        for key, value in config.items():
            head, dot, rest = key.partition(".")
            if dot and head in options:
                options[head][rest] = value
        stages = tuple((config[s], options[s]) for s in STAGES if config[s] != "none")
        return plan_network(
            spec.height,
            spec.width,
            spec.channels,
            spec.n_classes,
            (config["stem_width"], config["stem_stride"]),
            stages,
            config["activation"],
            config["dropout"],
        )

    def build(
        self,
        spec: ImageSpec,
        config: Config,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> nn.Module:
        from seedleaf.learners.blocks import build

        return build(self.plan(spec, config), mean, std)

    def fit(self, config: Config, ctx: Context) -> Iterator[Measurement]:
        from seedleaf.learners.images import fit

        return fit(self, config, ctx)


# --- the space of networks ---


def may_mirror(spec: ImageSpec) -> bool:
    """May a mirrored image still show its class? Not where the classes are known to be written signs."""
    name = spec.name.lower()
    return "fashion" in name or not any(sign in name for sign in SIGNS)


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


def stem_strides(spec: ImageSpec) -> tuple[int, ...]:
    """What the first convolution may divide the resolution by."""
    side = min(spec.height, spec.width)
    return (1,) if side < 16 else (1, 2) if side < 48 else (2, 4)


def network_space(spec: ImageSpec, limits: Sequence[Limit]) -> dict[str, Param]:
    """Stem, two stages and up to two more, activation."""
    cap = min((x.at_most for x in limits if x.metric == "params"), default=float("inf"))
    cap = min(cap, *(x.at_most / 4 for x in limits if x.metric == "bytes"), float("inf"))
    strides = stem_strides(spec)
    stage: Any = {name: _module_space(name, cap) for name in BLOCKS}
    optional: Any = {"none": {}, **stage}
    return {
        "stem_width": Int(NARROWEST, WIDEST_STEM, log=True, step=WIDTH_STEP, default=16),
        "stem_stride": Choice(*strides, ordered=True) if len(strides) > 1 else Const(strides[0]),
        "stage1": Choice(**stage, default="conv"),
        "stage2": Choice(**stage, default="conv"),
        "stage3": Choice(**optional, default="none"),
        "stage4": Choice(**optional, default="none"),
        "activation": Choice(*ACTIVATIONS, default="relu"),
    }


# Weights per squared width of one block, about (it enters with fewer channels than it leaves with):
_DENSITY = {"conv": 5.0, "separable": 1.2, "bottleneck": 2.0, "inverted": 4.0, "fused": 14.0}


def _module_space(module: str, cap: float) -> dict[str, Any]:
    """The parameters of one stage of `module`. A single block takes at most 0.6 of the limit on params, so that many
    draws of the whole space keep it."""
    fits = min(math.sqrt(0.6 * cap / _DENSITY[module]), WIDEST)
    widest = max(int(fits) // WIDTH_STEP * WIDTH_STEP, NARROWEST)
    space: dict[str, Any] = {
        "width": Int(NARROWEST, widest, log=True, step=WIDTH_STEP, default=min(32, widest)),
        "repeats": Int(1, 3, default=1),
        "kernel": Choice(3, 5, ordered=True, default=3),
    }
    if module == "bottleneck":
        space["ratio"] = Choice(0.25, 0.375, 0.5, ordered=True, default=0.25)
    if module in ("inverted", "fused"):
        space["expansion"] = Choice(1.5, 2, 3, 4, 6, ordered=True, default=2)
        space["se"] = Bool(False)
    return space


# --- the default ---


SCALES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def preferred(spec: ImageSpec) -> list[dict[str, Value]]:
    """Networks in the order in which they are tried against the limits, largest first.

    Plain convolutions on maps that shrink early: on a CPU they gave the most accuracy for the time, although depthwise
    ones have fewer multiply-adds (28×28, batch 128: 50k params in 17 s an epoch, separable ones of 43k in 30 s).
    """
    return [_sized(scale, spec) for scale in SCALES]


def _sized(scale: float, spec: ImageSpec) -> dict[str, Value]:
    side = min(spec.height, spec.width)
    widths = (24, 48) if side < 16 else (24, 48, 80) if spec.channels == 1 else (32, 64, 104)
    changes: dict[str, Value] = {
        "stem_width": round(16 * scale**0.5),
        "stem_stride": stem_strides(spec)[-1],
        "stage3": "none" if side < 16 else "conv",
        "stage4": "separable" if side >= 48 else "none",
        "stage4.width": round(128 * scale),
    }
    return changes | {f"{s}.width": round(w * scale) for s, w in zip(STAGES, widths, strict=False)}


def _closest(param: Param, wanted: Value | None) -> Value:
    """`wanted` itself or, for a whole number, the nearest one there is; without a wish the default."""
    if isinstance(param, Int) and wanted is not None:
        return param.nearest(float(wanted))
    if wanted is not None and param.contains(wanted):
        return wanted
    if param.default is not None:
        return param.default
    return param.options[0] if isinstance(param, Choice) else param.from_unit(0.5)


def _too_tight(found: Mapping[str, int], limits: Sequence[Limit]) -> str:
    broken = [x for x in limits if found.get(x.metric, 0) > x.at_most]
    said = ", ".join(
        f"{x.metric} <= {x.at_most:g} (the smallest network has {found[x.metric]:,})" for x in broken
    )
    return f"no network of this family keeps {said}"
