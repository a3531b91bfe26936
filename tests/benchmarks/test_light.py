"""The comparisons of light networks measure what they say: cells, proxies, known networks within a size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from light.cells import cell_network, signature
from light.firsts import network
from light.known import KNOWN, Fixed
from light.latency import power_law
from light.nb201 import Chosen
from light.proxies import PROXIES
from light.search import show
from seedleaf import Choice, Space
from seedleaf.core import Limit
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.cost import costs
from seedleaf.seeds import rng_for
from seedleaf.stopwatch import made
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler

CONV, POINT, POOL, SKIP, NONE = "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "none"
RICH = (CONV, POINT, SKIP, CONV, POOL, CONV)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(8, 3, 16, 16), torch.arange(8) % 10


def test_a_cell_is_what_the_table_says() -> None:
    x, _ = batch()
    assert cell_network(RICH)(x).shape == (8, 10)
    convs = [m for m in cell_network(RICH).modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 1 + 2 * 3 + 3 * 4  # stem, reductions, cells
    cut = cell_network((NONE,) * 6).eval()
    assert torch.equal(cut(x)[0], cut(x)[1]), "nothing of the image comes through"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((CONV, NONE, NONE, NONE, NONE, NONE), (NONE,) * 6, True),  # a way that leads nowhere
        ((CONV, NONE, SKIP, NONE, NONE, SKIP), (NONE, CONV, NONE, NONE, NONE, SKIP), True),
        ((CONV, NONE, SKIP, NONE, NONE, SKIP), (POINT, NONE, SKIP, NONE, NONE, SKIP), False),
        ((SKIP, CONV, NONE, NONE, CONV, NONE), (SKIP, NONE, NONE, CONV, NONE, NONE), True),
    ],
)
def test_equal_networks_have_one_signature(one: tuple[str, ...], other: tuple[str, ...], same: bool) -> None:
    assert (signature(one) == signature(other)) is same
    if same:  # and they do compute the same
        x, _ = batch()
        torch.manual_seed(1)
        a = cell_network(one).eval()
        torch.manual_seed(1)
        b = cell_network(other).eval()
        with torch.no_grad():
            shapes = [[p.shape for p in net.parameters()] for net in (a, b)]
            if shapes[0] == shapes[1]:
                torch.testing.assert_close(a(x), b(x))


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_tells_networks_apart_and_is_repeatable(name: str) -> None:
    x, y = batch()

    def told(ops: tuple[str, ...]) -> float:
        torch.manual_seed(5)
        return PROXIES[name](cell_network(ops), x, y)

    rich, poor = told(RICH), told((SKIP,) * 6)
    assert math.isfinite(rich)
    assert rich == told(RICH)
    assert rich != poor


def test_naswot_sees_what_separates_images() -> None:
    x, y = batch()
    twins = torch.cat([x[:4], x[:4]])
    torch.manual_seed(5)
    net = cell_network(RICH)
    assert PROXIES["naswot"](net, twins, y) < PROXIES["naswot"](net, x, y)


def test_the_best_scored_of_several_children_is_proposed() -> None:
    study = Study(Space(x=Choice(*range(50), ordered=True)), sampler="random")
    assert study.ask() is not None  # evolution opens a study with the default
    sampler = Chosen(EvolutionSampler(), lambda config: -abs(float(config["x"]) - 25), 20)
    found = [sampler.propose(study.problem, study.history, rng_for(k, "chosen"))["x"] for k in range(5)]
    assert all(abs(int(x) - 25) < 12 for x in found)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_network_fills_the_limit(name: str) -> None:
    for shape in ((28, 28, 1), (32, 32, 3)):
        spec = made(*shape)
        for size in (20_000, 200_000):
            learner = Fixed(KNOWN[name])
            config = learner.default(spec, [Limit("params", size)])
            assert 0.6 * size < learner.costs(spec, config)["params"] <= size
            out = learner.build(spec, config).eval()(torch.zeros(1, *shape, dtype=torch.uint8))
            assert out.shape == (1, 10)


def test_a_power_law_is_found() -> None:
    learner, spec = ConvNet(), made(28, 28, 1)
    space, rng = learner.space(spec), rng_for(0, "law")
    plans = [learner.plan(spec, space.sample(rng)) for _ in range(20)]
    times = np.array([3.0 * costs(p)["macs"] ** 0.7 for p in plans])
    law = power_law(plans, times, "macs")
    assert law(plans[3]) == pytest.approx(times[3])


def test_the_table_shows_the_middle_of_the_seeds() -> None:
    row = {"data": "fashion", "time": "90s", "rows": 4000, "workers": 1, "size": "20k", "method": "seedleaf",
           "params": 1000, "macs": 5000, "latency_ms": 0.5, "trials": 7, "front": [[500, 4000, 0.6]]}  # fmt: skip
    ours = [{**row, "seed": s, "accuracy": a} for s, a in enumerate((0.8, 0.9, 0.7))]
    lines = list(show(ours))
    assert "| 20k | seedleaf | 3 | 0.8000 (0.7000 to 0.9000) | 1,000 | 5,000 | 0.500 | 7 |  |" in lines
    for params, macs, said in (
        (2000, 5000, "+0.1000 to +0.3000"),
        (999, 5000, "+0.0000"),
        (2000, 3999, "no point in 3 of 3"),
    ):
        other = {"method": "resnet", "accuracy": 0.6, "params": params, "macs": macs}
        told = next(line for line in show([*ours, *({**r, **other} for r in ours)]) if "| resnet |" in line)
        assert told.endswith(f"| {said} |")


@pytest.mark.parametrize("fine", [False, True])
def test_each_depth_is_as_wide_as_the_limit_allows(fine: bool) -> None:
    spec = made(32, 32, 3)
    for blocks in (1, 2, 3):
        config = network(spec, 100_000, blocks, fine)
        assert (config["stage1.repeats"], config["stem_stride"]) == (blocks, 1 if fine else 2)
        assert 85_000 < ConvNet().costs(spec, config)["params"] <= 100_000
    with pytest.raises(SystemExit, match="no network of 3 blocks a stage has at most 1,000 parameters"):
        network(spec, 1_000, 3, fine)
