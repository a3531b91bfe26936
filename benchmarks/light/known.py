"""Known networks of our own blocks as learners: scaled by width to a limit; what varies is how they are trained, and the
stride of the stem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedleaf.core import Config, Context, Limit, Measurement
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.netspace import STAGES, may_mirror, surely_mirrors, usual_shift
from seedleaf.learners.pace import Pace
from seedleaf.space import Choice, Const, Space
from seedleaf.train.regime import training_space

if TYPE_CHECKING:
    from torch import nn

SCALES = tuple(4.0 * 0.93**k for k in range(60))  # of all widths, largest first

Stage = tuple[str, int, int, Mapping[str, Any]]  # block, width, repeats, options


@dataclass(frozen=True)
class Known:
    """A network by its stem, stages and activation, in the widths that its authors gave it (or their proportions)."""

    stem: int
    stages: tuple[Stage, ...]
    activation: str = "relu"


def _stages(block: str, widths: Sequence[int], repeats: Sequence[int], **options: Any) -> tuple[Stage, ...]:
    return tuple((block, w, r, options) for w, r in zip(widths, repeats, strict=True))


KNOWN: Mapping[str, Known] = {
    "resnet": Known(16, _stages("conv", (16, 32, 64), (3, 3, 3), kernel=3)),
    "mobilenetv2": Known(
        16, _stages("inverted", (16, 24, 32, 64), (1, 2, 3, 3), kernel=3, expansion=6, se=0.0)
    ),
    "mobilenetv3": Known(
        16, _stages("inverted", (16, 24, 40, 56), (1, 2, 3, 2), kernel=5, expansion=4, se=0.25), "hard_swish"
    ),
    "shufflenetv2": Known(24, _stages("shuffle", (48, 96, 192), (3, 3, 3), kernel=3)),
}


@dataclass(frozen=True)
class Fixed:
    """A known network as a learner: what varies is how it is trained, and the stride of the stem."""

    known: Known
    base: ConvNet = field(default_factory=ConvNet)
    pace: Pace | None = None

    @property
    def name(self) -> str:
        return self.base.name

    def paced(self, pace: Pace) -> Fixed:
        return self

    def architecture(self, scale: float, spec: ImageSpec) -> dict[str, Any]:
        def wide(width: int, unit: int) -> int:
            return max(round(width * scale / unit), 1) * unit

        found: dict[str, Any] = {
            "resolution": Const(1.0),
            "stem_kernel": Const(3),
            "stem_width": Const(wide(self.known.stem, 4)),
            # Published for pictures in colour of 32 x 32; grey ones may be told apart at half of that: searched, too.
            "stem_stride": Choice(1, 2, ordered=True, default=2 if spec.channels == 1 else 1)
            if min(spec.height, spec.width) >= 16
            else Const(1),
            "activation": Const(self.known.activation),
        }
        for name in STAGES:
            found[name] = Choice(none={})
        for name, (block, width, repeats, options) in zip(STAGES, self.known.stages, strict=False):
            values = {"width": wide(width, 8 if block == "shuffle" else 4), "repeats": repeats, **options}
            nested = {k: Const(v) for k, v in values.items()}
            found[name] = Choice(**{block: {**nested, "form": Choice(plain={})}})
        return found

    def space(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Space:
        training = training_space(
            spec.n_train, mirror=may_mirror(spec), mirrored=surely_mirrors(spec), shift=usual_shift(spec)
        )
        for scale in SCALES:
            space = Space({**self.architecture(scale, spec), **training})
            if self.base.keeps(spec, space.default(), limits):
                return space
        raise SystemExit("the smallest of this network is too large for the limit")

    def default(self, spec: ImageSpec, limits: Sequence[Limit] = (), room: float = 1.0) -> Config:
        return self.space(spec, limits).default()

    def smallest(self, spec: ImageSpec, limits: Sequence[Limit] = ()) -> Config:
        return self.default(spec, limits)

    def work(self, spec: ImageSpec, config: Mapping[str, Any]) -> float:
        return self.base.work(spec, config)

    def costs(self, spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, float]:
        return self.base.costs(spec, config)

    def build(
        self,
        spec: ImageSpec,
        config: Config,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> nn.Module:
        return self.base.build(spec, config, mean, std)

    def fit(self, config: Config, ctx: Context) -> Iterator[Measurement]:
        return self.base.fit(config, ctx)
