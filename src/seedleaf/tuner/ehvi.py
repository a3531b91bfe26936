"""How much hypervolume a point would add, in expectation, when its objectives are independent Gaussians. To minimise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from seedleaf.tuner.pareto import pareto_front

Array = NDArray[np.float64]
DIRECTIONS = 64  # in which the volume is measured where there are more than two objectives
DRAWS = 16  # per candidate, the same for all


def expected_gain(
    mean: Array, sd: Array, known: Array, reference: Array, shift: Array | None = None
) -> Array:
    """The expected gain in hypervolume of each candidate, shape (n,).

    `mean` and `sd` of shape (n, m), `known` points (k, m), `reference` (m,). With `shift`, shape (m,), it is the logarithm
    of objective + shift that is Gaussian. Exact with one and two objectives; with more an estimate on fixed directions
    and fixed draws, so that the gains of one call can be compared.
    """
    inside = known[(known < reference).all(axis=1)]
    front = inside[pareto_front(inside)]
    sd = np.maximum(sd, 1e-9)
    m = len(reference)
    if m > 2:
        return _estimate(mean, sd, front, reference, shift)
    if m == 1:  # plain expected improvement
        return _below(np.min([reference, *front], axis=0), mean, sd, shift)[:, 0]
    # Strip by strip between the front's points (Emmerich, Yang et al. 2016): what a point adds within a strip is the
    # product of how far it lies left of the strip's right edge and how far below the front there: two independent things.
    front = front[np.argsort(front[:, 0], kind="stable")]
    edges, ceilings = np.append(front[:, 0], reference[0]), np.append(reference[1], front[:, 1])
    one, two = (None, None) if shift is None else (shift[:1], shift[1:])
    wide = _below(edges, mean[:, :1], sd[:, :1], one)
    wide[:, 1:] -= wide[:, :-1].copy()
    return np.asarray((wide * _below(ceilings, mean[:, 1:], sd[:, 1:], two)).sum(axis=1))


def _below(bound: Array, mean: Array, sd: Array, shift: Array | None) -> Array:
    """E[max(bound - Y, 0)], Y normal, or with a shift log-normal less the shift (a put's price: Black & Scholes 1973)."""
    if shift is None:
        z = (bound - mean) / sd
        return np.asarray((bound - mean) * ndtr(z) + sd * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
    room = np.maximum(bound + shift, 1e-12)
    z = (np.log(room) - mean) / sd
    return np.asarray(np.maximum(room * ndtr(z) - np.exp(mean + sd * sd / 2) * ndtr(z - sd), 0.0))


def _estimate(mean: Array, sd: Array, front: Array, reference: Array, shift: Array | None) -> Array:
    """The volume is the mean over directions of (distance from the reference to the attained surface) ^ m, up to a constant
    (Deng & Zhang 2019; Zhang & Golovin 2020, Random Hypervolume Scalarizations).
    """
    m = len(reference)
    sphere = np.abs(ndtri(np.clip(qmc.Sobol(m, seed=0).random(DIRECTIONS), 1e-6, 1 - 1e-6)))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    noise = ndtri(np.clip(qmc.Sobol(m, seed=1).random(DRAWS), 1e-6, 1 - 1e-6))
    attained = _reach(reference - front, sphere).max(axis=0, initial=0.0) ** m
    gain: Array = np.zeros(len(mean))
    for z in noise:
        drawn = mean + sd * z
        reached = _reach(reference - (drawn if shift is None else np.exp(drawn) - shift), sphere) ** m
        gain += np.maximum(reached - attained, 0.0).mean(axis=1)
    return np.asarray(gain / DRAWS)


def _reach(slack: Array, sphere: Array) -> Array:
    """How far each of (n, m) points reaches along each direction, shape (n, directions)."""
    return np.asarray(np.maximum((slack[:, None] / np.maximum(sphere[None], 1e-9)).min(axis=2), 0.0))
