"""Moves of many configs at once stay in the tree, and move something."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from graphs import random_graph
from problems import SPACE
from trees import random_tree

from seedleaf.space import Choice, Float, Int, Space
from seedleaf.space.encode import decode, encode
from seedleaf.tuner.moves import Moves


@pytest.mark.parametrize("made", [lambda r: random_tree(r, 3), random_graph])
@pytest.mark.parametrize("tree", range(40))
def test_rows_are_configs_of_the_space(tree: int, made: Callable[[random.Random], Space]) -> None:
    space = made(random.Random(tree))
    moves, rng = Moves.of(space), np.random.default_rng(tree)
    rows = moves.random(12, rng)
    for moved in (rows, moves.mutated(rows, rng), moves.crossed(rows, rng)):
        for row in moved:
            config = decode(space, row)
            if space.allowed(config):
                space.check(config)
            again = encode(space, config)
            assert (np.isnan(again) == np.isnan(row)).all(), (
                "active where the config has it, and nowhere else"
            )
            assert np.nanmax(np.abs(again - row), initial=0.0) < 1 / 64


def test_a_mutation_moves_few_parameters_and_nearly_always_one() -> None:
    space = Space(a=Float(0, 1), b=Choice("x", "y", "z"), c=Int(1, 5), d=Choice(1, 2, 4, ordered=True), e=3)
    moves, rng = Moves.of(space), np.random.default_rng(0)
    rows = moves.random(2000, rng)
    differ = np.abs(moves.mutated(rows, rng) - rows) > 1e-9
    assert (differ.any(axis=1)).mean() > 0.8
    assert 1 <= differ.sum(axis=1).mean() < 1.8
    assert not differ[:, 4].any()
    options = moves.mutated(rows, rng, stay=1e-9)[:, 1]
    assert (options != rows[:, 1]).all(), "a choice that moves takes another option"


def test_a_changed_choice_brings_its_branch_along() -> None:
    moves, rng = Moves.of(SPACE), np.random.default_rng(1)
    rows = moves.random(500, rng)
    made = moves.mutated(rows, rng)
    i = SPACE.index["optimizer"]
    changed = made[:, i] != rows[:, i]
    assert changed.any()
    j = SPACE.index["optimizer[sgd].momentum"]
    assert (np.isnan(made[changed, j]) != np.isnan(rows[changed, j])).all()


def test_a_cross_has_values_of_its_parents_only() -> None:
    space = Space(a=Float(0, 1), b=Float(0, 1), c=Choice("x", "y"))
    moves, rng = Moves.of(space), np.random.default_rng(2)
    rows = moves.random(6, rng)
    made = moves.crossed(rows, rng)
    assert all(set(made[:, k]) <= set(rows[:, k]) for k in range(3))
