"""What a search begins with where there is time for more than the lightest default."""

from __future__ import annotations

import pytest

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.base import learner_named

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
    plain = LEARNER.costs(spec, LEARNER.default(spec, limits))
    sizes = []
    for room in (1.0, 2.0, 5.0, 30.0):
        config = LEARNER.default(spec, limits, room)
        assert LEARNER.space(spec, limits).contains(config)
        found = LEARNER.costs(spec, config)
        assert found["params"] <= params
        assert found["macs"] <= room * plain["macs"]
        sizes.append(found["params"] * found["macs"])
    assert sizes == sorted(sizes)
    assert sizes[0] == plain["params"] * plain["macs"]


def test_with_all_the_room_it_fills_half_of_a_large_limit() -> None:
    spec, limits = spec_of(28, 28, 1), [Limit("params", 500_000)]
    assert LEARNER.costs(spec, LEARNER.default(spec, limits))["params"] < 60_000
    assert LEARNER.costs(spec, LEARNER.default(spec, limits, 100.0))["params"] > 250_000
