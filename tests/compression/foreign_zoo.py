"""Small networks as others build them, of every kind that compression is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE, CHANNELS, CLASSES = 12, 3, 4


def conv(cin: int, cout: int, k: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
    )


def head(cin: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, CLASSES))


def vgg() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 16), conv(16, 16), nn.MaxPool2d(2), conv(16, 24), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(24 * 9, 20), nn.ReLU(), nn.Linear(20, CLASSES),
    )  # fmt: skip


class Basic(nn.Module):
    """Two convolutions; the shortcut is the identity, a projection, or (padded) zeros beside a strided slice."""

    def __init__(self, cin: int, cout: int, stride: int = 1, padded: bool = False) -> None:
        super().__init__()
        self.one, self.two = conv(cin, cout, 3, stride), nn.Sequential(*list(conv(cout, cout))[:2])
        self.padded, self.stride, self.more = padded, stride, cout - cin
        plain = cin == cout and stride == 1
        self.short = None if plain or padded else nn.Sequential(*list(conv(cin, cout, 1, stride))[:2])

    def forward(self, x: Tensor) -> Tensor:
        out = self.two(self.one(x))
        if self.short is not None:
            x = self.short(x)
        elif self.padded:
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride],
                (0, 0, 0, 0, self.more // 2, self.more - self.more // 2),
            )
        return F.relu(out + x)


def resnet() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Basic(8, 8), Basic(8, 16, 2), Basic(16, 16), head(16))


def resnet_padded() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Basic(8, 8), Basic(8, 16, 2, True), Basic(16, 16), head(16))


class Bottleneck(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, inner, 1), conv(inner, inner), *list(conv(inner, width, 1))[:2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + x)


def bottleneck() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 16), Bottleneck(16, 8), Bottleneck(16, 8), head(16))


class Squeeze(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, hidden, 1), nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Inverted(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, se: bool = False) -> None:
        super().__init__()
        wide = 3 * cin
        gate = [Squeeze(wide, 8)] if se else []
        self.body = nn.Sequential(
            conv(cin, wide, 1), conv(wide, wide, 3, stride, wide), *gate, *list(conv(wide, cout, 1))[:2]
        )
        self.skip = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


def mobilenet() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 8), Inverted(8, 8, 1), Inverted(8, 12, 2), Inverted(12, 12, 1), head(12)
    )


def squeeze_excite() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 8), Inverted(8, 8, 1, True), Inverted(8, 12, 2, True), head(12))


class Dense(nn.Module):
    def __init__(self, cin: int, growth: int, layers: int) -> None:
        super().__init__()
        each = [(cin + i * growth) for i in range(layers)]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, growth, 3, 1, 1, bias=False))
            for n in each
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


def densenet() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 8), Dense(8, 8, 3), conv(32, 16, 1), nn.AvgPool2d(2), Dense(16, 8, 2), head(32)
    )


class Shuffle(nn.Module):
    """Half of the channels pass; the halves are then mixed (ShuffleNetV2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(conv(half, half, 1), conv(half, half, 3, 1, half), conv(half, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        out = torch.cat([a, self.body(b)], 1)
        n, c, h, w = out.shape
        return out.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return nn.Sequential(conv(CHANNELS, 16), Shuffle(16), Shuffle(16), conv(16, 24, 1), head(24))


def grouped() -> nn.Module:
    def block(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(cin, cout, 3, 1, 1, groups=4), nn.GroupNorm(4, cout), nn.ReLU())

    return nn.Sequential(conv(CHANNELS, 16), block(16, 16), block(16, 16), conv(16, 16), head(16))


class Inception(nn.Module):
    """Four branches side by side, whose channels are put one after the other."""

    def __init__(self, cin: int, wide: int, narrow: int) -> None:
        super().__init__()
        self.point = conv(cin, wide, 1)
        self.three = nn.Sequential(conv(cin, narrow, 1), conv(narrow, wide))
        self.five = nn.Sequential(conv(cin, narrow, 1), conv(narrow, narrow, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(cin, narrow, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), self.three(x), self.five(x), self.pool(x)], 1)


def inception() -> nn.Module:
    return nn.Sequential(
        conv(CHANNELS, 12), Inception(12, 8, 6), nn.MaxPool2d(2), Inception(28, 12, 8), head(40)
    )


class Rows(nn.Module):
    """Convolutions over the places of a picture, row after row: one in four groups, one of a group a channel."""

    def __init__(self) -> None:
        super().__init__()

        def conv1d(cin: int, cout: int, k: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
            layer = nn.Conv1d(cin, cout, k, stride, k // 2, groups=groups)
            return nn.Sequential(layer, nn.BatchNorm1d(cout), nn.SiLU())

        self.body = nn.Sequential(
            conv1d(CHANNELS, 16, 5, 2), conv1d(16, 16, 3, 1, 4), conv1d(16, 24, 3, 2), conv1d(24, 24, 3, 1, 24),
            conv1d(24, 20, 1),
        )  # fmt: skip
        self.out = nn.Linear(20, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.body(x.flatten(2)).mean(2))
        return out


FOREIGN: Mapping[str, Callable[[], nn.Module]] = {
    "vgg": vgg,
    "resnet": resnet,
    "resnet_padded": resnet_padded,
    "bottleneck": bottleneck,
    "mobilenet": mobilenet,
    "squeeze_excite": squeeze_excite,
    "densenet": densenet,
    "shufflenet": shufflenet,
    "grouped": grouped,
    "inception": inception,
    "rows": Rows,
}
