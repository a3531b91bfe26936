"""Replace layers by chains of smaller ones, only where the chain was measured as faster: `decompose`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seedleaf.compression.factors import KINDS, Piece, product
from seedleaf.compression.pricing import METRICS, Costs, Pricer, broken
from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.compression.skeleton import Layer, costs
from seedleaf.compression.subject import Subject
from seedleaf.errors import LimitError

SHARES = (0.625, 0.5, 0.375, 0.25, 0.1875, 0.125)  # of the channels, as ranks
FASTER = 0.95  # of the layer's time that its chain may take at most
NARROW = 8  # channels below which nothing is worth decomposing


class Option(NamedTuple):
    """One way to replace a layer. `saved` are the costs it takes off, `damage` what the loss is expected to rise by."""

    kind: str
    ranks: tuple[int, ...]
    saved: Costs
    damage: float


@dataclass(frozen=True)
class Decompose:
    """Body: {"layers": {name: {"kind", "ranks", "error", "ms", "was_ms"}}, "left": {name: why it stays}}."""

    name: str = "decompose"
    cites: str = (
        "Kim et al. 2016 (Tucker-2); Lebedev et al. 2015, Phan et al. 2020 (CP); Denton et al. 2014 (SVD)"
    )

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        """Options: kind ("tucker", "cp" or "any"), caution, uniform (one share of ranks for all: the control),
        partly (go as far as it goes: another pass does the rest)."""
        subject, pricer = work.subject, shop.pricer(work.subject)
        kind, caution = str(options.get("kind", "tucker")), float(options.get("caution", 1.0))
        key = ("offers", kind, caution, shop.table.int8)
        menu, left = shop.once(subject, key, lambda: offers(subject, shop, pricer, kind, caution))
        if options.get("uniform"):
            chosen = _even(menu, pricer, targets)
        else:
            chosen = _greedy(menu, pricer, targets, bool(options.get("partly")))
        rows = {}
        for name, o in chosen.items():
            layer = next(x for x in subject.skeleton.layers if x.name == name)
            pieces = KINDS[o.kind](weight_of(subject, name), o.ranks)
            error = float(
                (product(pieces) - weight_of(subject, name)).norm() / weight_of(subject, name).norm()
            )
            was = shop.table.ms([layer])
            ms = shop.table.ms(chain_of(layer, pieces))
            rows[name] = {"kind": o.kind, "ranks": list(o.ranks), "error": error, "ms": ms, "was_ms": was}
        return {"layers": rows, "left": left}

    def apply(self, work: Work, body: Body) -> Work:
        if not body["layers"]:
            return work
        subject = work.subject
        made: dict[str, Any] = {
            n: KINDS[r["kind"]](weight_of(subject, n), r["ranks"]) for n, r in body["layers"].items()
        }
        return replace(work, subject=subject.decomposed(made))

    def told(self, body: Body) -> list[dict[str, Any]]:
        rows = [
            {
                "layer": name,
                "what": f"{r['kind']} of rank {' × '.join(map(str, r['ranks']))}, weights off by {100 * r['error']:.0f} %",
                "why": f"measured {r['ms']:.3f} ms where the layer took {r['was_ms']:.3f}",
            }
            for name, r in body["layers"].items()
        ]
        return rows + [{"layer": n, "what": "stays as it is", "why": why} for n, why in body["left"].items()]


def weight_of(subject: Subject, name: str) -> Any:
    """The weight of a layer as (out, in, kh, kw); that of a linear layer is seen as a 1×1 convolution's."""
    weight: Any = subject.net.get_submodule(name).weight
    return weight.detach() if weight.ndim == 4 else weight.detach()[:, :, None, None]


def offers(
    subject: Subject, shop: Shop, pricer: Pricer, kind: str, caution: float
) -> tuple[dict[str, list[Option]], dict[str, str]]:
    """layer -> its options from gentle to strong, and why the other layers have none."""
    signals = shop.signals(subject)
    menu: dict[str, list[Option]] = {}
    left: dict[str, str] = {}
    for layer in subject.skeleton.layers:
        if not layer.separable or not subject.decomposable(layer.name):
            continue
        if min(layer.cin, layer.cout) < NARROW:
            left[layer.name] = "it is too narrow"
            continue
        weight, fisher = weight_of(subject, layer.name), signals.fisher[layer.name]
        fisher = fisher if fisher.ndim == 4 else fisher[:, :, None, None]
        before = pricer.sum([layer])
        found = []
        for each, ranks in _ranks(layer, kind):
            chain = chain_of(layer, KINDS_SHAPES[each](layer, ranks))
            ms, was = shop.table.ms(chain), shop.table.ms([layer])
            if ms > FASTER * was:
                continue
            sizes = costs(chain)
            after = {m: sizes[m] * pricer.scale.get(m, 1.0) for m in ("params", "macs", "bytes")}
            after["bytes"] += pricer.wrapped(len(chain))
            after["latency_ms"] = before["latency_ms"] * ms / max(was, 1e-9)
            off = product(KINDS[each](weight, ranks)) - weight
            share = sum(sizes[m] for m in ("params",)) / max(layer.cin * layer.cout, 1)
            damage = float((fisher * off**2).sum()) * max(1.0 / max(share, 1e-3), 1.0) ** (0.25 * caution)
            found.append(Option(each, ranks, {m: before[m] - after[m] for m in METRICS}, damage))
        if not found:
            left[layer.name] = "no chain of smaller layers was measured as faster"
            continue
        menu[layer.name] = _undominated(found)
    return menu, left


def _ranks(layer: Layer, kind: str) -> list[tuple[str, tuple[int, ...]]]:
    """Decompositions worth measuring, gentle ones first."""
    if layer.kernel == (1, 1):
        least = min(layer.cin, layer.cout)
        return [("svd", (r,)) for r in sorted({_rank(least, s) for s in SHARES}, reverse=True)]
    found: list[tuple[str, tuple[int, ...]]] = []
    if kind in ("tucker", "any"):
        found += [("tucker", (_rank(layer.cout, s), _rank(layer.cin, s))) for s in SHARES]
    if kind in ("cp", "any"):
        wide = max(layer.cin, layer.cout)
        found += [("cp", (r,)) for r in sorted({_rank(wide, 3 * s) for s in SHARES}, reverse=True)]
    return list(dict.fromkeys(found))


def _rank(channels: int, share: float) -> int:
    unit = 8 if channels * share >= 12 else 4
    return max(round(channels * share / unit) * unit, 4)


def _undominated(options: list[Option]) -> list[Option]:
    """By what they save, each saving more at more damage than the one before."""
    kept: list[Option] = []
    for o in sorted(options, key=lambda o: (-o.saved["latency_ms"], o.damage)):
        if not kept or o.damage < kept[-1].damage:
            kept.append(o)
    return kept[::-1]


def _greedy(
    menu: Mapping[str, list[Option]], pricer: Pricer, targets: Mapping[str, float], partly: bool = False
) -> dict[str, Option]:
    """Strengthen, one at a time, the layer whose next option saves most for its damage, until the targets are met."""
    chosen: dict[str, Option] = {}
    start = pricer.price()
    nothing = Option("", (), dict.fromkeys(METRICS, 0.0), 0.0)
    while over := broken(_left(start, chosen), targets):
        best: tuple[float, str, Option] | None = None
        for name, options in menu.items():
            now = chosen.get(name, nothing)
            for o in options:
                gain = sum((o.saved[m] - now.saved[m]) / targets[m] for m in over)
                if gain > 1e-9 and (best is None or (o.damage - now.damage) / gain < best[0]):
                    best = (o.damage - now.damage) / gain, name, o
        if best is None and partly:
            return chosen
        if best is None:
            raise LimitError(_too_far(_left(start, chosen), targets))
        chosen[best[1]] = best[2]
    return chosen


def _even(
    menu: Mapping[str, list[Option]], pricer: Pricer, targets: Mapping[str, float]
) -> dict[str, Option]:
    """The gentlest common step along every layer's options that meets the targets."""
    start, steps = pricer.price(), max(map(len, menu.values()), default=0)
    for step in range(steps):
        chosen = {n: o[min(math.floor(step * len(o) / steps), len(o) - 1)] for n, o in menu.items()}
        if not broken(_left(start, chosen), targets):
            return chosen
    raise LimitError(_too_far(_left(start, {n: o[-1] for n, o in menu.items()}), targets))


def _left(start: Costs, chosen: Mapping[str, Option]) -> Costs:
    return {m: start[m] - sum(o.saved[m] for o in chosen.values()) for m in METRICS}


def _too_far(reached: Costs, targets: Mapping[str, float]) -> str:
    from seedleaf.compression.allocate import said_of

    over = broken(reached, targets)
    said = ", ".join(f"{said_of(m, targets[m])} (reached: {said_of(m, reached[m], '')})" for m in over)
    return f"cannot be reached by decomposition: {said}"


# --- the shapes of chains, without their numbers ---


def chain_of(layer: Layer, pieces: Any) -> list[Layer]:
    """The layers that the pieces make in the place of `layer`."""
    found: list[Layer] = []
    high, wide, passed = layer.height * layer.stride, layer.width * layer.stride, False
    for piece in pieces:
        out, each, kh, kw = piece.weight.shape
        passed = passed or piece.spatial
        size = (layer.height, layer.width) if passed or layer.kind == "linear" else (high, wide)
        stride = layer.stride if piece.spatial else 1
        found.append(
            Layer(layer.name, layer.kind, each * piece.groups, out, (kh, kw), stride, piece.groups, *size)
        )
    return found


def _piece(out: int, each: int, kernel: tuple[int, int], groups: int = 1, spatial: bool = False) -> Piece:
    import torch

    return Piece(torch.empty((out, each, *kernel), device="meta"), groups, spatial)


KINDS_SHAPES: Mapping[str, Any] = {
    "tucker": lambda x, r: [
        _piece(r[1], x.cin, (1, 1)),
        _piece(r[0], r[1], x.kernel, spatial=True),
        _piece(x.cout, r[0], (1, 1)),
    ],
    "cp": lambda x, r: [
        _piece(r[0], x.cin, (1, 1)),
        _piece(r[0], 1, x.kernel, r[0], True),
        _piece(x.cout, r[0], (1, 1)),
    ],
    "svd": lambda x, r: [_piece(r[0], x.cin, (1, 1), spatial=True), _piece(x.cout, r[0], (1, 1))],
}
