"""What training needs and a delivered network does not: branches melted into one convolution, BatchNorm folded away."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


class RepConv(nn.Module):
    """k×k, 1×1 and (where the shape stays) identity, each with a BatchNorm of its own, summed (Ding et al. 2021).

    In eval mode it is the one k×k convolution that the three are together; `merged` makes that one.
    """

    def __init__(self, main: nn.Conv2d, momentum: float) -> None:
        super().__init__()
        self.conv = main
        self.norm = nn.BatchNorm2d(main.out_channels, momentum=momentum)
        self.point: nn.Conv2d | None = None
        self.point_norm: nn.BatchNorm2d | None = None
        if main.kernel_size[0] > 1:
            self.point = nn.Conv2d(
                main.in_channels, main.out_channels, 1, main.stride[0], 0, groups=main.groups, bias=False
            )
            nn.init.kaiming_normal_(self.point.weight, mode="fan_in", nonlinearity="relu")
            self.point_norm = nn.BatchNorm2d(main.out_channels, momentum=momentum)
        stays = main.in_channels == main.out_channels and main.stride[0] == 1
        self.same_norm = nn.BatchNorm2d(main.out_channels, momentum=momentum) if stays else None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            weight, bias = self._kernel()
            return F.conv2d(x, weight, bias, self.conv.stride, self.conv.padding, 1, self.conv.groups)
        out: Tensor = self.norm(self.conv(x))
        if self.point is not None and self.point_norm is not None:
            out = out + self.point_norm(self.point(x))
        return out if self.same_norm is None else out + self.same_norm(x)

    def side_parameters(self) -> int:
        """Trainable numbers that vanish when the branches are merged."""
        sides = (self.point, self.point_norm, self.same_norm)
        return sum(p.numel() for m in sides if m is not None for p in m.parameters())

    def merged(self) -> nn.Conv2d:
        """The one convolution, with a bias, that answers as this module does in eval mode."""
        c = self.conv
        one = nn.Conv2d(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, groups=c.groups)  # type: ignore[arg-type]
        with torch.no_grad():
            weight, bias = self._kernel()
            one.weight.copy_(weight)
            one.bias.copy_(bias)  # type: ignore[union-attr]
        return one

    def _kernel(self) -> tuple[Tensor, Tensor]:
        weight, bias = _scaled(self.conv.weight, self.norm)
        middle = self.conv.kernel_size[0] // 2
        if self.point is not None and self.point_norm is not None:
            point, more = _scaled(self.point.weight, self.point_norm)
            weight, bias = weight + F.pad(point, [middle] * 4), bias + more
        if self.same_norm is not None:
            same, more = _scaled(self._identity(), self.same_norm)
            weight, bias = weight + F.pad(same, [middle] * 4), bias + more
        return weight, bias

    def _identity(self) -> Tensor:
        """A 1×1 kernel that hands every channel on."""
        c = self.conv
        mine = torch.arange(c.out_channels) % (c.in_channels // c.groups)
        eye = torch.zeros(c.out_channels, c.in_channels // c.groups, 1, 1, device=c.weight.device)
        eye[torch.arange(c.out_channels), mine] = 1.0
        return eye


def _scaled(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with its BatchNorm in eval mode."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    return weight * scale[:, None, None, None], norm.bias - mean * scale


def n_parameters(net: nn.Module) -> int:
    """Trainable numbers, those left out that vanish when branches are merged: what `cost.costs` counts."""
    sides = sum(m.side_parameters() for m in net.modules() if isinstance(m, RepConv))
    return sum(p.numel() for p in net.parameters()) - sides


def folded(net: nn.Module) -> nn.Module:
    """A copy of `net` in eval mode, each convolution with its BatchNorm and side branches as one convolution.

    Modules that it does not know are left as they are, so it is safe on any network.
    """
    out = copy.deepcopy(net).eval()
    _fold(out)
    return out


def _fold(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, RepConv):
            setattr(module, name, child.merged())
        elif isinstance(child, nn.Sequential) and _folds(child):
            first, norm, *rest = child
            setattr(module, name, nn.Sequential(fuse_conv_bn_eval(first, norm), *rest))  # type: ignore[type-var, arg-type]
        else:
            _fold(child)


def _folds(block: nn.Sequential) -> bool:
    return len(block) > 1 and type(block[0]) is nn.Conv2d and type(block[1]) is nn.BatchNorm2d
