"""timm, when it is installed: its networks by name, what they cost, and published weights that are read, never run."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.errors import SpaceError, TrialError, first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "model.safetensors"
PATIENCE = 4.0  # seconds that a hub has to answer before it counts as out of reach
# What torchvision's Python declares on top of its compiled part; that part loads only beside the torch it was built with.
COMPILED = ("nms", "qnms")


@functools.lru_cache(maxsize=1)
def library() -> Any:
    """timm. SpaceError where it is not installed.

    It needs torchvision, but none of torchvision's compiled operators: where those were built for another torch, as
    happens beside a torch without CUDA, they are declared, so that the import goes through.
    """
    try:
        return _imported()
    except ImportError as error:
        raise SpaceError(
            f"backbones by name need the extra vision ({first_line(error)}): pip install 'seedleaf[vision]'"
        ) from None


def _imported() -> Any:
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise ImportError(f"torchvision does not fit the torch beside it: {first_line(error)}") from None
        for name in COMPILED:
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
            )
    import timm

    return timm


def check_name(name: str) -> None:
    """SpaceError, with names that are near, where timm has no network of that name."""
    known = library().list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
        raise SpaceError(
            f"timm {library().__version__} has no network called {name!r}; "
            + (f"near are: {', '.join(near)}" if near else "timm.list_models() lists all")
        )


def network(
    name: str, size: tuple[int, int], channels: int, n_classes: int, dropout: float = 0.0
) -> nn.Module:
    """The untrained network of that name for float images (N, channels, *size) -> logits (N, n_classes)."""
    timm = library()
    fixed = bool(getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False))
    more: dict[str, Any] = {"img_size": size} if fixed else {}
    made: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=n_classes, in_chans=channels, drop_rate=dropout, **more
    )
    return made


@functools.lru_cache(maxsize=4096)
def counted(name: str, size: tuple[int, int], channels: int, n_classes: int) -> Mapping[str, int]:
    """`params`, `macs` of convolutions and matrix products for one image, and `held`, the numbers that a file of it holds:
    of a network without memory, so that nothing is drawn or multiplied. SpaceError where it cannot take such images."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.device("meta"):
            net = network(name, size, channels, n_classes).eval()
            image = torch.empty(1, channels, *size)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net(image)
    except Exception as error:  # each family says in its own way that images are too small for it
        raise SpaceError(f"{name} cannot take images of {size[0]}×{size[1]}: {first_line(error)}") from None
    params = sum(p.numel() for p in net.parameters())
    held = params + sum(b.numel() for b in net.buffers())
    return {"params": params, "macs": counter.get_total_flops() // 2, "held": held}


def mean_and_std(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of the images that the published weights were trained on, per channel, in 0..255."""
    body = library().get_pretrained_cfg(name)
    return tuple(255 * m for m in body.mean), tuple(255 * s for s in body.std)


# --- published weights ---


def published(name: str) -> Path | None:
    """The file of the published weights of `name`, fetched once and then kept by huggingface_hub; None out of reach.

    Only safetensors are asked for: that format holds numbers and nothing that could be run.
    """
    found = getattr(library().get_pretrained_cfg(name), "hf_hub_id", None)
    if not found:
        return None
    try:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(found, WEIGHTS, local_files_only=True))
        except Exception:  # not kept yet
            return Path(hf_hub_download(found, WEIGHTS, etag_timeout=PATIENCE))
    except Exception:  # no hub, no network, no such file: each has an exception of its own
        return None


def load_weights(net: nn.Module, name: str, path: Path) -> None:
    """Put the weights of `path` into `net`, all but those of its head. TrialError where they do not belong to it.

    The first convolution takes its weights summed over colours where images are grey.
    """
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except Exception as error:  # OSError, SafetensorError
        raise TrialError(f"{path}: these weights cannot be read ({first_line(error)})") from None
    config = library().get_pretrained_cfg(name)
    heads = config.classifier if isinstance(config.classifier, (tuple, list)) else (config.classifier,)
    mine = net.state_dict()
    for key in [k for k in state if k.startswith(tuple(f"{head}." for head in heads if head))]:
        del state[key]
    firsts = config.first_conv if isinstance(config.first_conv, (tuple, list)) else (config.first_conv,)
    for key in (f"{first}.weight" for first in firsts if first):
        if key in state and key in mine and state[key].shape != mine[key].shape:
            state[key] = _for_channels(state[key], mine[key].shape[1])
    try:
        missing, strange = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise TrialError(f"{path}: these weights are of another network: {first_line(error)}") from None
    missing = [k for k in missing if not k.startswith(tuple(f"{head}." for head in heads if head))]
    if missing or strange:
        raise TrialError(f"{path}: these weights are not those of {name}: {[*missing, *strange][:3]}")


def _for_channels(weight: Tensor, channels: int) -> Tensor:
    """A first kernel (out, 3, k, k) for images of another number of channels: grey shows the same to each of the three."""
    total = weight.sum(1, keepdim=True)
    return total.expand(-1, channels, -1, -1) / channels if channels > 1 else total
