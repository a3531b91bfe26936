"""Replace layers by chains of smaller ones, only where the chain was measured as faster: `decompose`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedleaf.compression.allocate import tilted
from seedleaf.compression.chains import KINDS_SHAPES, chain_of
from seedleaf.compression.factors import KINDS, product
from seedleaf.compression.pricing import METRICS, Pricer
from seedleaf.compression.ranks import Option, alike, cheapest, menu_of
from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.compression.skeleton import NARROW, Layer, costs
from seedleaf.compression.space import WHOLE
from seedleaf.compression.subject import Subject
from seedleaf.train.regime import under

SHARES = (0.625, 0.5, 0.375, 0.25, 0.1875, 0.125)  # of the channels, as ranks
FASTER = 0.95  # of the layer's time that its chain may take at most
NOT_FASTER = "no chain of smaller layers was measured as faster"


@dataclass(frozen=True)
class Decompose:
    """Body: {"layers": {name: {"kind", "ranks", "error", "ms", "was_ms"}}, "left": {name: why it stays}}; with "tilt" or
    "wish" what the search wanted of a layer."""

    name: str = "decompose"
    cites: str = (
        "Kim et al. 2016 (Tucker-2); Lebedev et al. 2015, Phan et al. 2020 (CP); Denton et al. 2014 (SVD)"
    )

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        """Options: kind ("tucker", "cp" or "any"), caution, uniform (one share of ranks for all: the control),
        partly (go as far as it goes: another pass does the rest), tilt.<layer> (how much dearer it counts), as.<layer>
        ("tucker", "cp", or "whole": only where the bounds cannot be kept without it)."""
        subject, pricer = work.subject, shop.pricer(work.subject)
        kind, caution = str(options.get("kind", "tucker")), float(options.get("caution", 1.0))
        tilt, wish = under(options, "tilt"), under(options, "as")
        looked = kind if set(wish.values()) <= {kind, WHOLE} else "any"
        key = ("offers", looked, caution, shop.table.int8)
        offered, why = shop.once(subject, key, lambda: offers(subject, shop, pricer, looked, caution))
        menu = menu_of(offered, kind, tilt, wish)
        spared = [n for n in menu if wish.get(n) == WHOLE]
        if options.get("uniform"):
            chosen = alike(menu, pricer, targets)
        else:
            chosen = cheapest(menu, pricer, targets, bool(options.get("partly")), spared)
        left = {**why, **{n: NOT_FASTER for n in offered if n not in menu}}
        left |= {n: "the search spares it" for n in spared if n not in chosen}
        rows = {n: _row(subject, shop, n, o) for n, o in chosen.items()}
        for name, row in rows.items():
            row |= {"tilt": tilt[name]} if tilt.get(name) else {}
            row |= {"wish": wish[name]} if name in wish else {}
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
                "why": f"measured {r['ms']:.3f} ms where the layer took {r['was_ms']:.3f}" + _wished(r),
            }
            for name, r in body["layers"].items()
        ]
        return rows + [{"layer": n, "what": "stays as it is", "why": why} for n, why in body["left"].items()]


def _row(subject: Subject, shop: Shop, name: str, option: Option) -> dict[str, Any]:
    """A layer that is replaced, as a recipe holds it."""
    layer = next(x for x in subject.skeleton.layers if x.name == name)
    weight = weight_of(subject, name)
    pieces = KINDS[option.kind](weight, option.ranks)
    return {
        "kind": option.kind,
        "ranks": list(option.ranks),
        "error": float((product(pieces) - weight).norm() / weight.norm()),
        "ms": shop.table.ms(chain_of(layer, pieces)),
        "was_ms": shop.table.ms([layer]),
    }


def _wished(row: Mapping[str, Any]) -> str:
    """What the search wanted of a layer that was decomposed, as the end of a sentence; empty where nothing came of it."""
    wish = row.get("wish", "")
    if wish == WHOLE:
        return "; the search would have spared it, but the bounds cannot be kept without it"
    if wish == row["kind"]:
        return f"; the search chose {wish} for it"
    return tilted(row.get("tilt", 0.0))


def weight_of(subject: Subject, name: str) -> Any:
    """The weight of a layer as (out, in, kh, kw); that of a linear layer is seen as a 1×1 convolution's."""
    weight: Any = subject.net.get_submodule(name).weight
    return weight.detach() if weight.ndim == 4 else weight.detach()[:, :, None, None]


def replaceable(subject: Subject) -> tuple[str, ...]:
    """The layers that may be decomposed, in the order in which they run."""
    return tuple(
        x.name
        for x in subject.skeleton.layers
        if x.separable and subject.decomposable(x.name) and min(x.cin, x.cout) >= NARROW
    )


def offers(
    subject: Subject, shop: Shop, pricer: Pricer, kind: str, caution: float
) -> tuple[dict[str, list[Option]], dict[str, str]]:
    """layer -> its options, and why the other layers have none."""
    signals = shop.signals(subject)
    menu: dict[str, list[Option]] = {}
    left: dict[str, str] = {}
    able = replaceable(subject)
    for layer in subject.skeleton.layers:
        if not layer.separable or not subject.decomposable(layer.name):
            continue
        if layer.name not in able:
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
            left[layer.name] = NOT_FASTER
            continue
        menu[layer.name] = found
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
