"""From which trial a new one takes its weights: the nearest relative among the good ones, told from the log alone.

A child of evolution is its parent but for a move or two, and so are the mutations that other samplers propose: whoever
proposed it, a config finds its relatives by what they share (Real et al. 2017, Large-Scale Evolution of Image Classifiers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedleaf.core import Config, History
from seedleaf.space.problem import Problem
from seedleaf.tuner.evidence import deepest

CLOSE = 0.5  # of the child's weights must be there
GOOD = 0.34  # of the trials at the deepest rung that has some: weights of bad ones may be why they are bad
MOST = 8


Ranking = Callable[[Problem, History, int], Sequence[tuple[float, int]]]


def parent_of(problem: Problem, history: History, config: Config, ranking: Ranking) -> int | None:
    """The trial whose weights `config` begins with; None where weights are not handed down, or nobody is close.

    `ranking` lists (loss, trial) of those that stand measured at a step, best first.
    """
    if problem.kinship is None:
        return None
    step = deepest(history, 1)
    if step is None:
        return None
    order = ranking(problem, history, step)
    good = [trial for _, trial in order[: min(max(round(GOOD * len(order)), 1), MOST)]]
    shares = [problem.kinship(config, history.trials[trial].config) for trial in good]
    best = max(range(len(good)), key=lambda i: (shares[i], -i))
    return good[best] if shares[best] >= CLOSE else None
