"""Costs are counted without building; what is counted is what is built."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import LimitError
from seedleaf.learners.base import LEARNERS, Learner
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.cost import filled
from seedleaf.learners.fold import n_parameters
from seedleaf.learners.netspace import may_mirror
from seedleaf.seeds import rng_for

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 48, 3)]


@pytest.fixture(params=LEARNERS)
def learner(request: pytest.FixtureRequest) -> Learner:
    return LEARNERS[request.param]


def spec_of(height: int, width: int, channels: int, n_classes: int = 10) -> ImageSpec:
    names = tuple(f"class {i}" for i in range(n_classes))
    counts = (500,) * n_classes
    return ImageSpec(
        "made", height, width, channels, n_classes, names, sum(counts), 100, counts, (), "0" * 32
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_costs_equal_those_of_the_built_network(learner: Learner, shape: tuple[int, int, int]) -> None:
    spec = spec_of(*shape)
    space, rng = learner.space(spec, [Limit("params", 200_000)]), rng_for(0, "cost", *shape)
    for _ in range(50):
        config = space.sample(rng)
        found, model = learner.costs(spec, config), learner.build(spec, config).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, *shape, dtype=torch.uint8))
        assert found["params"] == n_parameters(model)
        assert 2 * found["macs"] == counter.get_total_flops()


@pytest.mark.parametrize("shape", SHAPES)
def test_costs_take_well_under_a_millisecond(learner: Learner, shape: tuple[int, int, int]) -> None:
    spec = spec_of(*shape)
    space, rng = learner.space(spec), rng_for(0, "speed")
    configs = [space.sample(rng) for _ in range(200)]
    begun = time.process_time()
    for config in configs:
        learner.costs(spec, config)
    assert (time.process_time() - begun) / len(configs) < 1e-3


@pytest.mark.parametrize("at_most", [20_000, 100_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_decent_share_of_random_configs_keeps_the_limit(
    learner: Learner, shape: tuple[int, int, int], at_most: int
) -> None:
    spec, limits = spec_of(*shape), [Limit("params", at_most)]
    space, rng = learner.space(spec, limits), rng_for(0, "share")
    kept = sum(learner.costs(spec, space.sample(rng))["params"] <= at_most for _ in range(400))
    assert kept / 400 > 0.1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "limits",
    [
        (),
        (Limit("params", 3_000),),
        (Limit("params", 20_000),),
        (Limit("macs", 2e6), Limit("params", 1e5)),
        (Limit("bytes", 50_000),),
    ],
)
def test_the_default_lies_in_the_space_and_keeps_the_limits(
    learner: Learner, shape: tuple[int, int, int], limits: tuple[Limit, ...]
) -> None:
    spec = spec_of(*shape)
    config = learner.default(spec, limits)
    assert learner.space(spec, limits).contains(config)
    found = learner.costs(spec, config)
    assert all(found[limit.metric] <= limit.at_most for limit in limits)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_in_the_space_is_smaller_than_the_smallest(
    learner: Learner, shape: tuple[int, int, int]
) -> None:
    spec, tight = spec_of(*shape), [Limit("params", 2_000)]
    config = learner.smallest(spec)
    least, rng = learner.costs(spec, config), rng_for(0, "least")
    for limits in ([], tight):
        space = learner.space(spec, limits)
        assert space.contains(config)
        for _ in range(300):
            found = learner.costs(spec, space.sample(rng))
            assert least["params"] <= found["params"]
            assert least["macs"] <= found["macs"]


def test_an_impossible_limit_says_what_could_be_had(learner: Learner) -> None:
    with pytest.raises(LimitError, match=r"params <= 10 \(the smallest network has \d"):
        learner.default(spec_of(28, 28, 1), [Limit("params", 10)])


def test_where_the_classes_take_the_parameters_the_message_says_so() -> None:
    spec = spec_of(32, 32, 3, n_classes=1000)
    with pytest.raises(LimitError, match=r"the answers alone take 9,000 parameters"):
        ConvNet().default(spec, [Limit("params", 8_000)])
    with pytest.raises(LimitError) as caught:
        ConvNet().default(spec_of(32, 32, 3), [Limit("params", 10)])
    assert "answers" not in str(caught.value)
    with pytest.raises(LimitError) as caught:
        ConvNet().default(spec, [Limit("macs", 1_000)])
    assert "answers" not in str(caught.value)


def test_written_signs_are_never_mirrored(learner: Learner) -> None:
    spec = spec_of(28, 28, 1)
    keys = {
        name: {n.key for n in learner.space(replace(spec, name=name)).nodes}
        for name in ("mnist", "fashion_mnist", "cats")
    }
    assert "augment.flip" not in keys["mnist"]
    assert "augment.flip" in keys["fashion_mnist"] & keys["cats"]


@pytest.mark.parametrize(
    ("name", "classes", "mirrors"),
    [
        ("photos", ("cat", "dog"), True),
        ("designs", ("copyright", "other"), True),  # words in words
        ("traffic-signs", ("stop", "yield"), False),
        ("plates", ("a", "b"), False),
        ("arrows", ("turn left", "turn right"), False),
        ("hands", ("left_hand", "other"), False),
        ("my_digits", ("0", "1"), False),
        ("HandwrittenDigits", ("0", "1"), False),
        ("handwrittendigits", ("0", "1"), False),
        ("images", ("digit_0", "digit_1"), False),
        ("TrafficSigns", ("stop", "yield"), False),
        ("arrows", ("TurnLeft", "TurnRight"), False),
        ("simpsons-characters", ("bart", "lisa"), True),
        ("roadsigns", ("stop", "yield"), False),
        ("NumberPlates", ("a", "b"), False),
        ("sea", ("right whale", "humpback", "orca"), True),
        ("ways", ("keep_left", "keep_right", "stop", "yield", "go"), False),
        ("cifar100", ("bowl", "bottle", "can", "cup", "plate"), True),
        ("caltech", ("stop_sign", "airplane", "piano"), True),
        ("fashion_mnist", ("0", "1"), True),
    ],
)
def test_what_a_mirror_would_turn_into_another_class_is_not_mirrored(
    name: str, classes: tuple[str, ...], mirrors: bool
) -> None:
    spec = replace(spec_of(28, 28, 3), name=name, class_names=classes)
    assert may_mirror(spec) == mirrors


def test_work_counts_whole_registers() -> None:
    assert [filled(n) for n in (1, 3, 4, 8, 9, 16, 17, 44, 48)] == [1, 3, 8, 8, 16, 16, 32, 48, 48]
    learner = ConvNet()
    spec = spec_of(32, 32, 3)
    base = learner.default(spec, [Limit("params", 50_000)], 2.0)

    def of(*widths: int) -> float:
        return learner.work(spec, {**base, **{f"stage{i}.width": w for i, w in enumerate(widths, 1)}})

    assert of(12, 28, 44) == pytest.approx(of(16, 32, 48), rel=1e-3)  # but for the head
    assert of(8, 28, 44) < of(12, 28, 44) < of(20, 28, 44)
    wide = {**base, "stage1.width": 16, "stage2.width": 32, "stage3.width": 48, "stem_width": 16}
    assert learner.work(spec, wide) == learner.costs(spec, wide)["macs"], "nothing is filled up"


def test_a_narrower_network_differs_in_its_widths_alone() -> None:
    """Also where an earlier version chose what this one's space does not hold."""
    learner, spec = ConvNet(), spec_of(64, 64, 3)
    config = {**learner.default(spec, [Limit("params", 50_000)]), "stem_stride": 1}
    assert not learner.space(spec).contains(config)
    narrow = learner.narrowed(spec, config, 0.5)
    differing = {k for k in config if config[k] != narrow[k]}
    assert list(narrow) == list(config)
    assert differing
    assert all(k.endswith("width") and narrow[k] < config[k] for k in differing)
    small = learner.default(spec_of(28, 28, 1), [Limit("params", 6_000)])
    wide = {**small, "stage1.width": 24}
    found = learner.narrowed(spec_of(28, 28, 1), wide, 0.5)["stage1.width"]
    assert found == 12, "by the step of its own module, not by that of another one"


def test_the_driver_side_imports_no_torch() -> None:
    modules = "seedleaf.learners.base, seedleaf.learners.cost, seedleaf.train.regime"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
