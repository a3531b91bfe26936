"""Eight-bit graphs take the bytes of an image as they are, and answer nearly as the network does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from seedleaf.compression.deploy import probabilities, sketch
from seedleaf.compression.pixels import fold
from seedleaf.compression.quantise import write_int8
from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.blocks import Net
from seedleaf.seeds import rng_for

FLOATING = {"Cast", "Mul", "Add", "Sub", "Div"}


class Plain(nn.Module):
    """Not of our own blocks, so that torch writes the graph."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 12, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.two = nn.Conv2d(12, 24, 3, 2, padding=1)
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.two(torch.relu(self.norm(self.one(x)))))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def pictures(channels: int, n: int = 96) -> tuple[np.ndarray, ImageSpec]:
    """Smooth ones, as random dots are alike to a network."""
    rng = rng_for(channels, "pictures")
    coarse = rng.integers(0, 256, (n, 4, 4, channels)).astype(np.float32)
    x = np.kron(coarse, np.ones((1, 4, 4, 1), np.float32)).astype(np.uint8)
    y = np.arange(n) % 4
    return x, load_images((x, y, x[:16], y[:16])).spec


def network(channels: int, shift: list[float], scale: list[float]) -> nn.Module:
    torch.manual_seed(0)
    net = Net(Plain(channels), shift, scale)
    with torch.no_grad():
        net.body.head.weight.mul_(8)  # type: ignore[union-attr]
    return net.eval()


def ops(path: Path) -> list[str]:
    return [n.op_type for n in onnx.load(str(path)).graph.node]


@pytest.mark.parametrize(
    ("channels", "shift", "scale"), [(3, [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]), (1, [72.9], [90.0])]
)
def test_the_scaling_of_pixels_is_in_the_first_layer(
    channels: int, shift: list[float], scale: list[float], tmp_path: Path
) -> None:
    x, spec = pictures(channels)
    net = network(channels, shift, scale)
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    sketch(net, spec, whole)
    assert FLOATING & {*ops(whole)}
    write_int8(whole, small, "static", x)
    assert not FLOATING & {*ops(small)}
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).softmax(1).numpy()
    answered = probabilities(small, x)
    assert wanted.std(0).max() > 0.02  # the pictures tell the classes apart
    assert np.abs(answered - wanted).mean() < 0.015


def test_channels_too_far_apart_keep_their_scaling(tmp_path: Path) -> None:
    x, spec = pictures(3)
    net = network(3, [20.0, 120.0, 220.0], [60.0, 60.0, 60.0])
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    sketch(net, spec, whole)
    before = onnx.load(str(whole))
    after = onnx.load(str(whole))
    assert fold(after) is None
    assert after == before
    write_int8(whole, small, "static", x)
    assert FLOATING & {*ops(small)}
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).softmax(1).numpy()
    assert np.abs(probabilities(small, x) - wanted).mean() < 0.015


@pytest.mark.parametrize(("mode", "layers"), [("static", 3), ("dynamic", 1)])
def test_weights_leave_room_for_the_sums_of_older_processors(mode: str, layers: int, tmp_path: Path) -> None:
    """Without a dot product of bytes, pairs of products are added up in 16 bits: 255 · 127 twice would not fit."""
    x, spec = pictures(3)
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    sketch(network(3, [120.0] * 3, [60.0] * 3), spec, whole)
    write_int8(whole, small, mode, x)
    held = [onnx.numpy_helper.to_array(w) for w in onnx.load(str(small)).graph.initializer]
    kernels = [w for w in held if w.dtype == np.int8 and w.ndim > 1]
    assert len(kernels) == layers
    assert max(int(np.abs(k.astype(int)).max()) for k in kernels) <= 64


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_nothing_but_what_is_read_is_in_the_file(mode: str, tmp_path: Path) -> None:
    """Names of tensors, three for each that was there, were a third of a small network in eight bits."""
    x, spec = pictures(3)
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    sketch(network(3, [120.0] * 3, [60.0] * 3), spec, whole)
    write_int8(whole, small, mode, x)
    model = onnx.load(str(small))
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ["images", "probabilities"]
    assert not model.metadata_props
    assert not model.graph.value_info
    assert max(len(name) for node in model.graph.node for name in (*node.input, node.name)) <= len("images")
