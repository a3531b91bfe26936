"""How long a run has searched, over all its sessions, also those that were killed in it."""

from __future__ import annotations

import pytest

from seedleaf.folder import searched_seconds
from seedleaf.space import Float, Space
from seedleaf.study import Study

BEGUN, KILLED, AGAIN = ("session", 0.0), ("session", 40.0), ("search", 17.0)


@pytest.mark.parametrize(
    ("notes", "seconds"),
    [
        ([], 0.0),
        ([BEGUN, AGAIN], 17.0),
        ([BEGUN, KILLED, AGAIN], 57.0),  # the first was killed in its search
        ([BEGUN, AGAIN, KILLED, AGAIN], 34.0),  # the first had come to its end
        ([AGAIN], 17.0),  # a log of before there were sessions
    ],
)
def test_a_search_that_was_killed_counts(notes: list[tuple[str, float]], seconds: float) -> None:
    study = Study(Space(x=Float(0, 1)))
    for name, value in notes:
        study.note(name, **({"used": value} if name == "session" else {"seconds": value}))
    assert searched_seconds(study.history) == seconds
