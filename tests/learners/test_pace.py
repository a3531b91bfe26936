"""The pace: latency from the plan alone, aware of how ONNX Runtime works, and limits that rest on it."""

from __future__ import annotations

import time

import pytest
from test_cost import SHAPES, spec_of

from seedleaf.core import Limit
from seedleaf.errors import LimitError
from seedleaf.learners.base import LEARNERS
from seedleaf.learners.convnet import SAFE
from seedleaf.learners.ops import Conv, Head, NetPlan, Op, Residual, SqueezeExcite
from seedleaf.learners.pace import Pace, quantities
from seedleaf.seeds import rng_for

LEARNER = LEARNERS["convnet"]
BY_MACS = Pace({"call": 0.01, "first_macs": 1e-3, "dense_macs": 1e-4, "point_macs": 1e-4}, 8, "made")


def plan_of(*ops: Op) -> NetPlan:
    return NetPlan(16, 16, 16, 10, (*ops, Head(16, 10, 0.0)))


def conv(cin: int, cout: int, kernel: int = 3, groups: int = 1, act: str = "relu") -> Conv:
    return Conv(cin, cout, kernel, 1, groups, 16, 16, act)


def test_channels_are_worked_on_in_blocks() -> None:
    narrow, wide = (quantities(plan_of(conv(16, c)), 8) for c in (20, 24))
    assert narrow["dense_macs"] == wide["dense_macs"] == pytest.approx(16 * 24 * 9 * 256 / 1e3)
    assert quantities(plan_of(conv(16, 20)), 16)["dense_macs"] == pytest.approx(884.7 * 4 / 3, rel=1e-3)


@pytest.mark.parametrize(
    ("op", "kind", "reorders"),
    [
        (conv(16, 16), "dense", 1),
        (conv(16, 16, kernel=1), "point", 1),
        (conv(16, 16, groups=16), "depth", 1),
        (conv(12, 12, kernel=5, groups=12), "loose", 0),
        (conv(16, 16, groups=4), "grouped", 0),
        (conv(16, 16, groups=2), "dense", 1),
        (conv(18, 16), "odd", 0),
        (conv(3, 16), "first", 0),
    ],
)
def test_every_way_to_convolve_is_known(op: Conv, kind: str, reorders: int) -> None:
    """The map comes in as the image lies; what cannot be done in blocks leaves it so."""
    found = quantities(NetPlan(16, 16, op.cin, 10, (op,)), 8)
    assert found[kind] == 1
    assert found[f"{kind}_macs"] > 0
    assert found.get("reorder", 0) == reorders


def test_only_some_activations_are_free() -> None:
    free, paid = (quantities(plan_of(conv(16, 16, act=a)), 8) for a in ("relu", "gelu"))
    assert "act" not in free
    assert (paid["act"], paid["act_gelu"]) == (1, pytest.approx(4.096))
    alone = quantities(plan_of(conv(12, 12, groups=12)), 8)
    assert alone["act"] == 1, "nothing is fused into what is not worked on in blocks"


def test_what_is_inside_a_residual_counts() -> None:
    inside = quantities(plan_of(Residual((conv(16, 16), SqueezeExcite(16, 4)), "relu")), 8)
    assert inside["dense"] == inside["gate"] == 1
    assert inside["sum_map"] > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_latency_takes_well_under_a_millisecond(shape: tuple[int, int, int]) -> None:
    spec, learner = spec_of(*shape), LEARNER.paced(BY_MACS)
    space, rng = learner.space(spec), rng_for(0, "pace", *shape)
    configs = [space.sample(rng) for _ in range(150)]
    begun = time.process_time()
    found = [learner.costs(spec, config)["latency_ms"] for config in configs]
    assert (time.process_time() - begun) / len(configs) < 1e-3
    assert all(value >= 0.01 * SAFE for value in found)
    assert "latency_ms" not in LEARNER.costs(spec, configs[0])


def test_a_pace_survives_its_text() -> None:
    assert Pace.from_json(BY_MACS.to_json()) == BY_MACS
    for wrong in (
        {"weights": {"call": -1.0}},
        {"weights": {"call": float("nan")}},
        {"weights": {}},
        {"block": 0},
    ):
        with pytest.raises(ValueError, match="not a pace"):
            Pace.from_json({**BY_MACS.to_json(), **wrong})


def test_the_default_keeps_a_limit_on_latency() -> None:
    spec, learner = spec_of(28, 28, 1), LEARNER.paced(BY_MACS)
    free = learner.costs(spec, learner.default(spec))["latency_ms"]
    limits = [Limit("latency_ms", free / 3)]
    assert learner.costs(spec, learner.default(spec, limits))["latency_ms"] <= free / 3
    assert learner.keeps(spec, learner.smallest(spec, limits), limits)
    with pytest.raises(LimitError, match=r"latency_ms <= 0.0001 \(the smallest network has 0\.0\d+\)"):
        learner.default(spec, [Limit("latency_ms", 1e-4)])


def test_the_smallest_gives_parameters_away_where_a_limit_asks_for_it() -> None:
    """Grouped convolutions save weights and cost time."""
    spec = spec_of(28, 28, 1)
    learner = LEARNER.paced(Pace({"call": 0.01, "grouped": 1.0, "loose": 1.0}, 8, "made"))
    limits = [Limit("latency_ms", 0.5)]
    least, kept = learner.smallest(spec), learner.smallest(spec, limits)
    assert not learner.keeps(spec, least, limits)
    assert learner.keeps(spec, kept, limits)
    assert learner.costs(spec, kept)["params"] > learner.costs(spec, least)["params"]
