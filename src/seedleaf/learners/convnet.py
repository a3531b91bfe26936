"""Convolutional networks of up to four stages, each of its own kind of module: `--learner convnet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Context, Limit, Measurement, Value
from seedleaf.errors import LimitError
from seedleaf.learners import cost
from seedleaf.learners.kin import kinship
from seedleaf.learners.ladder import filled_up, heavier, light, tight, worth
from seedleaf.learners.netspace import (
    NARROWEST,
    STAGES,
    may_mirror,
    nearest,
    network_space,
    smallest_with,
    surely_mirrors,
    usual_shift,
)
from seedleaf.learners.pace import Pace
from seedleaf.learners.plan import BLOCKS, NetPlan, plan_network
from seedleaf.space import Space
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec


FREE = 1.01  # times the work, that whole registers may have: the head's few multiply-adds
SAFE = 1.1  # a network is held to take that much longer than is predicted: few that keep a limit so break it when measured


@dataclass(frozen=True)
class ConvNet:
    """The family as a learner."""

    name: str = "convnet"
    pace: Pace | None = None  # of this machine: where it is known, costs tell the latency

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        training = training_space(
            spec.n_train, mirror=may_mirror(spec), mirrored=surely_mirrors(spec), shift=usual_shift(spec)
        )
        return Space({**network_space(spec, limits), **training})

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = (), room: float = 1.0) -> Config:
        space = self.space(spec, limits)

        def placed(changes: Mapping[str, Value]) -> Config:
            return nearest(space, changes)

        def better(config: Config) -> float:
            return worth(self.costs(spec, config), config)

        fitting = (c for c in map(placed, light(spec)) if self.keeps(spec, c, limits))
        plain = next(fitting, None)
        if plain is None or plain["stage1.width"] == NARROWEST:
            able = tight(spec, placed, lambda config: self.keeps(spec, config, limits))
            plain = max((c for c in (plain, *able) if c), key=better, default=None)
        plain = plain or self.smallest(spec, limits)
        found = self.costs(spec, plain)
        if not self.keeps(spec, plain, limits):
            answers = (int(plain["stage2.width"] or 0) + 1) * spec.n_classes
            raise LimitError(_too_tight(found, limits, answers))
        most = max(room, FREE) * self.work(spec, plain)

        def within(config: Config) -> bool:
            return self.keeps(spec, config, limits) and self.work(spec, config) <= most

        if room <= 1:
            return filled_up(plain, placed, within)
        return max([plain, *heavier(spec, placed, within, plain)], key=better)

    @property
    def tells_latency(self) -> bool:
        return True

    def paced(self, pace: Pace) -> ConvNet:
        return replace(self, pace=pace)

    def narrowed(self, spec: ImageSpec, config: Config, share: float) -> Config:
        changes = {k: share * float(v) if k.endswith("width") else v for k, v in config.items()}  # type: ignore[arg-type]
        # Modules go by steps of their own, and an earlier version may have chosen what this space does not hold.
        found = nearest(self.space(spec), changes)
        return {k: found.get(k, v) if k.endswith("width") else v for k, v in config.items()}

    def smallest(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        """The config with the fewest parameters, or of those that keep the limits if any does; else the one that exceeds
        them least."""
        space = self.space(spec)
        candidates = [
            smallest_with(space, spec, first, second, groups)
            for first in BLOCKS
            for second in BLOCKS
            for groups in (4, 1)  # a grouped convolution has fewer parameters and takes longer
        ]

        def order(config: Config) -> tuple[float, ...]:
            found = self.costs(spec, config)
            return _excess(found, limits), found["params"], found["macs"]

        return min(candidates, key=order)

    def keeps(self, spec: ImageSpec, config: Config, limits: Sequence[Limit]) -> bool:
        """Does `config` keep the limits that can be known before training?"""
        found = self.costs(spec, config)
        return all(found.get(limit.metric, 0) <= limit.at_most for limit in limits)

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, float]:
        plan = self.plan(spec, config)
        found: dict[str, float] = {**cost.costs(plan)}
        return found if self.pace is None else {**found, "latency_ms": SAFE * self.pace(plan)}

    def work(self, spec: ImageSpec, config: Mapping[str, Any]) -> float:
        return cost.work(self.plan(spec, config))

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
        from seedleaf.learners.inherit import begin_as_child

        if ctx.parent is None:
            return fit(self, config, ctx)
        return fit(self, config, ctx, partial(begin_as_child, self, config, ctx))

    def kinship(self, spec: ImageSpec, child: Mapping[str, Any], parent: Mapping[str, Any]) -> float:
        """The share of the child's weights that the parent has, from the configs alone."""
        mine, theirs = self.plan(spec, child), self.plan(spec, parent)
        return kinship(mine, theirs)


def _excess(found: Mapping[str, float], limits: Sequence[Limit]) -> float:
    """How far beyond its limits a network is: the largest factor, 1 where it keeps them all."""
    return max([1.0, *(found.get(x.metric, 0.0) / x.at_most for x in limits)])


def _too_tight(found: Mapping[str, float], limits: Sequence[Limit], answers: int) -> str:
    """`answers`: the parameters of the layer that tells the classes."""
    broken = [x for x in limits if found.get(x.metric, 0) > x.at_most]
    said = ", ".join(
        f"{x.metric} <= {x.at_most:g} (the smallest network has {_figure(found[x.metric])})" for x in broken
    )
    many = answers > found["params"] / 2 and any(x.metric in ("params", "bytes") for x in broken)
    why = f"; the answers alone take {answers:,} parameters" if many else ""
    return f"no network of this family keeps {said}{why}"


def _figure(value: float) -> str:
    return f"{value:,}" if value == int(value) else f"{value:.3g}"
