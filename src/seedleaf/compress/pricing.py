"""What a network would cost at other widths, in the terms of the targets: pure arithmetic over a skeleton and a block table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seedleaf.compress.blocktable import BlockTable
from seedleaf.compress.skeleton import Layer, Skeleton, Widths, costs, costs_of

METRICS = ("params", "macs", "bytes", "latency_ms")
Costs = dict[str, float]


@dataclass
class Pricer:
    """Costs of a skeleton at any widths.

    `base` holds what was measured of the network as it stands (latency_ms, bytes of the file): what the layers do not explain
    (activations, sums, the graph itself) shrinks in proportion. `gain` divides latency and bytes where the network will be quantised.
    """

    skeleton: Skeleton
    table: BlockTable
    base: Mapping[str, float] = field(default_factory=dict)
    gain: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._memo: dict[tuple[str, int, int], Costs] = {}
        self._full = {x.name: x for x in self.skeleton.layers}
        raw = self._sum(self.skeleton.layers)
        self._scale = {m: self.base[m] / raw[m] if self.base.get(m) and raw[m] else 1.0 for m in raw}

    def price(self, widths: Widths) -> Costs:
        """params, macs, bytes and latency_ms of the network with those widths."""
        raw = self._sum(self.skeleton.narrowed(widths))
        return {m: raw[m] * self._scale[m] / self.gain.get(m, 1.0) for m in raw}

    def change(self, widths: Widths, group: str, to: int) -> Costs:
        """How much cheaper it becomes when one group goes from its width to `to`; positive is cheaper."""
        other = {**widths, group: to}
        found = dict.fromkeys(METRICS, 0.0)
        for layer in self.skeleton.touched[group]:
            before, after = self._layer(self.skeleton.at(layer, widths)), self._layer(self.skeleton.at(layer, other))
            for m in METRICS:
                found[m] += (before[m] - after[m]) * self._scale[m] / self.gain.get(m, 1.0)
        return found

    def _sum(self, layers: Sequence[Layer]) -> Costs:
        rows = [self._layer(x) for x in layers]
        return {m: sum(r[m] for r in rows) for m in METRICS}

    def _layer(self, layer: Layer) -> Costs:
        key = layer.name, layer.cin, layer.cout
        if key not in self._memo:
            params, macs, size = costs_of(layer)
            ms = 0.0 if layer.kind == "norm" else self.table.at(self._full[layer.name], layer.cin, layer.cout)
            self._memo[key] = {"params": params, "macs": macs, "bytes": size, "latency_ms": ms}
        return self._memo[key]


def broken(found: Mapping[str, float], targets: Mapping[str, float]) -> dict[str, float]:
    """The targets that are not met: metric -> how many times too much."""
    return {m: found[m] / limit for m, limit in targets.items() if found[m] > limit}


__all__ = ["METRICS", "BlockTable", "Costs", "Pricer", "broken", "costs"]
