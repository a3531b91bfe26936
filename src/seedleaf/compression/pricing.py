"""What a network would cost at other widths, in the terms of the targets: arithmetic over a skeleton and a block table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.skeleton import Layer, Skeleton, Widths, costs_of

METRICS = ("params", "macs", "bytes", "latency_ms")
Costs = dict[str, float]
MOST_CALL = 0.7  # of the time of a graph that calling it may explain


@dataclass
class Pricer:
    """Costs of a skeleton at any widths, and without some of its blocks.

    `scale` brings what the layers sum to up to what was measured of the original: what they do not explain (activations,
    sums) is taken to shrink in proportion. `scale["call_ms"]` stays: it is what a graph takes without any layer. So does
    `scale["layer_bytes"]` as long as a layer is there: what its nodes and names take beside its numbers.
    """

    skeleton: Skeleton
    table: BlockTable
    scale: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._memo: dict[tuple[str, int, int], Costs] = {}
        self._full = {x.name: x for x in self.skeleton.layers}

    def price(self, widths: Widths | None = None, dropped: Collection[str] = ()) -> Costs:
        """params, macs, bytes and latency_ms with those widths; all of them without."""
        gone = {name for b in self.skeleton.blocks if b.name in dropped for name in b.layers}
        layers = self.skeleton.layers if widths is None else self.skeleton.narrowed(widths)
        total = self.sum(x for x in layers if x.name not in gone)
        return {**total, "latency_ms": total["latency_ms"] + self.scale.get("call_ms", 0.0)}

    def change(self, widths: Widths, group: str, to: int) -> Costs:
        """How much cheaper it becomes when one group goes from its width to `to`; positive is cheaper."""
        touched = self.skeleton.touched[group]
        before = self.sum(self.skeleton.at(x, widths) for x in touched)
        after = self.sum(self.skeleton.at(x, {**widths, group: to}) for x in touched)
        return {m: before[m] - after[m] for m in METRICS}

    def sum(self, layers: Iterable[Layer]) -> Costs:
        rows = [self._layer(x) for x in layers]
        total = {m: sum(r[m] for r in rows) * self.scale.get(m, 1.0) for m in METRICS}
        return {**total, "bytes": total["bytes"] + self.wrapped(sum(1 for r in rows if r["macs"]))}

    def wrapped(self, layers: int) -> float:
        """Bytes of so many layers without their numbers."""
        return layers * self.scale.get("layer_bytes", 0.0)

    def _layer(self, layer: Layer) -> Costs:
        key = layer.name, layer.cin, layer.cout
        if key not in self._memo:
            params, macs, size = costs_of(layer)
            ms = 0.0 if layer.kind == "norm" else self.table.at(self._full[layer.name], layer.cin, layer.cout)
            self._memo[key] = {"params": params, "macs": macs, "bytes": size, "latency_ms": ms}
        return self._memo[key]


def scale_of(
    skeleton: Skeleton,
    table: BlockTable,
    measured: Mapping[str, float],
    call_ms: float = 0.0,
    numbers: float | None = None,
) -> dict[str, float]:
    """How many times what its layers sum to a network was measured to cost, over the `call_ms` that any graph takes.

    `numbers` are the bytes of its file that are weights: the others do not become fewer with the channels.
    """
    raw = Pricer(skeleton, table).price()
    # Of a tiny network the call is nearly all: some of its time must remain the layers'.
    call = min(call_ms, MOST_CALL * measured.get("latency_ms", 0.0))
    size = measured.get("bytes", 0.0)
    held = size if numbers is None else min(numbers, size)
    left = {**measured, "bytes": held, "latency_ms": measured.get("latency_ms", 0.0) - call}
    found = {m: left[m] / raw[m] if left.get(m) and raw[m] else 1.0 for m in METRICS}
    layers = sum(1 for x in skeleton.layers if x.kind != "norm")
    return {**found, "call_ms": call, "layer_bytes": (size - held) / max(layers, 1)}


def broken(found: Mapping[str, float], targets: Mapping[str, float]) -> dict[str, float]:
    """The targets that are not met: metric -> how many times too much."""
    return {m: found[m] / limit for m, limit in targets.items() if found[m] > limit}
