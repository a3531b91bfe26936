"""Modules as people write them: which are taken as they are, which are refused with the line to change, their controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import seedleaf
from seedleaf.compressing.card import kept_by_control
from seedleaf.compressing.model_source import take_module
from seedleaf.compression.restart import untrained
from seedleaf.compression.suitable import check_answers, check_foreign, check_traceable
from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import DataError, RunError
from seedleaf.learners.blocks import Net
from seedleaf.learners.trial import prepare_process


@pytest.fixture(scope="module")
def spec() -> ImageSpec:
    prepare_process()
    return load_images("digits").spec  # 8×8×1, ten classes


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 10)

    def scores(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.conv(x)).mean((2, 3)))
        return out

    def forward(self, x: Tensor) -> Any:
        return self.scores(x)


def placed(module: nn.Module) -> Net:
    return Net(module.eval(), [0.0], [255.0], plain=True).eval()


# --- memory layout ---


class LeNet(nn.Module):
    """Views what its convolutions give, which no channels_last tensor allows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(channels, 6, 5), nn.Linear(6 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.conv(x)).view(-1, 6 * 16))
        return out


@pytest.mark.parametrize("channels", [1, 3])
def test_a_module_gets_tensors_in_the_plain_layout(channels: int, tmp_path: Path) -> None:
    prepare_process()
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, channels), dtype=np.uint8)
    data = load_images((x, np.arange(60) % 10))
    net = LeNet(channels).eval()
    setup = take_module(net).place(tmp_path, data, (None, None))
    from seedleaf.compression.original import open_original

    opened = open_original(setup).net
    some = torch.from_numpy(x[:4])
    opened.train()(some).sum().backward()
    with torch.no_grad():
        alone = torch.empty((4, channels, 8, 8)).copy_(some.permute(0, 3, 1, 2)) / 255
        torch.testing.assert_close(opened.eval()(some), net(alone))


def test_our_own_networks_keep_their_fast_layout() -> None:
    seen: list[bool] = []

    class Looking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return x

    Net(Looking(), [0.0] * 3, [255.0] * 3)(torch.zeros((2, 8, 8, 3), dtype=torch.uint8))
    assert seen == [True]


# --- what is followed, and what is not ---


class ByShape(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4 and x.shape[2] > 4:
            x = x * 2
        return self.scores(x)


class InPlace(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        x[:, :, 0] = 0
        return self.scores(x)


class Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class OwnFunction(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(Through.apply(x - 0.5))


class Attending(nn.Module):
    """In eval mode torch runs such a layer as one operator of its own, which ONNX does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 2, 2)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(self.patch(x).flatten(2).transpose(1, 2)).mean(1))
        return out


@pytest.mark.parametrize("kind", [ByShape, InPlace, OwnFunction, Attending])
def test_what_can_be_followed_is(kind: type[nn.Module], spec: ImageSpec, tmp_path: Path) -> None:
    net = placed(kind())
    check_foreign(net, spec)
    check_traceable(net, spec, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["delivered.onnx"]


class ByValue(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 0.3:
            x = x * 2
        return self.scores(x)


class Numbers(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x * float(x.max()))


class Numpy(Plain):
    def forward(self, x: Tensor) -> Tensor:
        found = np.maximum(self.conv(x).detach().numpy(), 0)
        out: Tensor = self.head(torch.from_numpy(found).mean((2, 3)))
        return out


class FixedBatch(Plain):
    def forward(self, x: Tensor) -> Tensor:
        n = int(x.shape[0])
        out: Tensor = self.head(self.conv(x).reshape(n, 8, -1).mean(2))
        return out


class Unknown(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x + torch.linalg.qr(x)[0])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            ByValue,
            r"depends on the values .* in ByValue \(.*test_somebodys.py:\d+: if x.mean\(\) > 0.3:\); .*where",
        ),
        (Numbers, r"values leave torch in Numbers \(.*test_somebodys.py:\d+: return .*torch's operators"),
        (Numpy, r"values leave torch in Numpy \(.*test_somebodys.py:\d+: found = .*torch's operators"),
        (FixedBatch, r"one number of images, noted in FixedBatch \(.*:\d+: n = int\(.*x.shape\[0\] as it is"),
        (Unknown, r"ONNX has no operator for aten.linalg_qr"),
    ],
)
def test_what_cannot_be_followed_is_named_in_one_line(
    kind: type[nn.Module], said: str, spec: ImageSpec, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net = placed(kind())
    check_foreign(net, spec)
    with pytest.raises(RunError, match=f"cannot be traced to one graph.*{said}") as caught:
        check_traceable(net, spec, tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 500
    assert caught.value.__cause__ is None, "pages of the exporter's would come before it"
    out, err = capfd.readouterr()
    assert out + err == "", "exporters print whole graphs"


class Random(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(F.dropout(x))


class Listed(Plain):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.scores(x)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Random, "answers otherwise .* training=self.training"), (Listed, "answers list .* must give logits")],
)
def test_answers_that_cannot_be_used(kind: type[nn.Module], said: str, spec: ImageSpec) -> None:
    with pytest.raises(RunError, match=said):
        check_foreign(placed(kind()), spec)


class Logarithms(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).log_softmax(1)


class Probable(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).softmax(1)


class Unnumbered(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x) / 0.0


class Masked(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).masked_fill(torch.arange(10) == 3, -torch.inf)


class Kept(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf] * 5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.scores(x) + self.mask
        return out


def test_probabilities_are_told_from_logits(spec: ImageSpec) -> None:
    """Delivered graphs apply a softmax; of probabilities it makes next to the same number for each class."""
    for kind in (Probable, lambda: nn.Sequential(Plain(), nn.Softmax(1))):
        with pytest.raises(RunError, match="gives probabilities: give it without its last Softmax"):
            check_answers(placed(kind()), spec)
    check_answers(placed(Logarithms()), spec)  # a softmax of these gives the probabilities themselves


def test_what_is_no_number_is_told_with_the_weights_that_are_none(spec: ImageSpec) -> None:
    broken = Plain()
    with torch.no_grad():
        broken.head.weight[3, 2] = torch.nan
    with pytest.raises(RunError, match=r"^the model answers NaN: its head.weight holds NaN$"):
        check_answers(placed(broken), spec)
    with pytest.raises(
        RunError, match=r"^the model answers infinity for random pixels, though its weights are"
    ):
        check_answers(placed(Unnumbered()), spec)
    for kind in (Masked, Kept):
        with pytest.raises(RunError, match=r"^the model answers a logit of -inf: mask with -1e4 instead$"):
            check_answers(placed(kind()), spec)


@pytest.mark.parametrize("kind", [Probable, Unnumbered, Masked])
def test_what_earlier_versions_took_is_asked_of_a_new_compression_alone(
    kind: type[nn.Module], tmp_path: Path
) -> None:
    """Their recipes are still replayed."""
    data, taken, scaling = load_images("digits"), take_module(kind()), (None, None)
    assert taken.subject(data, scaling).skeleton.layers
    with pytest.raises(RunError, match=r"^the model (gives probabilities|answers)"):
        taken.place(tmp_path, data, scaling)


@pytest.mark.parametrize("flat", [(), (nn.Flatten(0),)], ids=["(N, 1)", "(N,)"])
def test_one_logit_for_two_classes_says_to_give_two(flat: tuple[nn.Module, ...], spec: ImageSpec) -> None:
    two = replace(spec, n_classes=2, class_names=("cat", "dog"))
    with pytest.raises(RunError, match="one logit for two classes: give two logits"):
        check_foreign(placed(nn.Sequential(Plain(), nn.Linear(10, 1), *flat)), two)
    with pytest.raises(DataError, match="answers 1 classes but digits has 10"):
        check_foreign(placed(nn.Sequential(Plain(), nn.Linear(10, 1))), spec)


# --- what torch makes of modules ---


def test_what_torch_jit_has_compiled_is_refused_and_what_lazy_layers_have_not_seen() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))  # type: ignore[no-untyped-call]
    unseen = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10))
    for module in (scripted, nn.Sequential(scripted)):
        with pytest.raises(RunError, match=r"compiled by torch.jit, .* give the nn.Module itself"):
            seedleaf.compress(module, speedup=2)
    with pytest.raises(RunError, match=r"lazy layers .* run it once on images"):
        seedleaf.compress(unseen, speedup=2)
    unseen(torch.zeros(2, 1, 8, 8))
    with pytest.raises(RunError, match="give the data"):
        seedleaf.compress(unseen, speedup=2)


def test_what_torch_compile_was_given_is_taken(spec: ImageSpec) -> None:
    plain = Plain()
    outer, inner = torch.compile(plain), nn.Sequential(torch.compile(plain), nn.Identity())
    for module in (outer, inner):
        taken = take_module(module).module
        assert not [part for part in taken.modules() if type(part).__name__ == "OptimizedModule"]
        x = torch.rand(2, 1, 8, 8)
        assert torch.equal(taken(x), plain(x))
        assert taken is not plain
        check_foreign(placed(taken), spec)
    assert type(inner[0]).__name__ == "OptimizedModule", "the module that was given is not touched"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_another_precision_say_what_to_give(dtype: torch.dtype, spec: ImageSpec) -> None:
    """Of the data's shape, which would not help, nothing is said."""
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(RunError, match=rf"weights are {kind}; .* give module.float\(\)$"):
        check_foreign(placed(Plain().to(dtype)), spec)
    check_foreign(placed(Plain().to(dtype).float()), spec)


# --- the control ---


class Wanting(nn.Module):
    """Its reset wants to be told something, so nobody can call it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 6))

    def reset_parameters(self, scale: float) -> None:
        self.table.data.normal_(std=scale)


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)
        self.norm = nn.BatchNorm1d(8)
        self.place = nn.Parameter(torch.randn(1, 5, 8))
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.filters = nn.Parameter(torch.randn(3, 3), requires_grad=False)
        self.inner = Wanting()
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(8, 10))


def test_a_control_is_from_scratch_or_says_what_is_not() -> None:
    torch.manual_seed(0)
    net = placed(Mixed())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))
        assert net.body.norm.running_mean is not None
        net.body.norm.running_mean.fill_(3.0)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    fresh, kept = untrained(net)
    after = dict(fresh.named_parameters())
    assert all(bool(p.isfinite().all()) for p in after.values())
    same = {n for n, p in after.items() if torch.equal(p, before[n])}
    gains = next(n for n in before if n.endswith("original0"))  # the lengths of weight_norm
    assert same == set(kept) == {"body.scale", "body.filters", gains}
    assert torch.equal(after["body.norm.weight"], torch.ones(8))
    assert float(fresh.body.norm.running_mean.abs().max()) == 0.0
    assert float(after["body.attention.out_proj.bias"].detach().abs().max()) == 0.0, (
        "the whole resets after its parts"
    )
    assert float(after["body.place"].detach().abs().max()) <= 1 / 40**0.5
    assert all(torch.equal(p, before[n]) for n, p in net.named_parameters()), "the original is not touched"


def test_a_network_of_plain_layers_keeps_nothing() -> None:
    assert untrained(placed(Plain()))[1] == ()
    assert kept_by_control(()) == ""
    assert "keeps the trained a, b, c and 2 more" in kept_by_control("abcde")
