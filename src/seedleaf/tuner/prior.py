"""Beliefs: how a prior of the user shifts what samplers draw at random, and how evidence overrides it.

Samplers draw by `draw` (no model yet, or a share kept for exploration) or by `early` (which also trusts a first config
that somebody queued). Models that want the belief as a density weigh it by `share`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, History, Value
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.space.space import Node, Space
from seedleaf.tuner.base import acceptable, best_trial, mutate, ranked
from seedleaf.tuner.evidence import deepest, vectors

ENOUGH = 4  # trials at one step before the prior is judged by them
TOP = 0.25  # the share of them that counts as good
TRUST = 0.75  # before any evidence: how often a config near the prior is taken to be good, and 1 - TRUST elsewhere
WORTH = 2.0  # how many trials that trust is worth
MOST, LATER, HALF = (
    0.9,
    0.5,
    20,
)  # the largest share of the prior: at first, in the end, and after how many trials midway
LEAST = 0.03  # of the prior where it proved wrong: enough to notice were it right elsewhere
LOCAL = 0.6  # of early draws lie near a first config that was given (Mallik et al. 2023)


def draw(
    problem: Problem, history: History, rng: np.random.Generator, point: NDArray[np.float64] | None = None
) -> Config:
    """A random config: the prior's centre first, then from the prior with probability `share`, else uniform.

    `point`, shape (nodes,) in [0, 1], gives the uniform numbers where they are to come from a sequence. The config may
    have been proposed before: pass this to `draw_valid`.
    """
    space = problem.space
    if not space.has_prior:
        return space.sample(rng) if point is None else decode(space, point)
    middle = centre(space)
    if all(t.given for t in history.trials.values()) and acceptable(problem, history, middle):
        return middle
    if rng.random() >= share(problem, history):
        return space.sample(rng) if point is None else decode(space, point)
    return space.sample_prior(rng) if point is None else decode(space, _through_prior(space, point))


def early(problem: Problem, history: History, rng: np.random.Generator, local: float = LOCAL) -> Config:
    """For samplers that have no model yet: near the best so far if the first config was given, else a random one.

    The neighbourhood of a considered config beats the rest of the space, that of a random one does not.
    """
    first = history.trials.get(0)
    if first is None or not first.given or rng.random() >= local:
        return draw(problem, history, rng)
    return mutate(problem.space, (best_trial(problem, history) or first).config, rng)


def centre(space: Space) -> Config:
    """Every parameter at its prior; those without one at their default."""
    default = space.default()

    def pick(node: Node) -> Value:
        if node.param.prior is not None:
            return node.param.prior
        return default[node.key] if node.key in default else node.param.from_unit(0.5)

    return space.walk(pick)


def share(problem: Problem, history: History) -> float:
    """How many of the random draws should follow the prior, in [LEAST, MOST]; 0 without a prior.

    Good trials (the best quarter where enough stand measured) are counted among those that the prior makes likelier
    than chance and among the others. The better of the two gets the draws, by the square of the rates: that lets go
    of a wrong prior within some ten trials. Mallik et al. 2023 (PriorBand) weigh the prior against the incumbent in
    the same spirit. The upper bound sinks as trials accumulate, since a prior says less and less beside them.
    """
    if not problem.space.has_prior:
        return 0.0
    step = deepest(history, ENOUGH)
    rates, n = (TRUST, 1 - TRUST), 0
    if step is not None:
        n = len(history.at(step))
        rates = _rates(problem, history, step)
    near, far = rates[0] ** 2, rates[1] ** 2
    most = LATER + (MOST - LATER) / (1 + n / HALF)
    return float(np.clip(near / (near + far), LEAST, most))


def _rates(problem: Problem, history: History, step: int) -> tuple[float, float]:
    """How often trials were good (likely under the prior, unlikely), with TRUST as WORTH trials of each kind."""
    key = f"rates:{step}"
    count = len(history.trials), len(history.at(step)), history.dropped
    known, rates = history.memo.get(key, (None, None))
    if known == count and rates is not None:
        return rates[0], rates[1]
    order = np.fromiter((trial for _, trial in ranked(problem, history, step)), np.intp)
    near = problem.space.log_prior(vectors(problem.space, history)[order]) > 0
    good = near[: int(np.ceil(TOP * len(order)))]
    rates = (
        (good.sum() + TRUST * WORTH) / (near.sum() + WORTH),
        ((~good).sum() + (1 - TRUST) * WORTH) / ((~near).sum() + WORTH),
    )
    history.memo[key] = count, rates
    return float(rates[0]), float(rates[1])


def _through_prior(space: Space, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Uniform numbers as quantiles of the priors, shape (nodes,): what is spread evenly stays so under the prior."""
    out = point.copy()
    for name, density in space.priors.items():
        out[space.index[name]] = density.draw(float(point[space.index[name]]))
    return out
