"""What must hold for every space: tried on a thousand random trees."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import expected_keys, trees

from seedleaf.core import config_key
from seedleaf.errors import SpaceError
from seedleaf.space import Float, Space
from seedleaf.space.encode import decode, encode

THOUSAND = settings(
    max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@THOUSAND
@given(space=trees(), seed=st.integers(0, 2**32))
def test_a_random_tree_keeps_its_word(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = space.sample(rng)
    assert set(config) == expected_keys(space, config), "exactly the active parameters"
    assert space.check(config) == config
    json.loads(config_key(config))

    vector = encode(space, config)
    active = {node.id for node in space.active(config)}
    assert np.isnan(vector).tolist() == [node.id not in active for node in space.nodes]
    assert np.nanmin(vector) >= 0
    assert np.nanmax(vector) <= 1
    again = decode(space, vector)
    assert same_place(space, config, again)

    near = space.neighbour(config, rng)
    assert space.contains(near)
    if any(node.param.n_values != 1 for node in space.active(config)):
        assert config_key(near) != config_key(config)
    else:
        assert near == config

    default = space.default()
    assert space.contains(default)
    assert space.complete({}) == default
    assert space.complete(config) == config


def same_place(space: Space, a: dict, b: dict) -> bool:
    """Equal, up to rounding where a number is real."""
    if set(a) != set(b):
        return False
    for node in space.active(a):
        x, y = a[node.key], b[node.key]
        if isinstance(node.param, Float):
            if not math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12 * (node.param.high - node.param.low)):
                return False
        elif config_key({"": x}) != config_key({"": y}):
            return False
    return True


@THOUSAND
@given(space=trees())
def test_json_gives_the_same_space_back(space: Space) -> None:
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.fingerprint() == space.fingerprint()
    assert [n.id for n in again.nodes] == [n.id for n in space.nodes]
    a, b = (s.sample(np.random.default_rng(0)) for s in (space, again))
    assert config_key(a) == config_key(b)


@settings(THOUSAND, max_examples=300)
@given(space=trees(depth=2))
def test_size_counts_what_enumerate_lists(space: Space) -> None:
    if space.size is None:
        with pytest.raises(SpaceError, match="infinite"):
            next(space.enumerate())
        return
    if space.size <= 3000:
        listed = [config_key(c) for c in space.enumerate()]
        assert len(listed) == len(set(listed)) == space.size
        assert config_key(space.sample(np.random.default_rng(1))) in listed


@settings(THOUSAND, max_examples=200)
@given(space=trees(), seed=st.integers(0, 2**32))
def test_a_config_with_a_fault_is_refused_by_name(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    key = sorted(config)[seed % len(config)]
    assert not space.contains({k: v for k, v in config.items() if k != key})
    with pytest.raises(SpaceError) as wrong_value:
        space.check({**config, key: "no such value"})
    assert key in str(wrong_value.value)
    with pytest.raises(SpaceError, match="stranger"):
        space.check({**config, "stranger": 1})
    with pytest.raises(SpaceError, match="stranger"):
        space.complete({"stranger": 1})
