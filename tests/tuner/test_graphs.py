"""Every sampler on spaces with conditions beyond the tree and forbidden clauses: what it proposes lies in them."""

from __future__ import annotations

import random

import pytest
from graphs import consistent, forbidden, random_graph
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.study import Study
from seedleaf.tuner.registry import SAMPLERS


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(graph=st.integers(0, 2**32), seed=st.integers(0, 2**32))
def test_proposals_lie_in_the_graph(sampler: str, graph: int, seed: int) -> None:
    space = random_graph(random.Random(graph))
    try:
        space.default()
    except SpaceError:
        reject()
    study = Study(space, minimize="error", sampler=sampler, seed=seed)
    for _ in range(20):
        task = study.ask()
        if task is None:
            assert study.history.finished
            assert space.size == len(study.trials)
            break
        assert consistent(space, task.config)
        assert not forbidden(space, task.config)
        assert space.check(task.config) == task.config
        study.tell(task, [{"error": float(sum(map(ord, config_key(task.config))) % 97)}])
