"""What a search begins with where there is time for more than the lightest default."""

from __future__ import annotations

import itertools

import pytest

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.base import learner_named
from seedleaf.learners.ladder import worth
from seedleaf.learners.netspace import stem_strides

LEARNER = learner_named("convnet")


def spec_of(height: int, width: int, channels: int) -> ImageSpec:
    names = tuple("abcdefghij")
    return ImageSpec("made", height, width, channels, 10, names, 1000, 100, (100,) * 10, (), "0" * 32)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 48, 3)])
@pytest.mark.parametrize("params", [20_000, 100_000, 500_000])
def test_with_more_room_the_default_is_larger_and_keeps_all_limits(
    shape: tuple[int, int, int], params: int
) -> None:
    spec, limits = spec_of(*shape), [Limit("params", params)]
    plain = LEARNER.work(spec, LEARNER.default(spec, limits))
    worths = []
    for room in (1.0, 2.0, 5.0, 30.0):
        config = LEARNER.default(spec, limits, room)
        assert LEARNER.space(spec, limits).contains(config)
        found = LEARNER.costs(spec, config)
        assert found["params"] <= params
        assert LEARNER.work(spec, config) <= room * plain
        worths.append(worth(found, config))
        fine = config["stem_stride"] < max(stem_strides(spec))
        assert not fine or found["params"] > 0.8 * params, "what is allowed goes into weights before maps"
        assert room > 1 or config == LEARNER.default(spec, limits)
    assert worths == sorted(worths)


@pytest.mark.parametrize(("params", "blocks"), [(20_000, 2), (50_000, 2), (100_000, 3), (200_000, 3)])
def test_where_there_is_time_blocks_go_before_width(params: int, blocks: int) -> None:
    """Three a stage only where those are not narrow."""
    spec, limits = spec_of(32, 32, 3), [Limit("params", params)]
    plain, roomy = (LEARNER.default(spec, limits, room) for room in (1.0, 4.0))
    assert (plain["stage1.repeats"], roomy["stage1.repeats"]) == (1, blocks)
    assert roomy["stage1.width"] < plain["stage1.width"]
    assert LEARNER.costs(spec, roomy)["params"] > 0.9 * params


def test_registers_are_filled_where_that_is_free() -> None:
    """Narrow stages take as long as those that fill the vector registers."""
    spec, limits = spec_of(32, 32, 3), [Limit("params", 100_000)]
    config = LEARNER.default(spec, limits, 1.05)
    assert [config[f"stage{i}.width"] for i in (1, 2, 3)] == [16, 32, 64]
    tight = LEARNER.default(spec, [Limit("params", 50_000)], 1.05)
    assert [tight[f"stage{i}.width"] for i in (1, 2, 3)] == [16, 28, 48], "as far as the limit allows"


@pytest.mark.parametrize("side", [8, 28, 32, 64, 96])
def test_the_first_convolution_sees_every_pixel(side: int) -> None:
    spec = spec_of(side, side, 3)
    for room in (1.0, 5.0):
        config = LEARNER.default(spec, [Limit("params", 100_000)], room)
        assert config["stem_kernel"] >= config["stem_stride"]


def test_what_is_wide_and_low_has_strides_for_its_area() -> None:
    wide, square = spec_of(40, 100, 3), spec_of(64, 64, 3)
    limits = [Limit("params", 100_000)]
    macs = [LEARNER.costs(spec, LEARNER.default(spec, limits))["macs"] for spec in (wide, square)]
    assert 0.5 < macs[0] / macs[1] < 2.1
    assert stem_strides(wide) == stem_strides(square)


def test_with_all_the_room_it_fills_half_of_a_large_limit() -> None:
    spec, limits = spec_of(28, 28, 1), [Limit("params", 500_000)]
    assert LEARNER.costs(spec, LEARNER.default(spec, limits))["params"] < 60_000
    assert LEARNER.costs(spec, LEARNER.default(spec, limits, 100.0))["params"] > 250_000


@pytest.mark.parametrize(
    ("shape", "limits"),
    [
        ((32, 32, 3), {"macs": 200_000}),
        ((32, 32, 3), {"params": 4_000}),
        ((32, 32, 3), {"params": 1_500}),
        ((28, 28, 1), {"params": 1_500}),
        ((28, 28, 1), {"macs": 50_000}),
        ((96, 96, 3), {"params": 3_000}),
        ((96, 96, 3), {"params": 1_500}),
        ((224, 224, 3), {"macs": 1_420_000}),
        ((8, 8, 1), {"params": 3_000}),
        ((32, 32, 3), {"params": 6_000, "macs": 150_000}),
    ],
)
def test_limits_that_leave_room_for_no_plain_network_are_filled_all_the_same(
    shape: tuple[int, int, int], limits: dict[str, float]
) -> None:
    spec, asked = spec_of(*shape), [Limit(k, v) for k, v in limits.items()]
    least = LEARNER.costs(spec, LEARNER.smallest(spec, asked))
    config = LEARNER.default(spec, asked)
    found = LEARNER.costs(spec, config)
    assert LEARNER.space(spec, asked).contains(config)
    assert all(found[k] <= v for k, v in limits.items())
    assert max(found[k] / v for k, v in limits.items()) > 0.8
    assert found["params"] > 2 * least["params"]


@pytest.mark.parametrize(
    ("shape", "metric", "limits"),
    [
        ((32, 32, 3), "macs", (200_000, 290_000, 320_000, 400_000, 500_000, 580_000, 582_000)),
        ((28, 28, 1), "macs", (100_000, 150_000, 175_000, 300_000, 500_000, 600_000)),
        ((96, 96, 3), "macs", (300_000, 640_000, 680_000, 1_000_000, 1_320_000, 1_330_000)),
        ((32, 32, 3), "params", (800, 1_500, 4_000, 5_000, 6_000, 9_000, 11_000, 12_300)),
    ],
)
def test_a_looser_limit_gives_no_far_lesser_network(
    shape: tuple[int, int, int], metric: str, limits: tuple[float, ...]
) -> None:
    """Around where the narrowest plain network begins to fit, and the first that is taken without a look at others."""
    spec, found = spec_of(*shape), []
    for limit in limits:
        config = LEARNER.default(spec, [Limit(metric, limit)])
        found.append(worth(LEARNER.costs(spec, config), config))
        assert config.get("resolution", 1.0) >= 0.5, "smaller pictures were not measured"
    assert all(after > 0.7 * before for before, after in itertools.pairwise(found))


@pytest.mark.parametrize("room", [1.0, 8.0, 50.0])
def test_few_parameters_go_into_separable_convolutions_however_much_time_there_is(room: float) -> None:
    spec, limits = spec_of(32, 32, 3), [Limit("params", 4_000)]
    config = LEARNER.default(spec, limits, room)
    assert {config[f"stage{k}"] for k in (1, 2, 3)} == {"separable"}
    assert (config["stage1.repeats"] > 1) == (room > 1)


def test_limits_that_only_the_smallest_network_keeps_are_kept() -> None:
    spec = spec_of(32, 32, 3)
    least = LEARNER.costs(spec, LEARNER.smallest(spec))
    asked = [Limit("params", least["params"] + 20)]
    assert LEARNER.costs(spec, LEARNER.default(spec, asked))["params"] == least["params"]
