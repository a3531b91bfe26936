"""Which layers are decomposed how far: what the search prefers counts, and the targets are met all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import zoo
from shops import shop

from seedleaf.compression.decompose import replaceable
from seedleaf.compression.ranks import Option, cheapest, menu_of
from seedleaf.compression.recipe import Recipe, Step, Work, applied, fingerprint
from seedleaf.compression.registry import PASSES
from seedleaf.compression.skeleton import Skeleton
from seedleaf.errors import LimitError

NETWORKS = ("own_bottleneck", "vgg", "resnet")


def resolved(network: str, share: float, options: Mapping[str, Any]) -> dict[str, Any]:
    work = Work(zoo.shared(network))
    targets = {"macs": share * shop().pricer(work.subject).price()["macs"]}
    body: dict[str, Any] = json.loads(
        json.dumps(PASSES["decompose"].resolve(work, shop(), {"kind": "any", **options}, targets))
    )
    after = applied(work, Step("decompose", body), PASSES, None)
    assert after.subject.skeleton.costs()["macs"] <= targets["macs"]
    return body


@pytest.mark.parametrize("network", NETWORKS)
def test_a_layer_that_is_dear_keeps_more_than_one_that_is_cheap(network: str) -> None:
    """Whichever it is; the targets are met by the others."""
    layers = replaceable(zoo.shared(network))
    plain = resolved(network, 0.85, {})
    name = next(iter(plain["layers"]))
    dear = resolved(network, 0.85, {f"tilt.{n}": 1.0 if n == name else -1.0 for n in layers})
    cheap = resolved(network, 0.85, {f"tilt.{n}": -1.0 if n == name else 1.0 for n in layers})
    assert cheap["layers"][name]["error"] >= dear["layers"].get(name, {"error": 0.0})["error"]
    assert dear != cheap, "or nothing is searched"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_layer_that_is_spared_stays_where_the_bounds_can_be_kept_without_it(network: str) -> None:
    name = next(iter(resolved(network, 0.9, {})["layers"]))
    body = resolved(network, 0.9, {f"as.{name}": "whole"})
    assert name not in body["layers"]
    assert body["left"][name] == "the search spares it"
    every = {f"as.{n}": "whole" for n in replaceable(zoo.shared(network))}
    forced = resolved(network, 0.9, every)
    assert forced["layers"], "bounds come before preferences"
    assert any("would have spared it" in row["why"] for row in PASSES["decompose"].told(forced))
    partly = PASSES["decompose"].resolve(
        Work(zoo.shared(network)), shop(), {**every, "partly": True}, {"macs": 1.0}
    )
    assert not partly["layers"], "what another pass does need not be done here"


def test_a_layer_gets_the_kind_that_is_wished_and_the_others_the_common_one() -> None:
    every = resolved("vgg", 0.6, {"kind": "tucker"})["layers"]
    name = next(n for n, row in every.items() if row["kind"] == "tucker")
    body = resolved("vgg", 0.6, {"kind": "tucker", f"as.{name}": "cp"})
    kinds = {n: row["kind"] for n, row in body["layers"].items()}
    assert kinds[name] == "cp"
    assert "cp" not in {kind for n, kind in kinds.items() if n != name}
    told = PASSES["decompose"].told(body)
    assert [row["layer"] for row in told if "the search chose cp for it" in row["why"]] == [name]


def test_the_report_says_what_was_counted_dearer() -> None:
    name = next(iter(resolved("vgg", 0.7, {})["layers"]))
    told = PASSES["decompose"].told(resolved("vgg", 0.7, {f"tilt.{name}": -1.0}))
    assert [r["layer"] for r in told if "the search counted it 0.14 times as dear as it is" in r["why"]] == [
        name
    ]
    work = Work(zoo.shared("vgg"))
    group = work.subject.skeleton.free[0].id
    targets = {"macs": 0.3 * shop().pricer(work.subject).price()["macs"]}
    body = PASSES["prune"].resolve(work, shop(), {f"tilt.{group}": 0.5}, targets)
    told = PASSES["prune"].told(json.loads(json.dumps(body)))
    assert [r["layer"] for r in told if "the search counted it 2.7 times as dear" in r["why"]] == [group]


@pytest.mark.parametrize("network", NETWORKS)
def test_such_a_recipe_replays_from_its_json(network: str) -> None:
    subject = zoo.shared(network)
    layers = replaceable(subject)
    options = {f"tilt.{n}": (-1.0) ** i for i, n in enumerate(layers)} | {f"as.{layers[0]}": "whole"}
    body = resolved(network, 0.8, options)
    recipe = Recipe(fingerprint(subject.net)).then(Step("decompose", body))
    again = Recipe.from_json(json.loads(recipe.dumps())).apply(subject, PASSES, shop())
    once = applied(Work(subject), Step("decompose", body), PASSES, shop())
    with torch.no_grad():
        torch.testing.assert_close(again.subject.net(zoo.images()), once.subject.net(zoo.images()))


def option(kind: str, latency: float, size: float, damage: float = 1.0) -> Option:
    return Option(kind, (4,), {"latency_ms": latency, "bytes": size, "params": 0.0, "macs": 0.0}, damage)


class Priced:
    """What `cheapest` asks of a pricer."""

    skeleton = Skeleton((), ())

    def price(self) -> dict[str, float]:
        return {"latency_ms": 10.0, "bytes": 10.0, "params": 0.0, "macs": 0.0}


def test_bounds_that_no_option_keeps_together_end() -> None:
    """One way of the layer is fast and one is small: neither is both, and going to and fro makes it no better."""
    menu: Any = {"a": [option("tucker", 5.0, 0.0), option("cp", 0.0, 5.0)]}
    pricer: Any = Priced()
    with pytest.raises(LimitError, match="cannot be reached by decomposition"):
        cheapest(menu, pricer, {"latency_ms": 6.0, "bytes": 6.0})


def test_what_was_not_wished_or_is_not_on_offer_is_no_choice() -> None:
    offered = {
        "a": [option("tucker", 5.0, 5.0)],
        "b": [option("cp", 5.0, 5.0)],
        "c": [option("svd", 5.0, 5.0)],
    }
    assert set(menu_of(offered, "tucker", {}, {"a": "cp", "c": "cp"})) == {"a", "c"}
    assert set(menu_of(offered, "tucker", {}, {"b": "cp"})) == {"a", "b", "c"}
    [dear] = menu_of(offered, "any", {"a": 1.0}, {})["a"]
    assert dear.damage == pytest.approx(7.389, abs=0.001)
