"""The first sentence of the page: the figure that was asked for, or the share that is right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seedleaf.report.headline import title


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("f1", "<em>0.3</em> f1 of &lt;fraud&gt; on rows it never saw."),
        ("auc", "<em>0.82</em> auc on rows it never saw."),
        ("logloss", "<em>94.2 %</em> right on rows it never saw."),
    ],
)
def test_the_title_goes_by_what_was_asked_for(metric: str, said: str) -> None:
    tested = {"f1": 0.3, "auc": 0.82, "logloss": 0.17, "accuracy": 0.942}
    notes = {
        "final": {"metric": metric, "test": tested},
        "data": {"spec": {"kind": "table", "positive": "<fraud>"}},
    }
    facts: Any = SimpleNamespace(note=lambda name: notes.get(name, {}), winner=None, rows=[])
    assert title(facts) == said
