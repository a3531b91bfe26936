"""Networks by their names in timm: `--learner timm:mobilenetv3_small_050`, or several, between which the search chooses.

    seedleaf fit photos/ --learner timm:mobilenetv3_small_050,resnet10t

Each name may say where its weights come from: `@scratch`, `@hub` (published ones) or `@FILE.safetensors`. A name that says
nothing gets the published ones where a hub can be reached when the run begins; the run keeps what it got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Context, Limit, Measurement, Value
from seedleaf.errors import LimitError, SpaceError, TrialError
from seedleaf.learners import timm_source
from seedleaf.learners.netspace import may_mirror, nearest, surely_mirrors, usual_shift
from seedleaf.learners.pace import Pace
from seedleaf.space import Choice, Param, Space
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec

SIDES = (32, 64, 96, 128, 160, 192, 224)  # pixels of the shorter side: most backbones halve five times
LARGEST = 4.0  # times the images' own side: more shows nothing that was not there
FROZEN = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the layers before the head, from the input on
SCRATCH, HUB, FILE = "scratch", "hub", ".safetensors"
# Published weights are tuned in small steps:
GENTLE: Mapping[str, Value] = {"optimizer": "adamw", "optimizer.lr": 1e-3, "augment.erase": 0.0}
# Bytes of a traced graph beside its weights, at most: names and nodes. 6 kB of resnet10t, 19 of mobilenetv3_small_050, 31 of
# efficientnet_b0, 77 of densenet121.
GRAPH = 100_000
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Backbones:
    """A choice of timm's networks; `sources` says for each name where its weights come from."""

    sources: Mapping[str, str]
    pace: Pace | None = None  # what a network of others takes is measured at the end, not told

    @property
    def name(self) -> str:
        return "timm:" + ",".join(f"{k}@{v}" for k, v in self.sources.items())

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        training = training_space(
            spec.n_train, mirror=may_mirror(spec), mirrored=surely_mirrors(spec), shift=usual_shift(spec)
        )
        options: Any = {name: self._branch(name, spec, limits) for name in self.sources}
        return Space({"backbone": Choice(**options, default=next(iter(options))), **training})

    def _branch(self, name: str, spec: ImageSpec, limits: Sequence[Limit]) -> dict[str, Param]:
        """The parameters of one network: at what size it sees images, how much of it stays as it was published."""
        sides = self._sides(name, spec, limits) or self._able(name, spec)[:1]
        branch: dict[str, Param] = {"side": Choice(*sides, ordered=True, default=_usual(sides, spec))}
        if self.sources[name] != SCRATCH:
            branch["frozen"] = Choice(*FROZEN, ordered=True, default=0.0)
        return branch

    def _sides(self, name: str, spec: ImageSpec, limits: Sequence[Limit]) -> list[int]:
        return [s for s in self._able(name, spec) if _keeps(self._costs(name, s, spec), limits)]

    def _able(self, name: str, spec: ImageSpec) -> list[int]:
        """The sides that the network can take. SpaceError where it can take none of them."""
        able = []
        for side in (sides := sides_of(spec)):
            try:
                self._costs(name, side, spec)
                able.append(side)
            except SpaceError:
                if side == sides[-1] and not able:
                    raise
        return able

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = (), room: float = 1.0) -> Config:
        """The first network that keeps the limits, at about twice the images' size; with `room` at a larger one."""
        for name in self.sources:
            if sides := self._sides(name, spec, limits):
                side = _usual(sides, spec)
                most = max(room, 1.0) * self._costs(name, side, spec)["macs"]
                larger = [s for s in sides if s >= side and self._costs(name, s, spec)["macs"] <= most]
                return self._config(spec, limits, name, larger[-1])
        least = self.smallest(spec)
        raise LimitError(_too_tight(self.costs(spec, least), str(least["backbone"]), limits))

    def _config(self, spec: ImageSpec, limits: Sequence[Limit], name: str, side: int) -> Config:
        changes: dict[str, Value] = {"backbone": name, "backbone.side": side}
        if self.sources[name] != SCRATCH:
            changes |= GENTLE
        return nearest(self.space(spec, limits), changes)

    def smallest(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        least = {name: self._able(name, spec)[0] for name in self.sources}
        name = min(least, key=lambda n: tuple(self._costs(n, least[n], spec).values()))
        return self._config(spec, limits, name, least[name])

    def narrowed(self, spec: ImageSpec, config: Config, share: float) -> Config:
        """Itself: a network by name has its widths."""
        return config

    def kinship(self, spec: ImageSpec, child: Mapping[str, Any], parent: Mapping[str, Any]) -> float:
        """None: trials of networks by name begin with published weights, or their own."""
        return 0.0

    @property
    def tells_latency(self) -> bool:
        return False

    def paced(self, pace: Pace) -> Backbones:
        return self

    def work(self, spec: ImageSpec, config: Mapping[str, Any]) -> float:
        return self.costs(spec, config)["macs"]

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, float]:
        return self._costs(str(config["backbone"]), int(config["backbone.side"]), spec)

    def _costs(self, name: str, side: int, spec: ImageSpec) -> dict[str, float]:
        found = timm_source.counted(name, size_at(spec, side), spec.channels, spec.n_classes)
        return {
            "params": found["params"],
            "macs": found["macs"],
            "bytes": FLOAT_BYTES * found["held"] + GRAPH,
        }

    def build(
        self,
        spec: ImageSpec,
        config: Config,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> nn.Module:
        from seedleaf.learners.backbone_net import build

        name, dropout = str(config["backbone"]), float(config["dropout"] or 0.0)
        size = size_at(spec, int(config["backbone.side"] or 0))
        if self.sources[name] != SCRATCH and spec.channels == 3:
            mean, std = timm_source.mean_and_std(name)
        body = timm_source.network(name, size, spec.channels, spec.n_classes, dropout)
        frozen = float(config.get("backbone.frozen") or 0.0)
        return build(body, (spec.height, spec.width), size, frozen, (mean, std), spec.channels)

    def fit(self, config: Config, ctx: Context) -> Iterator[Measurement]:
        from seedleaf.learners.images import fit

        name = str(config["backbone"])
        source = self.sources[name]
        return fit(self, config, ctx, None if source == SCRATCH else partial(_begin_with, name, source))


def _begin_with(name: str, source: str, net: nn.Module) -> None:
    """Put the weights that `source` says into `net`, a network of `build`."""
    path = timm_source.published(name) if source == HUB else Path(source)
    if path is None:
        raise TrialError(
            f"the published weights of {name} cannot be fetched now; {name}@{SCRATCH} needs none"
        )
    timm_source.load_weights(net.get_submodule("body.backbone.body"), name, path)


def named(names: str) -> Backbones:
    """The learner of "NAME[@SOURCE],NAME[@SOURCE]…". SpaceError where a name or a source is none, or timm is missing."""
    sources = {}
    for part in filter(None, names.split(",")):
        name, _, source = part.strip().partition("@")
        timm_source.check_name(name)
        if source not in ("", SCRATCH, HUB) and not source.endswith(FILE):
            raise SpaceError(
                f"{part}: after @ comes {SCRATCH}, {HUB} or a file called …{FILE}, not {source!r}"
            )
        sources[name] = source or SCRATCH
    if not sources:
        raise SpaceError("say which networks: timm:mobilenetv3_small_050, or several with commas between")
    return Backbones(sources)


def pinned(names: str) -> str:
    """`names` with a source for each, as a run keeps them: published weights where a hub has them within reach."""
    found = []
    for part in filter(None, names.split(",")):
        name, _, source = part.strip().partition("@")
        timm_source.check_name(name)
        if not source:
            source = SCRATCH if timm_source.published(name) is None else HUB
        elif source.endswith(FILE):
            source = str(Path(source).absolute())
            if not Path(source).is_file():
                raise SpaceError(f"{part}: there is no such file")
        found.append(f"{name}@{source}")
    return ",".join(found)


def sides_of(spec: ImageSpec) -> list[int]:
    """At what sizes these images may be shown, in pixels of the shorter side."""
    own = min(spec.height, spec.width)
    return [s for s in SIDES if s <= LARGEST * own] or [SIDES[0]]


def size_at(spec: ImageSpec, side: int) -> tuple[int, int]:
    """Height and width of images whose shorter side is `side`, both multiples of 32."""
    share = side / min(spec.height, spec.width)
    return max(round(spec.height * share / 32), 1) * 32, max(round(spec.width * share / 32), 1) * 32


def _usual(sides: Sequence[int], spec: ImageSpec) -> int:
    """The smallest at which images are at least twice as large as they are: small maps lose what small images show."""
    return next((s for s in sides if s >= 2 * min(spec.height, spec.width)), sides[-1])


def _keeps(found: Mapping[str, float], limits: Sequence[Limit]) -> bool:
    return all(found.get(limit.metric, 0.0) <= limit.at_most for limit in limits)


def _too_tight(found: Mapping[str, float], name: str, limits: Sequence[Limit]) -> str:
    broken = [x for x in limits if found.get(x.metric, 0.0) > x.at_most]
    said = ", ".join(f"{x.metric} <= {x.at_most:,.0f} ({name} has {found[x.metric]:,.0f})" for x in broken)
    return f"none of these networks keeps {said}; fit without --learner searches for lighter ones"
