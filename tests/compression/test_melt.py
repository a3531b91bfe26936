"""Runs of every form are made plain exactly, before anything is removed from them."""

from __future__ import annotations

import pytest
import torch
import zoo

from seedleaf.compression.foreign import ForeignNet
from seedleaf.compression.melt import branches, melt, plain_plan
from seedleaf.compression.own import OwnNet
from seedleaf.learners.blocks import build
from seedleaf.learners.fold import RepConv
from seedleaf.learners.plan import plan_network


@pytest.mark.parametrize("module", ["conv", "separable"])
def test_melted_branches_answer_as_before(module: str) -> None:
    torch.manual_seed(0)
    stages = ((module, {"width": 12, "kernel": 3, "repeats": 2, "rep": True}),)
    plan = plan_network(zoo.SIDE, zoo.SIDE, zoo.CHANNELS, zoo.CLASSES, (12, 1), stages, "relu", 0.0)
    net = build(plan, zoo.MEAN, zoo.STD)
    zoo.lived(net)
    x = zoo.images(64)
    with torch.no_grad():
        before = net.eval()(x)
        melt(net, x.numpy())
        assert not any(isinstance(m, RepConv) for m in net.modules())
        torch.testing.assert_close(net(x), before, rtol=1e-3, atol=1e-3)
        plain = build(plain_plan(plan))
        plain.load_state_dict(net.state_dict())
        torch.testing.assert_close(plain.eval()(x), before, rtol=1e-3, atol=1e-3)
        norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert all(torch.isfinite(m.weight).all() for m in norms)


def test_networks_with_branches_are_taken_as_modules() -> None:
    assert isinstance(zoo.shared("ghost"), ForeignNet)
    assert isinstance(zoo.shared("shuffle"), ForeignNet)
    assert isinstance(zoo.shared("rep"), OwnNet)
    assert branches(plan_network(12, 12, 3, 4, (8, 1), tuple(zoo.BRANCHED["ghost"]), "relu", 0.0).ops)


def test_a_grouped_convolution_of_ours_is_left_whole() -> None:
    skeleton = zoo.shared("own_grouped").skeleton
    assert any("grouped convolution" in g.refused for g in skeleton.groups)
    assert skeleton.free
