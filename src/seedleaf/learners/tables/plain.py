"""On tiny data the simple model wins ties: what leads by less than chance is not worth being complex.

"One standard error" (Breiman et al. 1984, CART), for the difference of two models row by row. With many rows a small lead is
no chance, and a model that is a little better is what was asked for: there the rule does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FEW = 500  # training rows up to which there are ties
NOISE = 1.0  # standard errors of the lead that are a tie


def tie(
    y: Array,
    losses: Callable[[Array, Array], Array],
    answers: Sequence[Array],
    weights: Sequence[float],
    mixed: Array,
    plainness: Sequence[int],
    keeps: Callable[[Sequence[int]], bool],
) -> tuple[int, float, float] | None:
    """The plainest of `answers` over which `mixed`, their mean under `weights`, leads by less than chance: its place, the
    lead and its standard error, in what `losses` says of each row. None on more than FEW rows, and without a tie.

    One model is plainer than several that are no more complex; of models alike in `plainness` it is the one with least loss.
    """
    if len(y) > FEW:
        return None
    members = np.flatnonzero(weights)
    now = max(plainness[int(i)] for i in members), len(members)
    ours = losses(y, mixed)
    found = []
    for i, answer in enumerate(answers):
        lead = losses(y, answer) - ours
        mean, se = float(lead.mean()), float(lead.std() / np.sqrt(len(lead)))
        if (plainness[i], 1) < now and mean <= NOISE * se and keeps([i]):
            found.append((plainness[i], mean, i, se))
    if not found:
        return None
    _, mean, i, se = min(found)
    return i, mean, se
