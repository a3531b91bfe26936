"""Beliefs: how a prior of the user shifts what samplers draw at random, and how evidence overrides it.

Samplers draw by `draw` (no model yet, or a share kept for exploration) or by `early` (which also trusts a first config
that somebody queued). Models that want the belief as a density weigh it by `share`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, History, Value
from seedleaf.space import Node, Space
from seedleaf.space.encode import decode
from seedleaf.space.problem import Problem
from seedleaf.tuner.base import best_trial, ranked
from seedleaf.tuner.draws import acceptable, mutate
from seedleaf.tuner.evidence import deepest, vectors

ENOUGH = 4  # trials at one step before the prior is judged by them
TRUST = 3.0  # how much more often a draw from the prior is taken to be good than a uniform one, before any evidence
WORTH = 2.0  # how many trials of each kind that trust is worth
MOST, LATER = 0.75, 0.5  # the largest share of the prior, at first and in the end
HALF = 20  # after how many trials it is midway between the two
LEAST = 0.03  # of the prior where it proved wrong: enough to notice were it right elsewhere
ROUNDS = 8  # of the fit of one share: it needs to be right to a tenth only
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
    """For samplers that have no model yet: the default first, then random ones; near the best if the first was given.

    The neighbourhood of a considered config beats the rest of the space, that of a random one does not.
    """
    default = opening(problem, history)
    if default is not None:
        return default
    first = history.trials.get(0)
    if first is None or not first.given or rng.random() >= local:
        return draw(problem, history, rng)
    return mutate(problem.space, (best_trial(problem, history) or first).config, rng)


def opening(problem: Problem, history: History) -> Config | None:
    """What a study opens with that nobody queued a config for: every parameter at its prior, its default or its middle.

    Users who state a default expect it to be tried, and the middle of a space is seldom among its worst configs.
    """
    config = None if history.trials else centre(problem.space)
    return config if config is not None and acceptable(problem, history, config) else None


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

    How often would a draw from the prior be among the best trials, how often a uniform one? The measured trials answer
    both, each counted by the odds that it is of that kind. The draws are shared out by the squares of the two rates: that
    lets go of a wrong prior within some twenty trials. Mallik et al. 2023 (PriorBand) weigh the prior against the
    incumbent in the same spirit. The upper bound sinks as trials accumulate: a prior says less and less beside them.
    """
    if not problem.space.has_prior:
        return 0.0
    step = deepest(history, ENOUGH)
    near, far, n = TRUST, 1.0, 0
    if step is not None:
        n = len(history.at(step))
        near, far = _rates(problem, history, step)
    most = LATER + (MOST - LATER) / (1 + n / HALF)
    return float(np.clip(near**2 / (near**2 + far**2), LEAST, most))


def _rates(problem: Problem, history: History, step: int) -> tuple[float, float]:
    """How often draws (from the prior, uniform) are among the best √n of the n trials at `step`, relative to chance."""
    key = f"rates:{step}"
    count = len(history.at(step)), history.dropped
    known, rates = history.memo.get(key, (None, (1.0, 1.0)))
    if known != count:
        order = np.fromiter((trial for _, trial in ranked(problem, history, step)), np.intp)
        rates = _by_kind(problem.space.log_prior(vectors(problem.space, history)[order]))
        history.memo[key] = count, rates
    return float(rates[0]), float(rates[1])


def _by_kind(log_prior: NDArray[np.float64]) -> tuple[float, float]:
    """`_rates` from the log prior densities of the trials, best first, shape (n,); the trust counts as WORTH trials.

    The trials are taken for draws from a mixture of the two whose share is fitted first (expectation-maximisation), so
    they can be weighed to stand for draws from either. The weights are scaled to sum to each kind's number of trials.
    """
    ratio = np.exp(np.clip(log_prior, -30.0, 30.0))
    mixed = 0.5
    for _ in range(ROUNDS):
        mixed = float(np.clip((mixed * ratio / (mixed * ratio + 1 - mixed)).mean(), 0.05, 0.95))
    n = len(ratio)
    top = int(np.ceil(np.sqrt(n)))
    near, far = ratio / (mixed * ratio + 1 - mixed), 1 / (mixed * ratio + 1 - mixed)
    rates = []
    for weight, trials, trust in ((near, mixed * n, TRUST), (far, (1 - mixed) * n, 1.0)):
        hits = trials * weight[:top].sum() / weight.sum() * n / top
        rates.append(float((hits + WORTH * 2 * trust / (1 + TRUST)) / (trials + WORTH)))
    return rates[0], rates[1]


def _through_prior(space: Space, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Uniform numbers as quantiles of the priors, shape (nodes,): what is spread evenly stays so under the prior."""
    out = point.copy()
    for name, density in space.priors.items():
        out[space.index[name]] = density.draw(float(point[space.index[name]]))
    return out
