"""The shapes of the chains that layers are decomposed into, without their numbers: enough to price and to time them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.compression.factors import Piece
from seedleaf.compression.skeleton import Layer


def chain_of(layer: Layer, pieces: Any) -> list[Layer]:
    """The layers that the pieces make in the place of `layer`."""
    found: list[Layer] = []
    high, wide, passed = layer.height * layer.stride, layer.width * layer.stride, False
    for piece in pieces:
        out, each, kh, kw = piece.weight.shape
        passed = passed or piece.spatial
        size = (layer.height, layer.width) if passed or layer.kind == "linear" else (high, wide)
        stride = layer.stride if piece.spatial else 1
        found.append(
            Layer(layer.name, layer.kind, each * piece.groups, out, (kh, kw), stride, piece.groups, *size)
        )
    return found


def _piece(out: int, each: int, kernel: tuple[int, int], groups: int = 1, spatial: bool = False) -> Piece:
    import torch

    return Piece(torch.empty((out, each, *kernel), device="meta"), groups, spatial)


KINDS_SHAPES: Mapping[str, Any] = {
    "tucker": lambda x, r: [
        _piece(r[1], x.cin, (1, 1)),
        _piece(r[0], r[1], x.kernel, spatial=True),
        _piece(x.cout, r[0], (1, 1)),
    ],
    "cp": lambda x, r: [
        _piece(r[0], x.cin, (1, 1)),
        _piece(r[0], 1, x.kernel, r[0], True),
        _piece(x.cout, r[0], (1, 1)),
    ],
    "svd": lambda x, r: [_piece(r[0], x.cin, (1, 1), spatial=True), _piece(x.cout, r[0], (1, 1))],
}
