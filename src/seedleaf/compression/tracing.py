"""Reading somebody's module: its layers as they run, which channels hang together, and its residual blocks.

Which channels hang together is read off torch-pruning's dependency graph (Fang et al. 2023). It follows autograd's graph
and is wrong on zero-padded shortcuts, channel splits, GroupNorm beside grouped convolutions and more: what is found here
is a proposal, and `foreign` tries every group out.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from seedleaf.compression.skeleton import Axis, Block, Group, Layer, Member, Skeleton
from seedleaf.compression.surgery import CONVS, NORMS
from seedleaf.errors import RunError, first_line
from seedleaf.learners.blocks import Net


def noise_like(example: Tensor) -> Tensor:
    """Random pixels, always the same: on a picture of nothing but zeros much looks alike that is not."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, example.shape, dtype=torch.uint8, generator=generator)


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
