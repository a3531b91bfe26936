"""Distortions of a batch of images on tensors. A config that asks for none pays nothing.

Each takes (N, H, W, C) images in 0..255, uint8 as long as it can stay so, and a generator; none reads global state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from seedleaf.core import Value
from seedleaf.train.regime import under

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Mixed:
    """A batch after augmentation. With `partner` the loss is share · loss(y) + (1 - share) · loss(y[partner])."""

    x: Tensor
    partner: Tensor | None = None
    share: float | Tensor = 1.0


Augment = Callable[[Tensor, Generator], Mixed]


def make_augment(config: Mapping[str, Value]) -> Augment | None:
    """The augmentation of `config`; None where it asks for none."""
    if config["augment"] == "none":
        return None
    options = under(config, "augment")
    chain = [(fn, options) for name, fn in DISTORTIONS.items() if _wanted(options.get(name))]
    alpha, strength = float(options["mixup"]), float(options["strength"])

    def augment(x: Tensor, g: Generator) -> Mixed:
        changed = x
        for distort, o in chain:
            changed = distort(changed, o, g)
        if strength < 1.0 and chain:
            touched = _uniform(x, g, len(x)) < strength
            changed = torch.where(touched[:, None, None, None], changed, x)
        return mixup(changed, alpha, g) if alpha > 0 else Mixed(changed)

    return augment


def _wanted(value: Any) -> bool:
    return value not in (None, False, "off") and (isinstance(value, str) or value > 0)


def _uniform(x: Tensor, g: Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=g, device=x.device)


def flip(x: Tensor, o: Options, g: Generator) -> Tensor:
    """Mirror half of the images left to right."""
    mirrored = _uniform(x, g, len(x)) < 0.5
    return torch.where(mirrored[:, None, None, None], x.flip(2), x)


def shift(x: Tensor, o: Options, g: Generator) -> Tensor:
    """Move each image by up to `shift` of its sides; what comes in is 0."""
    n, h, w, _ = x.shape
    reach = max(1, round(o["shift"] * min(h, w)))
    span = 2 * reach + 1
    by = torch.randint(0, span, (2, n, 1), generator=g, device=x.device)
    padded = torch.nn.functional.pad(x, (0, 0, reach, reach, reach, reach))
    rows = by[0] + torch.arange(h, device=x.device)
    columns = by[1] + torch.arange(w, device=x.device)
    # One flat index is several times faster than three broadcast ones.
    flat = (torch.arange(n, device=x.device)[:, None] * (h + 2 * reach) + rows)[:, :, None] * (w + 2 * reach)
    flat = (flat + columns[:, None, :]).reshape(-1)
    return padded.reshape(-1, x.shape[3]).index_select(0, flat).reshape(x.shape)


def erase(x: Tensor, o: Options, g: Generator) -> Tensor:
    """Blank a rectangle of 2 to 25 % of the area in a share `erase` of the images (Zhong et al. 2020)."""
    n, h, w, _ = x.shape
    draw = _uniform(x, g, 5, n, 1)
    area, aspect = 0.02 + 0.23 * draw[0], torch.exp((2 * draw[1] - 1) * math.log(3.0))
    tall, wide = h * (area * aspect).sqrt(), w * (area / aspect).sqrt()
    top, left = draw[2] * (h - tall), draw[3] * (w - wide)
    rows, columns = torch.arange(h, device=x.device), torch.arange(w, device=x.device)
    in_rows = (rows >= top) & (rows < top + tall)
    in_columns = (columns >= left) & (columns < left + wide)
    hit = in_rows[:, :, None] & in_columns[:, None, :] & (draw[4] < o["erase"])[:, :, None]
    return x.masked_fill(hit[..., None], 0)


def affine(x: Tensor, o: Options, g: Generator) -> Tensor:
    """Turn by up to `rotate` degrees and zoom by up to `zoom`, with kornia; floats come out."""
    # Imported here since it takes seconds and most configs ask for no affine distortion.
    from kornia.geometry.transform import get_rotation_matrix2d, warp_affine

    n, h, w, _ = x.shape
    turn = (2 * _uniform(x, g, n) - 1) * o["affine.rotate"]
    zoom = (1 + (2 * _uniform(x, g, n, 1) - 1) * o["affine.zoom"]).expand(n, 2)
    centre = torch.tensor([(w - 1) / 2, (h - 1) / 2], device=x.device).expand(n, 2)
    matrix = get_rotation_matrix2d(centre, turn, zoom)
    out: Tensor = warp_affine(x.to(torch.float32).permute(0, 3, 1, 2), matrix, (h, w))
    return out.permute(0, 2, 3, 1).contiguous()


DISTORTIONS: Mapping[str, Callable[[Tensor, Options, Generator], Tensor]] = {
    "flip": flip,
    "shift": shift,
    "affine": affine,
    "erase": erase,
}


def mixup(x: Tensor, alpha: float, g: Generator) -> Mixed:
    """Blend each image with another of its batch, share ~ Beta(alpha, alpha) (Zhang et al. 2018)."""
    partner = torch.randperm(len(x), generator=g, device=x.device)
    share = _beta(alpha, g, x.device)
    pixels = x.to(torch.float32)
    return Mixed(pixels * share + pixels[partner] * (1 - share), partner, share)


def _beta(alpha: float, g: Generator, device: torch.device) -> float:
    """One draw from Beta(alpha, alpha) by Jöhnk's method, which needs nothing but a seeded uniform; alpha <= 1."""
    while True:
        u, v = (torch.rand(2, generator=g, device=device).clamp_min(1e-12).log() / alpha).tolist()
        top = max(u, v)
        a, b = math.exp(u - top), math.exp(v - top)
        # In logs the test a^(1/α) + b^(1/α) <= 1 needs no tiny powers.
        if top + math.log(a + b) <= 0:
            return max(a, b) / (a + b)
