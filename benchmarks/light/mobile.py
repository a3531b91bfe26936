"""The networks of Accel-NASBench (Ahmad et al. 2024) from their parameters: narrow, untrained, for proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

# Of MnasNet's and EfficientNet-B0's skeleton, which that search space keeps.
WIDTHS, STRIDES, STEM = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1), 32
SHARE = 0.25  # of those widths


class Stage(NamedTuple):
    """So many inverted residuals, each of this expansion and kernel, with squeeze-excite or without."""

    expansion: int
    kernel: int
    repeats: int
    se: int


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, few: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, few, 1),
            nn.ReLU(),
            nn.Conv2d(few, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.weigh(x)
        return out


class Inverted(nn.Module):
    """Inverted residual (Sandler et al. 2018); its expansion is left out where it is 1."""

    def __init__(self, cin: int, cout: int, stride: int, stage: Stage) -> None:
        super().__init__()
        wide, k = cin * stage.expansion, stage.kernel
        layers: list[nn.Module] = []
        if stage.expansion > 1:
            layers += [nn.Conv2d(cin, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        layers += [
            nn.Conv2d(wide, wide, k, stride, k // 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        if stage.se:
            layers.append(SqueezeExcite(wide, max(cin // 4, 1)))
        layers += [nn.Conv2d(wide, cout, 1, bias=False), nn.BatchNorm2d(cout)]
        self.body, self.skips = nn.Sequential(*layers), stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.skips else out


def mobile_network(stages: Sequence[Stage], share: float = SHARE, n_classes: int = 10) -> nn.Sequential:
    """Stem, seven stages, head: (N, 3, H, W) -> (N, n_classes). The stem keeps the resolution, as pictures are small."""
    cin = round(STEM * share)
    layers: list[nn.Module] = [nn.Conv2d(3, cin, 3, 1, 1, bias=False), nn.BatchNorm2d(cin), nn.ReLU()]
    for stage, width, stride in zip(stages, WIDTHS, STRIDES, strict=True):
        cout = round(width * share)
        for k in range(stage.repeats):
            layers.append(Inverted(cin if k == 0 else cout, cout, stride if k == 0 else 1, stage))
        cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, n_classes))
