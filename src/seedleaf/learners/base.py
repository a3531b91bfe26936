"""What a learner is, and the table of those there are. No torch is imported here: the driver decides without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from seedleaf.core import Config, Context, Limit, Measurement
from seedleaf.errors import SpaceError
from seedleaf.learners import backbones
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.pace import Pace
from seedleaf.space import Space

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec


class Learner(Protocol):
    """A family of models. Everything but `build` and `fit` is pure, fast and free of torch."""

    @property
    def name(self) -> str:
        """Its key in the table."""

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        """What may vary for data of that shape; ranges are cut to what the limits leave possible."""

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = (), room: float = 1.0) -> Config:
        """A config known to do well where time is short, as large as the limits allow; with `room` for that many times
        its multiply-adds the one that fills them best. LimitError where none keeps the limits."""

    def smallest(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        """The config of the space that costs least; with limits the least that keeps them, if any does."""

    @property
    def pace(self) -> Pace | None:
        """How fast the machine is, where that is known."""

    def narrowed(self, spec: ImageSpec, config: Config, share: float) -> Config:
        """The same network with its widths cut to that share, as near as the space has it."""

    def kinship(self, spec: ImageSpec, child: Mapping[str, Any], parent: Mapping[str, Any]) -> float:
        """The share of a child's weights that a trial of `parent` has for it; 0 where weights cannot be handed down."""

    @property
    def tells_latency(self) -> bool:
        """Can the latency of its networks be told from their configs, once the machine's pace is known?"""

    def paced(self, pace: Pace) -> Learner:
        """The same family where that is the machine's pace: costs then also tell `latency_ms`, where it `tells_latency`."""

    def work(self, spec: ImageSpec, config: Mapping[str, Any]) -> float:
        """What the seconds of a training step go by, in multiply-adds for one image; only ratios of it are looked at."""

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, float]:
        """params, macs, bytes (and latency_ms where the pace is known), from the config alone, within a millisecond."""

    def build(
        self,
        spec: ImageSpec,
        config: Config,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> nn.Module:
        """The untrained network of a config: uint8 (N, H, W, C) -> logits (N, n_classes)."""

    def fit(self, config: Config, ctx: Context) -> Iterator[Measurement]:
        """Train, one measurement per step, from `ctx.start` to `ctx.stop`."""


LEARNERS: Mapping[str, Learner] = {"convnet": ConvNet()}
# Learners that take names after a colon: prefix -> (the learner of the names, the names as a run keeps them).
FAMILIES: Mapping[str, tuple[Callable[[str], Learner], Callable[[str], str]]] = {
    "timm": (backbones.named, backbones.pinned)
}


def learner_named(name: str) -> Learner:
    """The learner of that name, or of a family's names ("timm:resnet10t"); SpaceError names those that exist."""
    family, colon, names = name.partition(":")
    if colon and family in FAMILIES:
        return FAMILIES[family][0](names)
    try:
        return LEARNERS[name]
    except KeyError:
        known = [*LEARNERS, *(f"{family}:NAME" for family in FAMILIES)]
        raise SpaceError(f"no learner is called {name!r}; there are: {', '.join(known)}") from None


def learner_of(setup: Mapping[str, Any]) -> Learner:
    """The learner that a trial's setup names; its costs tell `latency_ms` where the setup holds the machine's pace."""
    learner = learner_named(str(setup.get("learner", "convnet")))
    return learner.paced(Pace.from_json(setup["pace"])) if setup.get("pace") else learner


def pinned(name: str) -> str:
    """`name` with all that depends on the moment settled, so that a run that is resumed goes on with the same."""
    family, colon, names = name.partition(":")
    return f"{family}:{FAMILIES[family][1](names)}" if colon and family in FAMILIES else name
