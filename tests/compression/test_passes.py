"""What each pass does to a network, and that a recipe replays, undoes and refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
import torch
import zoo
from shops import shop
from torch import nn

from seedleaf.compression.allocate import Taste, greedy, keep_best, narrowest
from seedleaf.compression.factors import KINDS, SENSITIVITY, product, sensitivity, tucker, tucker_parts
from seedleaf.compression.foreign import ForeignNet
from seedleaf.compression.recipe import Recipe, Step, Work, applied, fingerprint
from seedleaf.compression.registry import PASSES
from seedleaf.compression.shop import recalibrate
from seedleaf.compression.skeleton import Skeleton
from seedleaf.errors import LimitError, RunError
from seedleaf.learners.blocks import Net

STRUCTURAL = ("prune", "drop", "decompose")


def half(work: Work) -> dict[str, float]:
    return {"macs": 0.6 * shop().pricer(work.subject).price()["macs"]}


def resolved(
    name: str, network: str, options: Mapping[str, object], targets: Mapping[str, float] | None = None
) -> Step:
    work = Work(zoo.shared(network))
    wanted = targets if targets is not None else half(work)
    body = PASSES[name].resolve(work, shop(), options, wanted)
    return Step(name, json.loads(json.dumps(body)))


# --- pruning ---


@pytest.mark.parametrize("network", zoo.NAMES)
@pytest.mark.parametrize("allocation", ["greedy", "uniform"])
def test_prune_meets_its_target_or_says_what_it_reaches(network: str, allocation: str) -> None:
    work = Work(zoo.shared(network))
    targets = half(work)
    options = {"criterion": "taylor", "allocation": allocation}
    pricer = shop().pricer(work.subject)
    if pricer.price(narrowest(pricer))["macs"] > targets["macs"]:
        assert network in ("grouped", "shufflenet", "resnet_padded"), "the others can be halved"
        with pytest.raises(LimitError, match="pruning reaches"):
            resolved("prune", network, options, targets)
        return
    step = resolved("prune", network, options, targets)
    after = applied(work, step, PASSES, shop())
    assert after.subject.skeleton.costs()["macs"] <= targets["macs"]
    assert step.body["keep"], "something must have gone"
    assert all("channels stay" in row["what"] for row in PASSES["prune"].told(step.body))


def test_taylor_finds_dead_channels() -> None:
    """Of a group whose half is dead it removes that half: the output does not change."""
    subject = zoo.subject("vgg")
    dead = [1, 4, 6, 7, 9, 12, 13, 15]
    norm = "body.0.1"
    group = next(g for g in subject.skeleton.free if norm in {m.layer for m in g.members})
    with torch.no_grad():
        for parameter in subject.net.get_submodule(norm).parameters():
            parameter[dead] = 0.0
    from seedleaf.compression.importance import taylor

    scores = taylor(subject, shop().signals(subject), 0)
    keep = keep_best(scores, {group.id: group.channels - len(dead)})
    assert set(keep[group.id]).isdisjoint(dead)
    with torch.no_grad():
        torch.testing.assert_close(subject.pruned(keep).net(zoo.images()), subject.net(zoo.images()))


@pytest.mark.parametrize("metric", ["params", "macs", "latency_ms"])
def test_impossible_targets_say_what_could_be_reached(metric: str) -> None:
    with pytest.raises(LimitError, match=r"cannot be reached by pruning.*pruning reaches"):
        resolved("prune", "vgg", {}, {metric: 1e-3})


# --- decomposition ---


def test_tucker_is_as_good_as_the_oracle() -> None:
    tensorly = pytest.importorskip("tensorly")
    from tensorly.decomposition import partial_tucker

    weight = torch.randn(24, 16, 3, 3, generator=torch.Generator().manual_seed(3))
    for ranks in ((8, 6), (20, 12), (24, 16)):
        mine = (product(tucker(weight, ranks)) - weight).norm() / weight.norm()
        (core, factors), _ = partial_tucker(
            weight.double().numpy(), rank=list(ranks), modes=[0, 1], init="svd"
        )
        theirs = tensorly.tenalg.multi_mode_dot(core, factors, modes=[0, 1])
        oracle = (torch.as_tensor(theirs) - weight).norm() / weight.norm()
        assert float(mine) <= 1.002 * float(oracle) + 1e-6


def test_full_ranks_are_exact() -> None:
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(12, 10, 3, 3, generator=g)
    torch.testing.assert_close(product(KINDS["tucker"](weight, (12, 10))), weight, rtol=1e-4, atol=1e-4)
    flat = torch.randn(12, 10, 1, 1, generator=g)
    torch.testing.assert_close(product(KINDS["svd"](flat, (10,))), flat, rtol=1e-4, atol=1e-4)


def test_cp_keeps_its_sensitivity_in_bounds() -> None:
    """A tensor of border rank 2 but rank 3 (de Silva and Lim 2008): plain least squares degenerates on it."""
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 8, generator=g)
    weight = sum(torch.einsum("i,j,k->ijk", *v) for v in ((a, a, b[:8]), (a, b, a), (b, a, a)))
    weight = weight.reshape(8, 8, 8)[:, :, :4].reshape(8, 8, 2, 2)
    first, middle, last = KINDS["cp"](weight, (2,))
    found = sensitivity(
        last.weight[:, :, 0, 0].double(),
        first.weight[:, :, 0, 0].T.double(),
        middle.weight.flatten(1).T.double(),
    )
    assert found <= 1.5 * SENSITIVITY * float(weight.pow(2).sum())


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        ("own_conv", "tucker"),
        ("own_bottleneck", "any"),
        ("vgg", "cp"),
        ("resnet", "tucker"),
        ("densenet", "any"),
    ],
)
def test_decomposed_layers_are_the_chains_that_were_said(network: str, kind: str) -> None:
    """The rebuilt network answers as the one whose weights are the products of the factors."""
    import copy

    work = Work(zoo.shared(network))
    full = shop().pricer(work.subject).price()["macs"]
    step = resolved("decompose", network, {"kind": kind}, {"macs": 0.9 * full})
    assert step.body["layers"], "something must have been decomposed"
    after = applied(work, step, PASSES, None)
    yardstick = copy.deepcopy(work.subject.net)
    for name, row in step.body["layers"].items():
        layer = yardstick.get_submodule(name)
        weight = layer.weight.detach()
        pieces = KINDS[row["kind"]](weight if weight.ndim == 4 else weight[:, :, None, None], row["ranks"])
        with torch.no_grad():
            layer.weight.copy_(product(pieces).reshape(weight.shape))
    with torch.no_grad():
        torch.testing.assert_close(
            after.subject.net(zoo.images()), yardstick(zoo.images()), rtol=1e-3, atol=1e-3
        )
    assert after.subject.skeleton.costs()["macs"] <= 0.9 * full
    told = PASSES["decompose"].told(step.body)
    assert all(row["why"] for row in told)


def test_a_layer_stays_where_no_chain_is_faster() -> None:
    from seedleaf.compression.decompose import offers

    class Slow(type(shop().table)):  # type: ignore[misc]
        def ms(self, chain):  # type: ignore[no-untyped-def]
            return float(len(chain))

    from dataclasses import replace

    subject, slow = zoo.subject("vgg"), replace(shop(), table=Slow())
    menu, left = offers(subject, slow, slow.pricer(subject), "any", 1.0)
    assert not menu
    assert "no chain of smaller layers was measured as faster" in left.values()


def test_tucker_parts_are_orthonormal() -> None:
    u, core, v = tucker_parts(torch.randn(9, 7, 3, 3, generator=torch.Generator().manual_seed(0)), (4, 3))
    torch.testing.assert_close(u.T @ u, torch.eye(4, dtype=u.dtype))
    torch.testing.assert_close(v.T @ v, torch.eye(3, dtype=v.dtype))
    assert core.shape == (4, 3, 3, 3)


@pytest.mark.parametrize("network", ["vgg", "resnet", "densenet", "own_separable", "rep"])
def test_greedy_takes_no_more_than_is_needed(network: str) -> None:
    """No group could have its next block of channels back within the targets."""
    pricer = shop().pricer(zoo.shared(network))
    targets = {"latency_ms": pricer.price()["latency_ms"] / 2.5}
    equal = {g.id: np.full(g.channels, 1.0) for g in pricer.skeleton.free}
    widths = greedy(pricer, targets, equal, Taste())
    assert pricer.price(widths)["latency_ms"] <= targets["latency_ms"]
    for group in pricer.skeleton.free:
        if (wider := (widths[group.id] // 4 + 1) * 4) <= group.channels:
            assert pricer.price({**widths, group.id: wider})["latency_ms"] > targets["latency_ms"]


# --- blocks ---


@pytest.mark.parametrize("network", ["resnet", "bottleneck", "mobilenet", "own_bottleneck", "own_inverted"])
def test_dropped_blocks_leave_their_shortcut(network: str) -> None:
    work = Work(zoo.shared(network))
    assert work.subject.skeleton.blocks
    step = resolved("drop", network, {"most": 1.0}, {"macs": 1.0})
    assert set(step.body["blocks"]) == {b.name for b in work.subject.skeleton.blocks}
    after = applied(work, step, PASSES, shop())
    assert len(after.subject.skeleton.layers) < len(work.subject.skeleton.layers)
    assert not after.subject.skeleton.blocks
    with torch.no_grad():
        assert torch.isfinite(after.subject.net(zoo.images())).all()


def test_what_does_not_run_without_its_weights_is_no_block() -> None:
    with pytest.raises(LimitError, match="no residual block"):
        resolved("drop", "vgg", {}, {"macs": 1.0})


def test_layers_that_answer_nothing_on_a_black_picture_are_no_blocks() -> None:
    """Without shifts (a network as it is built) black stays black, with and without a layer's weights."""

    def layer() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())

    torch.manual_seed(0)
    stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    body = nn.Sequential(stem, layer(), layer(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    net = Net(body, [0.0] * 3, [255.0] * 3).eval()
    subject = ForeignNet(net, torch.zeros((2, 16, 16, 3), dtype=torch.uint8))
    assert subject.skeleton.blocks == ()


# --- recipes ---


@pytest.mark.parametrize("network", ["own_inverted", "own_bottleneck", "resnet", "bottleneck"])
def test_a_recipe_replays_from_its_json_and_undoes_to_the_original(network: str) -> None:
    subject = zoo.shared(network)
    before = {k: v.clone() for k, v in subject.net.state_dict().items()}
    work, recipe = Work(subject), Recipe(fingerprint(subject.net))
    for name in STRUCTURAL:
        try:
            body = PASSES[name].resolve(
                work, shop(), {}, {"macs": 0.8 * work.subject.skeleton.costs()["macs"]}
            )
        except LimitError:
            continue
        step = Step(name, json.loads(json.dumps(body)))
        work, recipe = applied(work, step, PASSES, shop()), recipe.then(step)
    assert len(recipe.steps) >= 2
    again = Recipe.from_json(json.loads(recipe.dumps()))
    replayed = again.apply(zoo.shared(network), PASSES, shop())
    with torch.no_grad():
        x = zoo.images()
        torch.testing.assert_close(replayed.subject.net(x), work.subject.net(x))
        while again.steps:
            again = again.undone()
        back = again.apply(zoo.shared(network), PASSES)
        assert torch.equal(back.subject.net(x), subject.net(x))
    for key, tensor in subject.net.state_dict().items():
        assert torch.equal(tensor, before[key]), "the original is never changed"


def test_a_recipe_refuses_another_network_and_nonsense() -> None:
    recipe = Recipe(fingerprint(zoo.subject("vgg").net))
    with pytest.raises(RunError, match="another network"):
        recipe.apply(zoo.subject("vgg", seed=1), PASSES)
    for body in ({}, {"version": 99}, {"version": 1, "start": "", "passes": [{}]}, []):
        with pytest.raises(RunError):
            Recipe.from_json(body)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="no pass is called 'shrink'"):
        Recipe(recipe.start, (Step("shrink", {}),)).apply(zoo.subject("vgg"), PASSES)


def test_skeletons_go_through_json() -> None:
    for name in ("vgg", "own_inverted"):
        skeleton = zoo.subject(name).skeleton
        again = Skeleton.from_json(json.loads(json.dumps(skeleton.to_json())))
        assert again == skeleton


def test_recalibration_measures_what_norms_now_see() -> None:
    """After it, each BatchNorm's output on the same images has the mean and variance of its scale and shift."""
    subject = zoo.subject("vgg")
    recalibrate(subject.net, shop().batches)
    first = next(m for m in subject.net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    first.register_forward_hook(lambda m, i, o: seen.append(o))
    with torch.no_grad():
        for x, _ in shop().batches():
            subject.net(x)
    out = torch.cat(seen).transpose(0, 1).flatten(1)
    torch.testing.assert_close(out.mean(1), first.bias, rtol=0.05, atol=0.05)
    torch.testing.assert_close(out.std(1), first.weight.abs(), rtol=0.05, atol=0.05)
    assert not subject.net.training


def test_the_control_has_other_weights_and_the_same_shape() -> None:
    for name in ("vgg", "own_inverted"):
        subject = zoo.subject(name)
        fresh = subject.fresh()
        assert [p.shape for p in fresh.net.parameters()] == [p.shape for p in subject.net.parameters()]
        assert not torch.allclose(fresh.net(zoo.images()), subject.net(zoo.images()))
        assert torch.equal(fresh.net.shift, subject.net.shift)
