"""Losses of curves on a scale on which a Gaussian process can work with them."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from seedleaf.tuner.curve_gp import Rows
from seedleaf.tuner.kernels import Array


def standardised(losses: Array, rows: Rows) -> Array:
    """Losses on a scale on which a normal distribution is not far off, whatever their tails: mean 0, variance 1.

    Half of it is the loss itself, squashed above the median; a quarter is its rank among all (a Gaussian copula), a quarter
    its rank among those of the same step. Ranks alone lose how far apart the good ones are, the losses alone are at
    the mercy of a few that diverged, and both lose what tiny differences in the first steps say of large ones in the end.
    """
    losses = np.clip(
        losses, -1e150, 1e150
    )  # some say "bad" by the largest float there is: their mean is infinite
    centred = losses - np.median(losses)
    z = centred / max(-float(centred.min()), 1e-12)
    squashed = _unit(np.where(z > 0, np.tanh(z), z))
    return _unit(squashed + 0.5 * _unit(_scores(losses)) + 0.5 * _unit(_scores_by_step(losses, rows)))


def _scores(losses: Array) -> Array:
    """Normal scores of the ranks."""
    return np.asarray(ndtri((rankdata(losses) - 0.5) / len(losses)))


def _scores_by_step(losses: Array, rows: Rows) -> Array:
    """Normal scores of the ranks at each step, those of later steps among the few that came so far.

    Who comes far was good before, so the best of them is not the best of all: curves that go on share the scores that
    they had anew among themselves, by their order now.
    """
    scores = np.empty(len(losses))
    latest = np.full(int(rows.at.max()) + 1, np.nan)  # of each trial, its score at its step before
    for step in np.unique(rows.s):
        here = np.flatnonzero(rows.s == step)
        had = latest[rows.at[here]]
        old, new = here[~np.isnan(had)], here[np.isnan(had)]
        if len(old):
            order = np.argsort(losses[old], kind="stable")
            dealt = np.sort(had[~np.isnan(had)])
            scores[old] = np.interp(rankdata(losses[old]), np.arange(1, len(old) + 1), dealt)
            scores[new] = np.interp(losses[new], losses[old][order], dealt)
        else:
            scores[new] = _scores(losses[new])
        latest[rows.at[here]] = scores[here]
    return scores


def _unit(z: Array) -> Array:
    return np.asarray((z - z.mean()) / (float(z.std()) or 1.0))
