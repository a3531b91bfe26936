"""Named random streams."""

from __future__ import annotations

import pytest

from seedleaf.seeds import rng_for, seed_for


def test_a_stream_depends_on_its_name_alone() -> None:
    first = rng_for(0, "propose", 12).random(3).tolist()
    rng_for(0, "propose", 11).random(1000)
    assert rng_for(0, "propose", 12).random(3).tolist() == first
    assert first == pytest.approx([0.1624064605, 0.1276721486, 0.5722979329]), "the same on every machine"


def test_other_names_are_other_streams() -> None:
    names = [
        (0, "a"),
        (1, "a"),
        (0, "b"),
        (0, "a", 1),
        (0, "a", "1"),
        (0, "a1"),
        (0, "a", 1, 1),
        (0, "a", 11),
        (10, "a"),
    ]
    assert len({seed_for(*n) for n in names}) == len(names)  # type: ignore[arg-type]
    assert all(0 <= seed_for(*n) < 2**63 for n in names)  # type: ignore[arg-type]
