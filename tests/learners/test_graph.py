"""The graph that is written module by module answers as the network that torch runs, and as the one that torch traces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.export import traced
from seedleaf.learners import graph
from seedleaf.learners.base import LEARNERS
from seedleaf.learners.blocks import ACTIVATIONS, Net
from seedleaf.predicting.images import session_of
from seedleaf.seeds import rng_for


def spec_of(height: int, width: int, channels: int) -> ImageSpec:
    names = tuple("abcdefg")
    return ImageSpec("made", height, width, channels, 7, names, 700, 70, (100,) * 7, (), "0" * 32)


def lived(net: nn.Module) -> nn.Module:
    """As if trained: no BatchNorm is the identity any more."""
    torch.manual_seed(3)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(-1.5, 1.5)
                module.bias.normal_()
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.3, 2.0)
    return net.eval()


def answers(model: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(session_of(model, "the graph").run(None, {"images": images})[0])


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (33, 20, 3)])
@pytest.mark.parametrize("name", LEARNERS)
def test_written_graphs_answer_as_the_network(name: str, shape: tuple[int, int, int]) -> None:
    spec, learner, rng = spec_of(*shape), LEARNERS[name], rng_for(0, "graph", name, *shape)
    space = learner.space(spec, [Limit("params", 100_000)])
    images = rng.integers(0, 256, (5, *shape), dtype=np.uint8)
    written = 0
    for _ in range(25):
        net = lived(learner.build(spec, space.sample(rng), [90.0] * shape[2], [60.0] * shape[2]))
        model = graph.write(net, spec)
        if model is None:
            continue
        written += 1
        with torch.inference_mode():
            expected = net(torch.from_numpy(images)).softmax(1).numpy()
        np.testing.assert_allclose(answers(model.SerializeToString(), images), expected, atol=2e-5)
    assert written == 25, "every network of ours is written without tracing"


def test_every_activation_has_a_writer() -> None:
    assert {type(make()) for make in ACTIVATIONS.values()} <= set(graph.WRITERS)


def test_batchnorm_is_folded_away() -> None:
    spec = spec_of(16, 16, 1)
    learner = LEARNERS["convnet"]
    model = graph.write(learner.build(spec, learner.default(spec)).eval(), spec)
    assert model is not None
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    params = sum(int(np.prod(w.dims)) for w in model.graph.initializer)
    assert 4 * params <= learner.costs(spec, learner.default(spec))["bytes"] + 64


def test_what_has_no_writer_is_left_to_tracing() -> None:
    spec = spec_of(8, 8, 1)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 36, 7))
    net = Net(body, [0.0], [255.0]).eval()
    assert graph.write(net, spec) is None
    assert graph.write(body, spec) is None
    images = rng_for(0, "traced").integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    with torch.inference_mode():
        expected = net(torch.from_numpy(images)).softmax(1).numpy()
    found = answers(traced(net, spec).SerializeToString(), images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
