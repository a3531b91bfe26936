"""Networks by name: what is said without timm, and with it (`make test-vision`) costs, weights, frozen layers, a run."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import seedleaf
from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import LimitError, SpaceError, TrialError
from seedleaf.learners import timm_source
from seedleaf.learners.base import FAMILIES, learner_named, pinned
from seedleaf.seeds import rng_for

SMALL, OTHER = "mobilenetv3_small_050", "resnet10t"


def spec_of(height: int = 28, width: int = 28, channels: int = 1) -> ImageSpec:
    names = tuple("abcdefghij")
    return ImageSpec("made", height, width, channels, 10, names, 1000, 100, (100,) * 10, (), "0" * 32)


@pytest.fixture
def timm() -> None:
    """Skips where the extra is not installed."""
    if find_spec("timm") is None:
        pytest.skip("the extra vision is not installed: make test-vision")


@pytest.fixture
def no_hub(timm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_source, "published", lambda name: None)


def test_a_learner_that_is_none_is_an_error_that_names_the_others() -> None:
    with pytest.raises(SpaceError, match="convnet, timm:NAME"):
        learner_named("forest")
    with pytest.raises(SpaceError, match="convnet, timm:NAME"):
        learner_named("tim:resnet10t")
    assert pinned("convnet") == "convnet"


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'timm'")

    monkeypatch.setattr(timm_source, "_imported", missing)
    timm_source.library.cache_clear()
    for ask in (learner_named, pinned):
        with pytest.raises(SpaceError, match=r"pip install 'seedleaf\[vision\]'"):
            ask(f"timm:{SMALL}")
    timm_source.library.cache_clear()


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("timm:mobilenetv3_smal_050", "near are: mobilenetv3_small_050"),
        ("timm:", "say which networks"),
        ("timm:resnet10t@disk", "after @ comes scratch, hub or a file"),
    ],
)
def test_a_name_that_is_none_is_told_with_those_near_it(name: str, says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        learner_named(name)


@pytest.mark.usefixtures("no_hub")
def test_a_run_keeps_where_weights_come_from() -> None:
    assert pinned(f"timm:{SMALL},{OTHER}@hub") == f"timm:{SMALL}@scratch,{OTHER}@hub"
    with pytest.raises(SpaceError, match="no such file"):
        pinned(f"timm:{SMALL}@nowhere.safetensors")
    name = f"timm:{SMALL}@scratch,{OTHER}@hub"
    assert pinned(name) == name == learner_named(name).name


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (64, 48, 3)])
def test_costs_equal_those_of_the_built_network(shape: tuple[int, int, int]) -> None:
    spec, rng = spec_of(*shape), rng_for(0, "backbones")
    learner = learner_named(f"timm:{SMALL}@hub,{OTHER}@scratch")
    space = learner.space(spec)
    assert space.contains(learner.default(spec))
    seen = set()
    for _ in range(12):
        config = space.sample(rng)
        seen.add(config["backbone"])
        found, model = learner.costs(spec, config), learner.build(spec, config).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = model(torch.zeros(2, *shape, dtype=torch.uint8))
        assert out.shape == (2, 10)
        assert found["params"] == sum(p.numel() for p in model.parameters())
        assert 2 * 2 * found["macs"] == counter.get_total_flops()
    assert seen == {SMALL, OTHER}


@pytest.mark.usefixtures("timm")
def test_limits_choose_among_the_names_and_the_sizes() -> None:
    spec, learner = spec_of(), learner_named(f"timm:{OTHER}@scratch,{SMALL}@scratch")
    assert learner.default(spec)["backbone"] == OTHER
    tight = learner.default(spec, [Limit("params", 1e6)])
    assert tight["backbone"] == SMALL
    roomy = learner.default(spec, [Limit("params", 1e6)], 3.0)
    assert learner.costs(spec, tight)["macs"] < learner.costs(spec, roomy)["macs"]
    assert learner.costs(spec, roomy)["macs"] <= 3 * learner.costs(spec, tight)["macs"]
    with pytest.raises(LimitError, match=rf"params <= 10 \({SMALL} has \d"):
        learner.default(spec, [Limit("params", 10)])


def weights_of(name: str, folder: Path, channels: int = 3, classes: int = 1000) -> Path:
    """A file of weights as a hub would give: of three colours and another head."""
    from safetensors.torch import save_file

    torch.manual_seed(7)
    net = timm_source.network(name, (64, 64), channels, classes)
    path = folder / f"{name}.safetensors"
    save_file(net.state_dict(), path)
    return path


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("channels", [1, 3])
def test_published_weights_come_in_but_for_the_head(tmp_path: Path, channels: int) -> None:
    from safetensors.torch import load_file

    path = weights_of(SMALL, tmp_path)
    there = load_file(path)
    net = timm_source.network(SMALL, (64, 64), channels, 10)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    timm_source.load_weights(net, SMALL, path)
    for key, now in net.state_dict().items():
        if key.startswith("classifier."):
            assert torch.equal(now, before[key])
        elif key == "conv_stem.weight" and channels == 1:
            assert torch.allclose(now, there[key].sum(1, keepdim=True))
        else:
            assert torch.equal(now, there[key]), key
    grey = torch.rand(1, 1, 64, 64)
    if channels == 1:  # grey answers as the same picture in three colours did, up to the head
        first = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), there["conv_stem.weight"])
        mine = torch.nn.functional.conv2d(grey, net.state_dict()["conv_stem.weight"])
        assert torch.allclose(first, mine, atol=1e-4)


@pytest.mark.usefixtures("timm")
def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    other = weights_of(OTHER, tmp_path)
    net = timm_source.network(SMALL, (64, 64), 3, 10)
    with pytest.raises(TrialError, match=r"another network|not those of"):
        timm_source.load_weights(net, SMALL, other)
    broken = tmp_path / "broken.safetensors"
    torch.save({"weight": torch.zeros(3)}, broken)  # a pickle under another name
    with pytest.raises(TrialError, match="cannot be read"):
        timm_source.load_weights(net, SMALL, broken)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("frozen", [0.0, 0.5, 1.0])
def test_frozen_layers_stay_as_they_are(frozen: float) -> None:
    spec, learner = spec_of(), learner_named(f"timm:{SMALL}@hub")
    config = {**learner.default(spec), "backbone.frozen": frozen, "backbone.side": 32}
    torch.manual_seed(0)
    net = learner.build(spec, config)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    images = torch.from_numpy(rng_for(0, "x").integers(0, 255, (16, 28, 28, 1), dtype=np.uint8))
    torch.nn.functional.cross_entropy(net(images), torch.arange(16) % 10).backward()
    optimizer.step()
    moved = [k for k, v in net.state_dict().items() if not torch.equal(v, before[k])]
    assert "body.backbone.body.classifier.weight" in moved
    first = "body.backbone.body.conv_stem.weight"
    assert (first in moved) == (frozen == 0)
    if frozen == 1:
        assert set(moved) == {
            "body.backbone.body.classifier.weight",
            "body.backbone.body.classifier.bias",
        }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("no_hub")
def test_a_run_with_a_backbone_is_exported_measured_and_compressed(tmp_path: Path) -> None:
    path = weights_of(SMALL, tmp_path)
    rng = rng_for(0, "made")
    y = np.arange(240) % 3
    x = rng.integers(0, 60, (240, 32, 32, 1), dtype=np.uint8) + (80 * y[:, None, None, None]).astype(np.uint8)
    result = seedleaf.fit(
        (x, y),
        time_limit=120,
        workers=1,
        learner=f"timm:{SMALL}@{path}",
        out=tmp_path / "run",
        seed=1,
    )
    assert result.best.metrics["test_accuracy"] > 0.5  # a third by chance
    assert result.best.metrics["params"] > 100_000
    assert json.loads((tmp_path / "run" / "run.json").read_text())["learner"] == f"timm:{SMALL}@{path}"
    smaller = seedleaf.compress(
        tmp_path / "run", (x, y), speedup=1.2, time_limit=100, workers=1, out=tmp_path / "small", max_trials=2
    )
    assert smaller.best.metrics["params"] < result.best.metrics["params"]


def test_each_family_is_one_row() -> None:
    assert list(FAMILIES) == ["timm"]
