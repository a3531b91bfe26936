"""A portfolio: what did well elsewhere comes first, in its order, then what the sampler beside it proposes."""

from __future__ import annotations

import numpy as np

from seedleaf import Choice, Float, Int, Space, Study
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import FAMILIES, LADDER, PORTFOLIO, ladder, portfolio, space_of
from seedleaf.tuner.portfolio import PortfolioSampler
from seedleaf.tuner.random import RandomSampler


def test_listed_configs_come_first_and_only_once() -> None:
    space = Space(x=Float(0, 1, default=0.5), y=Int(1, 9, default=3))
    listed = ({"x": 0.1}, {"x": 0.2, "y": 4}, {"x": 0.1})
    study = Study(space, minimize="loss", sampler=PortfolioSampler(listed, RandomSampler()), scheduler="full")
    study.enqueue({"x": 0.2, "y": 4})
    configs = []
    for _ in range(4):
        task = study.ask()
        assert task is not None
        configs.append(task.config)
        study.tell(task, [{"loss": task.config["x"]}])
    assert configs[:2] == [{"x": 0.2, "y": 4}, {"x": 0.1, "y": 3}], "what was queued is not proposed again"
    assert all(c not in configs[:2] for c in configs[2:])


def test_what_a_table_does_not_have_is_left_out() -> None:
    full = space_of(Kind(n_rows=5_000, n_numbers=4, n_categories=2, n_texts=0, n_classes=3))
    assert len(portfolio(full)) == len(PORTFOLIO)
    assert all(c not in ladder(full).values() for c in portfolio(full))
    bare = space_of(Kind(n_rows=5_000, n_numbers=0, n_categories=4, n_texts=0, n_classes=2))
    kept = portfolio(bare)
    assert 0 < len(kept) < len(PORTFOLIO)
    assert all(bare.contains(c) for c in kept)
    assert set(ladder(bare)) == set(LADDER) & set(FAMILIES)


def test_it_reads_no_randomness() -> None:
    space = Space(c=Choice("a", "b", "c"))
    sampler = PortfolioSampler(({"c": "b"},), RandomSampler())
    study = Study(space, minimize="loss", sampler=sampler, scheduler="full")
    draws = [
        sampler.propose(study.problem, study.history, np.random.default_rng(seed))["c"] for seed in range(5)
    ]
    assert draws == ["b"] * 5
