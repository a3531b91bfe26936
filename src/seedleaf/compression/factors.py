"""The mathematics of decomposition: Tucker-2 by eigen-decompositions, CP from its core, truncated SVD.

Weights are (out, in, kh, kw). Each function gives the factors as a chain of convolutions; `product` multiplies them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ALS_ROUNDS = 60
RIDGES = (
    0.0,
    1e-4,
    1e-3,
    1e-2,
)  # of the mean squared norm of the components, tried until the sensitivity is in bounds
SENSITIVITY = 30.0  # most that a CP may amplify an error in its factors, relative to its own squared norm


@dataclass(frozen=True, eq=False)
class Piece:
    """One convolution of a chain: `weight` (out, in / groups, kh, kw); `spatial` where it takes over stride and padding."""

    weight: Tensor
    groups: int = 1
    spatial: bool = False


def basis(weight: Tensor, axis: int, rank: int) -> Tensor:
    """The leading `rank` eigenvectors (n, rank) of the Gram matrix of `weight` unfolded along `axis`."""
    unfolded = weight.movedim(axis, 0).flatten(1).double()
    vectors: Tensor = torch.linalg.eigh(unfolded @ unfolded.T).eigenvectors
    return vectors.flip(1)[:, :rank]


def tucker_parts(weight: Tensor, ranks: tuple[int, int], rounds: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """U (out, r0), core (r0, r1, kh, kw) and V (in, r1) with weight ≈ core ×0 U ×1 V; Kim et al. 2016.

    Each basis comes from an eigen-decomposition of the tensor projected on the other one; a few rounds converge (HOOI).
    """
    w = weight.double()
    v = basis(w, 1, ranks[1])
    u = basis(w, 0, ranks[0])
    for _ in range(rounds):
        u = basis(torch.einsum("oikl,ir->orkl", w, v), 0, ranks[0])
        v = basis(torch.einsum("oikl,or->rikl", w, u), 1, ranks[1])
    return u, torch.einsum("oikl,or,is->rskl", w, u, v), v


def tucker(weight: Tensor, ranks: Sequence[int]) -> list[Piece]:
    """1×1 (in -> r1), k×k (r1 -> r0), 1×1 (r0 -> out); `ranks` = (r0, r1)."""
    u, core, v = tucker_parts(weight, (ranks[0], ranks[1]))
    return [
        Piece(v.T[:, :, None, None].to(weight.dtype)),
        Piece(core.to(weight.dtype), spatial=True),
        Piece(u[:, :, None, None].to(weight.dtype)),
    ]


def svd(weight: Tensor, ranks: Sequence[int]) -> list[Piece]:
    """Two 1×1 (or linear) layers: in -> r, r -> out; `ranks` = (r,). The weight is (out, in, 1, 1)."""
    u, s, vh = torch.linalg.svd(weight.flatten(1).double(), full_matrices=False)
    r, root = ranks[0], s[: ranks[0]].sqrt()
    first, second = root[:, None] * vh[:r], u[:, :r] * root
    # A strided 1×1 convolution takes its stride first: what it would skip need not be computed.
    return [
        Piece(first[:, :, None, None].to(weight.dtype), spatial=True),
        Piece(second[:, :, None, None].to(weight.dtype)),
    ]


def cp(weight: Tensor, ranks: Sequence[int]) -> list[Piece]:
    """1×1 (in -> r), depthwise k×k, 1×1 (r -> out); `ranks` = (r,). From the Tucker core, bounded in sensitivity.

    Degenerate components (huge, cancelling) are CP's known failure (Phan et al. 2020). They show as a large sensitivity; the
    fit is then repeated with a ridge until it is within bounds.
    """
    r = ranks[0]
    out, cin, kh, kw = weight.shape
    u, core, v = tucker_parts(weight, (min(r, out, cin * kh * kw), min(r, cin, out * kh * kw)))
    target = core.flatten(2)
    for ridge in RIDGES:
        a, b, s = _als(target, r, ridge)
        if sensitivity(a, b, s) <= SENSITIVITY * float(target.pow(2).sum()):
            break
    a, b = u @ a, v @ b
    return [
        Piece(b.T[:, :, None, None].to(weight.dtype)),
        Piece(s.T.reshape(r, 1, kh, kw).to(weight.dtype), groups=r, spatial=True),
        Piece(a[:, :, None, None].to(weight.dtype)),
    ]


def _als(target: Tensor, r: int, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """target (p, q, k) ≈ Σ_r a_r ∘ b_r ∘ s_r by alternating least squares, components balanced after every round."""
    g = torch.Generator().manual_seed(0)
    p, q, k = target.shape
    a, b, s = (torch.randn(n, r, generator=g, dtype=target.dtype) for n in (p, q, k))
    scale = target.pow(2).sum().clamp_min(1e-30) ** (1 / 3)
    a, b, s = (x / x.norm() * scale.sqrt() for x in (a, b, s))
    for _ in range(ALS_ROUNDS):
        a = _solve(torch.einsum("pqk,qr,kr->pr", target, b, s), (b.T @ b) * (s.T @ s), ridge)
        b = _solve(torch.einsum("pqk,pr,kr->qr", target, a, s), (a.T @ a) * (s.T @ s), ridge)
        s = _solve(torch.einsum("pqk,pr,qr->kr", target, a, b), (a.T @ a) * (b.T @ b), ridge)
        norms = torch.stack([x.norm(dim=0).clamp_min(1e-12) for x in (a, b, s)])
        even = norms.prod(0) ** (1 / 3)
        a, b, s = (x * (even / n) for x, n in zip((a, b, s), norms, strict=True))
    return a, b, s


def _solve(right: Tensor, gram: Tensor, ridge: float) -> Tensor:
    eps = ridge * float(gram.diagonal().mean()) + 1e-10 * float(gram.diagonal().max()) + 1e-30
    eye = torch.eye(len(gram), dtype=gram.dtype)
    solved: Tensor = torch.linalg.solve(gram + eps * eye, right.T)
    return solved.T


def sensitivity(a: Tensor, b: Tensor, s: Tensor) -> float:
    """Expected squared error of the tensor for unit noise in the factors, per squared unit (Phan et al. 2020)."""
    na, nb, ns = (x.pow(2).sum(0) for x in (a, b, s))
    return float((nb * ns + na * ns + na * nb).sum())


def product(pieces: Sequence[Piece]) -> Tensor:
    """The weight (out, in, kh, kw) that a chain amounts to."""
    total = pieces[0].weight.double()
    for piece in pieces[1:]:
        w = piece.weight.double()
        if piece.groups > 1 and piece.groups == w.shape[0]:  # depthwise
            total = torch.einsum(
                "rikl,rmn->rimn" if total.shape[2:] == (1, 1) else "rikl,rmn->rikl", total, w[:, 0]
            )
        elif total.shape[2:] == (1, 1):
            total = torch.einsum("oimn,ij->ojmn", w, total[:, :, 0, 0])
        else:
            total = torch.einsum("oi,ijkl->ojkl", w[:, :, 0, 0], total)
    return total.to(pieces[0].weight.dtype)


Decomposition = Callable[[Tensor, Sequence[int]], list[Piece]]
KINDS: Mapping[str, Decomposition] = {"tucker": tucker, "cp": cp, "svd": svd}
