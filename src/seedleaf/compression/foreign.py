"""Networks that are not ours: any torch module that takes float images (N, C, H, W) and gives logits (N, classes).

Which channels hang together is read off torch-pruning's dependency graph (Fang et al. 2023). It follows autograd's graph
and is wrong on zero-padded shortcuts, channel splits, GroupNorm beside grouped convolutions and more; so every group is
tried out first: where the rebuilt network does not answer as the masked one, the group is left whole and said so.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from seedleaf.compression.skeleton import Axis, Block, Group, Layer, Member, Skeleton
from seedleaf.compression.subject import Factor, Keep, masked, positions, replace_module, sliced
from seedleaf.errors import RunError, first_line
from seedleaf.learners.blocks import Net

CONVS = (nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
ALIKE = 1e-4  # relative to the largest logit: what rounding may explain


@dataclass(frozen=True, eq=False)
class ForeignNet:
    """Somebody's module in a Net (`body`), which normalises raw images for it.

    `known` says of groups why they are refused, or "": what was tried out on the network that this one was made from.
    """

    net: Net
    example: Tensor  # uint8 (2, H, W, C)
    known: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def skeleton(self) -> Skeleton:
        found = trace(self.net, self.example)
        groups = tuple(
            g
            if g.refused
            else replace(g, refused=self.known[g.id])
            if g.id in self.known
            else self._tried(found, g)
            for g in found.groups
        )
        return Skeleton(found.layers, groups, tuple(shortcuts(self.net, self.example, found.layers)))

    def decomposable(self, layer: str) -> bool:
        module = self.net.get_submodule(layer)
        if isinstance(module, nn.Conv2d):
            plain = (
                module.padding_mode == "zeros"
                and module.dilation == (1, 1)
                and module.stride[0] == module.stride[1]
            )
            return plain and not isinstance(module.padding, str)
        return isinstance(module, nn.Linear)

    def pruned(self, keep: Keep) -> ForeignNet:
        smaller = rebuilt(self.net, self.skeleton, keep)
        yardstick = copy.deepcopy(self.net)
        masked(yardstick, self.skeleton, keep)
        apart = difference(smaller, yardstick, self.example)
        if not apart <= ALIKE:
            raise RunError(
                f"the pruned network differs from the masked one by {apart:.2g}: its channels hang together in a way that "
                "is not understood, so it is not pruned"
            )
        return self._child(smaller)

    def decomposed(self, factors: Mapping[str, Sequence[Factor]]) -> ForeignNet:
        net = copy.deepcopy(self.net)
        for name, chain in factors.items():
            layer = net.get_submodule(name)
            made = _linears if isinstance(layer, nn.Linear) else _convolutions
            replace_module(net, name, made(layer, chain))  # type: ignore[arg-type]
        return self._child(net.eval())

    def dropped(self, blocks: Sequence[str]) -> ForeignNet:
        net = copy.deepcopy(self.net)
        for name in blocks:
            replace_module(net, name, nn.Identity())
        return ForeignNet(net.eval(), self.example)

    def fresh(self) -> ForeignNet:
        net = copy.deepcopy(self.net)
        for module in net.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        return ForeignNet(net, self.example)

    def _child(self, net: Net) -> ForeignNet:
        """Its groups are as exact as they were here, and every cut is compared with the masked network anyway."""
        return ForeignNet(net, self.example, {g.id: g.refused for g in self.skeleton.groups})

    def to_json(self) -> dict[str, Any]:
        return {"module": type(self.net.body).__qualname__}

    def _tried(self, skeleton: Skeleton, group: Group) -> Group:
        """The group, refused where cutting half of it does not give the masked network."""
        keep = {group.id: range(0, group.channels, 2)}
        try:
            smaller = rebuilt(self.net, skeleton, keep)
            yardstick = copy.deepcopy(self.net)
            masked(yardstick, skeleton, keep)
            apart = difference(smaller, yardstick, self.example)
        except Exception as error:  # whatever a wrong width does inside somebody's forward
            return replace(
                group, refused=f"the network does not run without its channels: {first_line(error)}"
            )
        if apart <= ALIKE:
            return group
        if apart == float("inf"):
            return replace(group, refused="its outputs are the network's")
        return replace(group, refused=f"removing its channels changes what others compute (by {apart:.2g})")


def noise_like(example: Tensor) -> Tensor:
    """Random pixels, always the same: on a picture of nothing but zeros much looks alike that is not."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, example.shape, dtype=torch.uint8, generator=generator)


def difference(one: Net, other: Net, example: Tensor) -> float:
    """The largest difference of their logits on noise, relative to the largest logit (at least 1)."""
    noise = noise_like(example)
    with torch.no_grad():
        a, b = one.eval()(noise), other.eval()(noise)
    if a.shape != b.shape:
        return float("inf")
    return float((a - b).abs().max() / b.abs().max().clamp_min(1.0))


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


# --- reading a module ---


def trace(net: Net, example: Tensor) -> Skeleton:
    """Layers as they run on `example` and the groups of torch-pruning. RunError where the module cannot be followed."""
    layers, reused = _layers(net, example)
    known = {x.name for x in layers}
    groups: list[Group] = []
    for found in _dependency_groups(net, example):
        group = _group(found, net, known)
        if group is not None:
            groups.append(_without(group, reused))
    return Skeleton(tuple(layers), tuple(groups))


def _without(group: Group, reused: set[str]) -> Group:
    twice = next((m.layer for m in group.members if m.layer in reused), "")
    return replace(group, refused=f"{twice} is used more than once") if twice and not group.refused else group


def _layers(net: Net, example: Tensor) -> tuple[list[Layer], set[str]]:
    found: dict[str, Layer] = {}
    reused: set[str] = set()

    def hook(name: str) -> Any:
        def record(module: nn.Module, _: Any, out: Any) -> None:
            if name in found:
                reused.add(name)
            found[name] = layer_of(name, module, out)

        return record

    kinds = (*CONVS, *NORMS, nn.Linear)
    handles = [m.register_forward_hook(hook(n)) for n, m in net.named_modules() if isinstance(m, kinds)]
    try:
        with torch.no_grad():
            net.eval()(example)
    finally:
        for handle in handles:
            handle.remove()
    return list(found.values()), reused


def layer_of(name: str, module: nn.Module, out: Tensor) -> Layer:
    """A layer that has just given `out`."""
    if isinstance(module, nn.Linear):
        rows = out[0].numel() // module.out_features  # a linear layer may stand over many places
        return Layer(
            name, "linear", module.in_features, module.out_features, bias=module.bias is not None, width=rows
        )
    if isinstance(module, NORMS):
        return Layer(name, "norm", module.num_features, module.num_features)
    assert isinstance(module, CONVS)
    kernel, stride, size = tuple(module.kernel_size), module.stride[0], tuple(out.shape[2:])
    k, hw = (kernel, size) if len(kernel) == 2 else ((1, kernel[0]), (1, size[0]))
    return Layer(
        name, "conv", module.in_channels, module.out_channels, (int(k[0]), int(k[1])), int(stride), module.groups,
        int(hw[0]), int(hw[1]), module.bias is not None,
    )  # fmt: skip


def _dependency_groups(net: Net, example: Tensor) -> list[Any]:
    import torch_pruning

    probe = copy.deepcopy(net).eval()
    for parameter in probe.parameters():
        parameter.requires_grad_(True)  # the graph is autograd's
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            graph = torch_pruning.DependencyGraph()
            graph.build_dependency(probe, example_inputs=example, verbose=False)
            roots = (*CONVS, nn.Linear)
            return list(graph.get_all_groups(ignored_layers=[], root_module_types=list(roots)))
        except Exception as error:
            raise RunError(
                f"the dependencies of the network cannot be followed: {first_line(error)}"
            ) from error


def _group(found: Any, net: Net, known: set[str]) -> Group | None:
    """One of torch-pruning's groups as ours; refused where it holds what cannot be cut exactly."""
    graph = found._DG
    names = graph._module2name
    root = names[found[0].dep.target.module]
    channels = len(found[0].idxs)
    members: list[Member] = []
    refused = ""
    for item in found:
        target, handler = item.dep.target, item.dep.handler
        module = target.module
        if not isinstance(module, (nn.Module, nn.Parameter)) or type(module).__module__.startswith(
            "torch_pruning"
        ):
            if type(module).__name__ == "_OutputOp":
                refused = refused or "its outputs are the network's"
            continue
        if isinstance(module, nn.Parameter):
            refused = refused or "a bare parameter depends on its width"
            continue
        name = names.get(module, "")
        if not any(True for _ in module.parameters(recurse=False)) and not isinstance(module, NORMS):
            continue
        if name not in known:
            refused = refused or f"{name} ({type(module).__name__}) cannot be narrowed exactly"
            continue
        refused = refused or _why_not(name, module)
        axis: Axis = "out" if graph.is_out_channel_pruning_fn(handler) else "in"
        if isinstance(module, NORMS) or (isinstance(module, CONVS) and module.groups > 1):
            axis = "out"
        members.append(Member(name, axis, tuple(map(int, item.idxs)), tuple(map(int, item.root_idxs))))
    if not any(m.axis == "out" for m in members):
        return None
    return Group(root, channels, tuple(members), refused)


def _why_not(name: str, module: nn.Module) -> str:
    if isinstance(module, CONVS) and module.groups > 1:
        if not module.groups == module.in_channels == module.out_channels:
            return f"{name} is a grouped convolution"
    elif isinstance(module, NORMS) and not module.affine:
        return f"{name} normalises without a scale"
    return ""


def shortcuts(net: Net, example: Tensor, layers: Sequence[Layer]) -> list[Block]:
    """The innermost modules that pass their input on when all their weights are zero: residual blocks, found by trying."""
    probe = copy.deepcopy(net).eval()
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def hook(name: str) -> Any:
        def record(_: nn.Module, given: Any, out: Any) -> None:
            if len(given) == 1 and isinstance(given[0], Tensor) and isinstance(out, Tensor):
                seen.setdefault(name, []).append((given[0].clone(), out.clone()))

        return record

    for name, module in probe.named_modules():
        holds = [x.name for x in layers if x.name.startswith(f"{name}.") and x.kind == "conv"]
        if holds and name not in ("", "body"):
            module.register_forward_hook(hook(name))
    with torch.no_grad():
        probe(noise_like(example))
        found = [
            n
            for n, calls in seen.items()
            if len(calls) == 1 and _passes_on(probe.get_submodule(n), *calls[0])
        ]
    inner = [n for n in found if not any(other.startswith(f"{n}.") for other in found)]
    return [Block(n, tuple(x.name for x in layers if x.name.startswith(f"{n}."))) for n in inner]


def _passes_on(module: nn.Module, given: Tensor, out: Tensor) -> bool:
    if given.shape != out.shape or not bool(given.any()):
        return False
    module = copy.deepcopy(module)
    module._forward_hooks.clear()
    for parameter in module.parameters():
        parameter.zero_()
    try:
        passed = module(given.clone())
    except Exception:  # a block that cannot run alone is no block to leave out
        return False
    return bool(torch.allclose(passed, given, atol=1e-6))


# --- decomposed layers ---


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
