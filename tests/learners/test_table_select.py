"""Selection of features by stability: what is chosen again and again stays, noise does not, two columns always do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import seedleaf.learners.tables.select as select_module
from seedleaf.data.tables import load_table
from seedleaf.learners.tables.block import Layout
from seedleaf.learners.tables.features import fit_features
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.select import select


def noisy(n: int = 300, width: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three columns of sixteen that say something about y."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    return x, x[:, 3] + x[:, 7] - x[:, 11] + 0.5 * rng.normal(size=n)


@pytest.mark.parametrize("n_classes", [0, 2])
def test_what_says_something_is_chosen_and_noise_is_not(n_classes: int) -> None:
    x, y = noisy()
    goal = (y > 0).astype(int) if n_classes else y
    chosen = select(x, goal, n_classes, "stability", 6, np.random.default_rng(0), 0.9)
    assert {3, 7, 11} <= set(chosen)
    assert len(chosen) < 6, "of the six that each half keeps three change from half to half"
    more = select(x, goal, n_classes, "stability", 12, np.random.default_rng(0), 0.5)
    assert set(chosen) <= set(more)
    assert select(x, goal, n_classes, "stability", 6, np.random.default_rng(0), 0.9) == chosen


def test_two_columns_stay_whatever_is_asked() -> None:
    x = np.random.default_rng(0).normal(size=(80, 8))
    noise = np.random.default_rng(1).normal(size=80)
    assert len(select(x, noise, 0, "stability", 1, np.random.default_rng(0), 1.0)) == 2


def test_a_half_with_one_class_breaks_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(60, 6))
    y = np.zeros(60, int)
    y[0] = 1
    assert len(select(x, y, 2, "stability", 3, np.random.default_rng(0), 0.5)) >= 2


def test_it_is_a_choice_of_the_space_and_reaches_the_features() -> None:
    space = space_of(Kind(300, 16, 0, 0, 0))
    config = space.complete({"learner": "linear", "learner.select": "stability"})
    assert {"learner.select.keep", "learner.select.often"} <= set(config)
    x, y = noisy()
    data = load_table(pd.DataFrame(x).add_prefix("x").assign(y=y), target="y")
    block = Layout.of(data.schema).block(data.train)
    own = {k.removeprefix("learner."): v for k, v in config.items()} | {
        "select.keep": 0.3,
        "select.often": 0.9,
    }
    found, matrix = fit_features(block, data.y_train, 0, own, np.random.default_rng(0))
    assert found.chosen is not None
    assert {3, 7, 11} <= set(found.chosen)
    assert matrix.shape[1] == found.width < 6


@pytest.mark.parametrize("n_classes", [0, 2])
@pytest.mark.parametrize("gone", [0.0, 0.02])
def test_of_many_columns_few_are_estimated_and_those_that_tell_are_found(
    n_classes: int, gone: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them tells by how far it is from the middle; cells may be missing."""
    monkeypatch.setattr(select_module, "MOST_ESTIMATED", 200)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2_000))
    said = 2 * x[:, 17] + x[:, 1_500] ** 2 + 0.3 * rng.normal(size=500)
    y = (said > np.median(said)).astype(int) if n_classes else said
    x[rng.random(x.shape) < gone] = np.nan
    goal = np.eye(2)[y] if n_classes else y[:, None]
    first = np.argsort(-select_module._promise(x, goal - goal.mean(0)))[:200]
    assert {17, 1_500} <= set(first.tolist())
    if not (gone and n_classes == 0):  # what is filled in spoils that estimate of a number
        assert {17, 1_500} <= set(select(x, y, n_classes, "information", 8, rng))


def test_what_is_not_estimated_comes_in_the_order_of_what_it_promises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(select_module, "MOST_ESTIMATED", 50)
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    x = rng.normal(size=(400, 300))
    telling = np.arange(150, 250)
    x[:, telling] += 0.6 * y[:, None]
    found = select(x, y, 0, "information", 120, rng)
    assert len(set(found) & set(telling.tolist())) > 85


def test_columns_that_are_empty_or_constant_break_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select_module, "MOST_ESTIMATED", 10)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 30))
    x[:, :8], x[:, 8:16] = np.nan, 3.0
    assert len(select(x, rng.integers(0, 2, 100), 2, "information", 5, rng)) == 5
