"""Convolutional networks of up to four stages, each of its own kind of module: `--learner convnet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Context, Limit, Measurement, Value
from seedleaf.errors import LimitError
from seedleaf.learners import cost
from seedleaf.learners.netspace import (
    STAGES,
    closest,
    may_mirror,
    network_space,
    smallest_with,
    stem_strides,
    surely_mirrors,
    usual_shift,
)
from seedleaf.learners.plan import BLOCKS, NetPlan, plan_network
from seedleaf.space import Space
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec


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
            config = space.walk(lambda node, c=candidate: closest(node.param, c.get(node.key)))  # type: ignore[misc]
            if self.keeps(spec, config, limits):
                return config
        config = self.smallest(spec)
        if self.keeps(spec, config, limits):
            return config
        raise LimitError(_too_tight(self.costs(spec, config), limits))

    def smallest(self, spec: ImageSpec) -> Config:
        space = self.space(spec)
        candidates = [smallest_with(space, spec, first, second) for first in BLOCKS for second in BLOCKS]
        return min(candidates, key=lambda c: tuple(self.costs(spec, c)[k] for k in ("params", "macs")))

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
                options[head][rest.removeprefix("form.")] = value
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
            stem_kernel=config.get("stem_kernel", 3),
            resolution=config.get("resolution", 1.0),
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


def _too_tight(found: Mapping[str, int], limits: Sequence[Limit]) -> str:
    broken = [x for x in limits if found.get(x.metric, 0) > x.at_most]
    said = ", ".join(
        f"{x.metric} <= {x.at_most:g} (the smallest network has {found[x.metric]:,})" for x in broken
    )
    return f"no network of this family keeps {said}"
