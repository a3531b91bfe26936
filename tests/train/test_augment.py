"""Distortions keep shape and range, follow their generator, and are absent where none is asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from seedleaf.space import Space
from seedleaf.train.augment import DISTORTIONS, erase, flip, make_augment, mixup, shift
from seedleaf.train.regime import training_space

OPTIONS: dict[str, Any] = {
    "flip": True,
    "shift": 0.2,
    "erase": 1.0,
    "affine": "on",
    "affine.rotate": 10.0,
    "affine.zoom": 0.1,
}


def images(n: int = 16, channels: int = 3) -> Tensor:
    return torch.randint(1, 256, (n, 12, 10, channels), generator=generator(9), dtype=torch.uint8)


def generator(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_keeps_shape_and_range_and_follows_its_generator(name: str) -> None:
    x = images()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    out = DISTORTIONS[name](x, OPTIONS, generator())
    assert torch.equal(torch.get_rng_state(), before)
    assert out.shape == x.shape
    assert 0 <= float(out.min()) <= float(out.max()) <= 255.001
    assert torch.equal(out, DISTORTIONS[name](x, OPTIONS, generator()))
    assert not torch.equal(out, DISTORTIONS[name](x, OPTIONS, generator(1)))
    assert not torch.equal(out, x)
    assert torch.equal(x, images())


def test_flipped_images_are_mirrors_or_themselves() -> None:
    x = images()
    mirrored = 0
    for before, after in zip(x, flip(x, OPTIONS, generator()), strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(1))
        mirrored += not torch.equal(after, before)
    assert 0 < mirrored < len(x)


def test_shifted_images_are_windows_of_the_padded_image() -> None:
    x = images(channels=1)
    reach = 2
    padded = torch.nn.functional.pad(x, (0, 0, reach, reach, reach, reach))
    for index, out in enumerate(shift(x, OPTIONS, generator())):
        windows = [
            padded[index, i : i + 12, j : j + 10] for i in range(2 * reach + 1) for j in range(2 * reach + 1)
        ]
        assert any(torch.equal(out, window) for window in windows)


def test_erased_images_lose_a_part() -> None:
    gone = (erase(images(), OPTIONS, generator()) == 0).float().mean((1, 2, 3))
    assert 0.02 <= float(gone.mean()) <= 0.25
    assert torch.equal(erase(images(), {"erase": 0.0}, generator()), images())


def test_mixup_blends_with_the_partner() -> None:
    x = images()
    mixed = mixup(x, 0.3, generator())
    assert mixed.partner is not None
    assert 0.5 <= mixed.share <= 1.0
    expected = mixed.share * x.float() + (1 - mixed.share) * x[mixed.partner].float()
    torch.testing.assert_close(mixed.x, expected)


def test_the_share_of_a_blend_is_beta_distributed() -> None:
    g = generator()
    shares = torch.tensor([mixup(images(2), 0.4, g).share for _ in range(2000)])
    reference = torch.distributions.Beta(torch.tensor(0.4), torch.tensor(0.4)).sample((20_000,))
    reference = torch.maximum(reference, 1 - reference)
    assert float(shares.mean()) == pytest.approx(float(reference.mean()), abs=0.015)
    assert float(shares.std()) == pytest.approx(float(reference.std()), abs=0.015)


def test_half_strength_leaves_half_the_images_alone() -> None:
    space = Space(training_space(1000, mirror=False, mirrored=False, shift=0.1))
    config = space.complete({"augment.strength": 0.5, "augment.erase": 0.5, "augment.shift": 0.0})
    augment = make_augment({**config, "augment.erase": 1.0})
    assert augment is not None
    x = images(400)
    alone = (augment(x, generator()).x == x).all(3).all(2).all(1).float().mean()
    assert float(alone) == pytest.approx(0.5, abs=0.1)


def test_none_is_nothing_and_kornia_is_imported_only_when_asked_for() -> None:
    space = Space(training_space(1000, mirror=True, mirrored=True, shift=0.1))
    assert make_augment(space.complete({"augment": "none"})) is None
    code = "import sys, seedleaf.train.loop; assert not any(m.startswith('kornia') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
