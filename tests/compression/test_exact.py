"""The rebuilt network answers as the masked one, for every kind of network and criterion, or says why it is whole."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import zoo
from shops import batches

from seedleaf.compression.allocate import keep_best
from seedleaf.compression.importance import CRITERIA, listen
from seedleaf.compression.subject import Subject, masked
from seedleaf.errors import RunError


@pytest.fixture(scope="module", params=zoo.NAMES)
def subject(request: pytest.FixtureRequest) -> Subject:
    return zoo.shared(request.param)


def test_every_kind_has_something_to_prune(subject: Subject) -> None:
    assert len(subject.skeleton.free) >= 1
    assert all(g.refused for g in subject.skeleton.groups if g not in subject.skeleton.free)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("share", [0.3, 0.75])
def test_rebuilt_answers_as_masked(subject: Subject, criterion: str, share: float) -> None:
    scores = CRITERIA[criterion](subject, listen(subject, batches), 0)
    widths = {g.id: max(int(g.channels * share), 2) for g in subject.skeleton.free}
    keep = keep_best(scores, widths)
    assert {g: len(k) for g, k in keep.items()} == widths, (
        "exactly as many stay as were asked for, also in ties"
    )
    yardstick = copy.deepcopy(subject.net)
    masked(yardstick, subject.skeleton, keep)
    before = copy.deepcopy(subject.net.state_dict())
    smaller = subject.pruned(keep)
    x = zoo.images()
    with torch.no_grad():
        torch.testing.assert_close(smaller.net(x), yardstick(x), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(smaller.net(x), subject.net(x), atol=1e-3), "something must have gone"
    found = sum(p.numel() for p in smaller.net.parameters())
    assert found < sum(p.numel() for p in subject.net.parameters())
    for name, tensor in subject.net.state_dict().items():
        assert torch.equal(tensor, before[name]), "the original is not touched"


def test_costs_from_the_skeleton_are_those_of_the_network(subject: Subject) -> None:
    keep = {g.id: range(max(g.channels // 2, 2)) for g in subject.skeleton.free}
    widths = {g: len(k) for g, k in keep.items()}
    smaller = subject.pruned(keep)
    counted = sum(p.numel() for p in smaller.net.parameters())
    known = {x.name for x in subject.skeleton.layers}
    unseen = sum(
        p.numel() for n, p in smaller.net.named_parameters() if n.rpartition(".")[0] not in known
    )  # GroupNorm is no layer of the skeleton
    assert subject.skeleton.costs(widths)["params"] == counted - unseen


def test_pruning_twice(subject: Subject) -> None:
    keep = {g.id: range(1, g.channels) for g in subject.skeleton.free}
    once = subject.pruned(keep)
    twice = once.pruned({g.id: range(1, g.channels) for g in once.skeleton.free})
    assert len(once.skeleton.free) == len(subject.skeleton.free)
    with torch.no_grad():
        assert torch.isfinite(twice.net(zoo.images())).all()


def test_bn_scales_that_tie_still_prune() -> None:
    subject = zoo.subject("vgg")
    for module in subject.net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    scores = CRITERIA["bn_scale"](subject, None, 0)
    keep = keep_best(scores, {g.id: g.channels // 2 for g in subject.skeleton.free})
    assert all(len(keep[g.id]) == g.channels // 2 for g in subject.skeleton.free)


def test_what_cannot_be_cut_is_refused_with_a_reason() -> None:
    refused = {n: [g.refused for g in zoo.shared(n).skeleton.groups if g.refused] for n in zoo.FOREIGN}
    for name in ("resnet_padded", "shufflenet", "grouped", "rows"):
        others = [r for r in refused[name] if r != "its outputs are the network's"]
        assert others, name
    assert any("grouped convolution" in r or "GroupNorm" in r for r in refused["grouped"])
    assert any("grouped convolution" in r for r in refused["rows"])


def test_channels_wrongly_said_to_hang_together_are_found_out() -> None:
    """A skeleton that misses a reader must not give a network that answers otherwise."""
    from dataclasses import replace

    subject = zoo.subject("resnet")
    group = next(g for g in subject.skeleton.free if sum(m.axis == "in" for m in g.members) >= 2)
    some = next(m for m in group.members if m.axis == "in")
    wrong = replace(some, index=tuple(np.roll(some.index, 1)))
    spoilt = replace(group, members=tuple(wrong if m is some else m for m in group.members))
    skeleton = replace(
        subject.skeleton, groups=tuple(spoilt if g is group else g for g in subject.skeleton.groups)
    )
    subject.__dict__["skeleton"] = skeleton
    with pytest.raises(RunError, match="differs from the masked one"):
        subject.pruned({group.id: range(0, group.channels, 2)})
