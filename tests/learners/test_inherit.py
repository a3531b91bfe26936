"""A child begins with its parent's weights: all of them where nothing changed, the same answers where it only grew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_cost import spec_of
from torch import nn

from seedleaf.core import Config, Context, Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.base import learner_named
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.inherit import hand_down
from seedleaf.learners.netspace import STAGES, nearest
from seedleaf.seeds import rng_for
from seedleaf.train import CHECKPOINT, checkpoint
from seedleaf.tuner.evolution import child

LEARNER, SPEC = ConvNet(), spec_of(28, 28, 1)
Digits = tuple[Path, ImageSpec]


def config_of(**changes: object) -> Config:
    wanted = {f"stage{i}.{k}": v for i in (1, 2, 3) for k, v in {"kernel": 3, "repeats": 1}.items()}
    wanted |= {"stage3": "conv", **{k.replace("_", ".", 1): v for k, v in changes.items()}}
    return nearest(LEARNER.space(SPEC), wanted)


def trained(config: Config, seed: int) -> nn.Module:
    """A network with BatchNorms that do something."""
    torch.manual_seed(seed)
    net = LEARNER.build(SPEC, config)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.uniform_(-0.3, 0.3)
            m.running_mean.uniform_(-0.3, 0.3)  # type: ignore[union-attr]
    return net.eval()


def handed(child_config: Config, parent_config: Config) -> tuple[nn.Module, nn.Module, int]:
    parent, torch_seed = trained(parent_config, 1), 2
    torch.manual_seed(torch_seed)
    net = LEARNER.build(SPEC, child_config).eval()
    plans = LEARNER.plan(SPEC, child_config), LEARNER.plan(SPEC, parent_config)
    copied = hand_down(net, plans[0], parent.state_dict(), plans[1])
    return net, parent, copied


def answers(net: nn.Module) -> torch.Tensor:
    x = torch.from_numpy(rng_for(0, "x").integers(0, 256, (8, 28, 28, 1), dtype=np.uint8))
    with torch.no_grad():
        out: torch.Tensor = net(x)
    return out


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stage1_repeats": 2},
        {"stage2_repeats": 3, "stage3_repeats": 2},
        {"stage2_kernel": 5},
        {"stage1_kernel": 5, "stage1_repeats": 2},
    ],
)
def test_a_child_that_only_grew_answers_as_its_parent(change: dict[str, int]) -> None:
    config = config_of()
    net, parent, copied = handed(config_of(**change), config)
    assert torch.allclose(answers(net), answers(parent), atol=1e-5)
    assert copied >= LEARNER.costs(SPEC, config)["params"]


def test_a_grandchild_may_lose_what_had_grown() -> None:
    net, parent, _ = handed(config_of(), config_of(stage2_repeats=3))
    assert LEARNER.kinship(SPEC, config_of(), config_of(stage2_repeats=3)) > 0.9
    assert answers(net).shape == answers(parent).shape


def test_channels_that_are_new_stay_as_drawn_and_the_others_come_over() -> None:
    narrow, wide = config_of(stage2_width=32), config_of(stage2_width=48)
    net, parent, _ = handed(wide, narrow)
    mine, theirs = (dict(n.named_parameters())["body.2.0.weight"] for n in (net, parent))
    assert torch.equal(mine[:32], theirs)
    torch.manual_seed(2)
    drawn = dict(LEARNER.build(SPEC, wide).named_parameters())["body.2.0.weight"]
    assert torch.equal(mine[32:], drawn[32:])


def test_kinship_is_a_share_and_one_for_oneself() -> None:
    space, rng = LEARNER.space(SPEC, [Limit("params", 100_000)]), rng_for(0, "kin")
    near, far = [], []
    for _ in range(40):
        a, b = space.sample(rng), space.sample(rng)
        assert LEARNER.kinship(SPEC, a, a) == pytest.approx(1.0, abs=0.12)  # BatchNorm is not counted
        near.append(LEARNER.kinship(SPEC, child(space, a, rng), a))
        far.append(LEARNER.kinship(SPEC, a, b))
        handed(a, b)  # whatever two networks share, it can be copied
    assert all(0 <= share <= 1 for share in near + far)
    assert np.median(near) > 2 * np.median(far)


def test_a_trial_with_a_parent_begins_where_that_one_ended(
    digits: Digits, context: Callable[..., Context]
) -> None:
    learner = learner_named("convnet")
    config = learner.default(digits[1], [Limit("params", 6000)])
    first = list(learner.fit(config, context(stop=3, folder="parent", full=3)))
    folder = context(folder="parent").folder
    heir = next(iter(learner.fit(config, context(stop=1, folder="heir", trial=1, seed=1, parent=folder))))
    alone = next(iter(learner.fit(config, context(stop=1, folder="alone", trial=2, seed=1))))
    assert heir.metrics["train_loss"] < alone.metrics["train_loss"] - 0.3
    assert first[-1].metrics["error"] < first[0].metrics["error"]
    gone = context(stop=1, folder="orphan", trial=3, seed=1, parent=folder / "nowhere")
    orphan = next(iter(learner.fit(config, gone)))
    assert orphan.metrics["train_loss"] == alone.metrics["train_loss"]
    assert checkpoint.load(folder / CHECKPOINT)["values"] == config


def test_stages_are_called_as_the_tests_above_call_them() -> None:
    assert STAGES[:3] == ("stage1", "stage2", "stage3")
