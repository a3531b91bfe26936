"""Cutting inside somebody's module: layers with fewer channels, and chains in place of layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from seedleaf.compression.skeleton import Skeleton
from seedleaf.compression.subject import Factor, Keep, positions, sliced
from seedleaf.learners.blocks import Net

CONVS = (nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def rebuilt(net: Net, skeleton: Skeleton, keep: Keep) -> Net:
    """A copy of `net` whose layers have only the channels that `keep` leaves."""
    state = sliced(net.state_dict(), skeleton, keep)
    smaller = copy.deepcopy(net)
    for name in positions(skeleton, keep):
        _resize(smaller.get_submodule(name), name, state)
    return smaller.eval()


def _resize(module: nn.Module, name: str, state: Mapping[str, Tensor]) -> None:
    """Put the tensors of `state` into a layer, and the numbers of channels that they imply."""
    for key, parameter in list(module.named_parameters(recurse=False)):
        setattr(module, key, nn.Parameter(state[f"{name}.{key}"].clone(), parameter.requires_grad))
    for key, buffer in list(module.named_buffers(recurse=False)):
        if buffer.ndim:
            module._buffers[key] = state[f"{name}.{key}"].clone()
    weight = next((p for k, p in module.named_parameters(recurse=False) if k == "weight"), None)
    if isinstance(module, CONVS) and weight is not None:
        if module.groups > 1:
            module.groups = int(weight.shape[0])
        module.out_channels, module.in_channels = int(weight.shape[0]), int(weight.shape[1]) * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = map(int, module.weight.shape)
    elif isinstance(module, NORMS):
        module.num_features = int(module.weight.shape[0])


def chained(layer: nn.Module, factors: Sequence[Factor]) -> nn.Sequential:
    """The layers that stand for `layer`, a convolution or a linear layer, decomposed; its bias goes to the last."""
    if isinstance(layer, nn.Linear):
        return _linears(layer, factors)
    assert isinstance(layer, nn.Conv2d)
    return _convolutions(layer, factors)


def _convolutions(layer: nn.Conv2d, chain: Sequence[Factor]) -> nn.Sequential:
    made: list[nn.Module] = []
    for i, factor in enumerate(chain):
        cout, each, kh, kw = factor.weight.shape
        spatial: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding} if factor.spatial else {}
        bias = layer.bias is not None and i == len(chain) - 1
        conv = nn.Conv2d(each * factor.groups, cout, (kh, kw), groups=factor.groups, bias=bias, **spatial)
        conv.weight = nn.Parameter(factor.weight.clone())
        if bias and layer.bias is not None:
            conv.bias = nn.Parameter(layer.bias.detach().clone())
        made.append(conv)
    return nn.Sequential(*made)


def _linears(layer: nn.Linear, chain: Sequence[Factor]) -> nn.Sequential:
    made: list[nn.Module] = []
    for i, factor in enumerate(chain):
        cout, cin = factor.weight.shape[:2]
        bias = layer.bias is not None and i == len(chain) - 1
        linear = nn.Linear(cin, cout, bias=bias)
        linear.weight = nn.Parameter(factor.weight[:, :, 0, 0].clone())
        if bias:
            linear.bias = nn.Parameter(layer.bias.detach().clone())
        made.append(linear)
    return nn.Sequential(*made)
