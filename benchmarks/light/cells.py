"""The networks of NAS-Bench-201 (Dong and Yang 2020) from their cells: small, untrained, for proxies only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # in the order of the table: by target, then source
NODES = 4


def signature(ops: Sequence[str]) -> str:
    """What the cell computes: cells with one signature are one network (nothing through "none", no step at a skip)."""
    nodes = ["x"]
    for target in range(1, NODES):
        parts = []
        for name, (a, b) in zip(ops, EDGES, strict=True):
            if b == target and name != "none" and nodes[a]:
                parts.append(nodes[a] if name == "skip_connect" else f"{name}({nodes[a]})")
        nodes.append("+".join(sorted(parts)) if len(parts) < 2 else f"[{'+'.join(sorted(parts))}]")
    return nodes[-1]


def op_module(name: str, channels: int) -> nn.Module:
    """One operation on an edge: ReLU, convolution, BatchNorm; pooling; nothing done; nothing let through."""
    if name.startswith("nor_conv"):
        kernel = int(name[-1])
        conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels))
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return {"skip_connect": nn.Identity, "none": Nothing}[name]()


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Cell(nn.Module):
    """Four nodes; each is the sum of what its edges make of the nodes before it."""

    def __init__(self, ops: Sequence[str], channels: int) -> None:
        super().__init__()
        self.ops = nn.ModuleList(op_module(name, channels) for name in ops)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for target in range(1, NODES):
            into = [op(nodes[a]) for op, (a, b) in zip(self.ops, EDGES, strict=True) if b == target]
            nodes.append(torch.stack(into).sum(0))
        return nodes[-1]


class Reduction(nn.Module):
    """The residual block between the stages: half the side, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, wide, 3, 2, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, 1, 1, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.side = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(channels, wide, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.side(x)
        return out


def cell_network(ops: Sequence[str], channels: int = 8, cells: int = 1, n_classes: int = 10) -> nn.Sequential:
    """Stem, three stages of `cells` equal cells with reductions between them, head: (N, 3, H, W) -> (N, n_classes).

    The table's networks have 16 channels and 5 cells a stage; smaller ones rank alike and cost a tenth.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)]
    for stage in range(3):
        wide = channels * 2**stage
        layers += [Cell(ops, wide) for _ in range(cells)]
        if stage < 2:
            layers.append(Reduction(wide))
    head = [
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(wide, n_classes),
    ]
    return nn.Sequential(*layers, *head)
