"""Limits on tables: what stands in for a file that breaks one, and what is said where nothing keeps it."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

import seedleaf
from messy import messy
from seedleaf.core import Fidelity, Trial
from seedleaf.errors import LimitError
from seedleaf.modality.table_choice import candidates, search_until, winner_of
from seedleaf.modality.table_limits import beyond, limits_told
from seedleaf.modality.table_parts import Models, smaller, together
from seedleaf.space import Choice, Space
from seedleaf.study import Study


def studied(rows: list[tuple[float, float, float]], limits: dict[str, float]) -> Study:
    """Trials of (loss, bytes, milliseconds), each judged on both folds."""
    study = Study(
        Space(learner=Choice("boosting", "mlp"), x=Choice(*range(50))),
        minimize="logloss",
        fidelity=Fidelity("fold", 1, 2, eta=2),
        limits=limits,
        scheduler="racing",
        sampler="random",
    )
    for i, (loss, size, took) in enumerate(rows):
        study.enqueue({"learner": "boosting", "x": i}, budget=2)
        task = study.ask()
        assert task is not None
        study.tell(task, [{"logloss": loss, "bytes": size, "latency_ms": took}] * 2)
    return study


def test_who_breaks_a_limit_is_neither_winner_nor_member() -> None:
    study = studied([(0.1, 9e4, 0.1), (0.3, 1e4, 0.1), (0.2, 1e4, 5.0), (0.4, 2e4, 0.2)], {"bytes": 5e4})
    winner = winner_of(study)
    assert winner is not None
    assert [t.id for t in candidates(study, winner)] == [2, 1, 3]
    quick = studied([(0.1, 9e4, 0.1), (0.3, 1e4, 0.1), (0.2, 1e4, 5.0)], {"bytes": 5e4, "latency_ms": 1.0})
    best = winner_of(quick)
    assert best is not None
    assert best.id == 1
    assert not beyond(studied([], {"bytes": 1.0}))


def test_where_all_break_it_the_message_says_what_was_reached() -> None:
    import time

    study = studied([(0.1, 9e4, 0.1), (0.3, 6e4, 0.2)], {"bytes": 5e4, "latency_ms": 0.15})
    assert winner_of(study) is None
    said = beyond(study)
    assert "bytes <= 50,000 and latency_ms <= 0.15" in said
    assert "the least bytes was 60,000 (trial 1, boosting)" in said
    assert search_until(study, time.time() - 1.0)(study.history) == "time", "more time is not taken for it"
    told = limits_told(study, {"bytes": 7, "latency_ms": {"median": 0.1, "p90": 0.2}})
    assert told == {
        "limits": {"bytes": {"at_most": 5e4, "has": 7}, "latency_ms": {"at_most": 0.15, "has": 0.1}}
    }


def test_smaller_files_in_their_order() -> None:
    def models(i: int, weight: float) -> Models:
        folds = [Path(f"{i}-fold{j}") for j in range(2)]
        trial: Any = Trial(i, {"learner": "boosting"}, None)
        return Models(trial, weight, [Path(f"{i}-whole")], folds, folds)

    made = [models(0, 0.3), models(1, 0.7)]
    rich = together(made, 1.5)
    assert [p.name for p in rich.places] == ["0-whole", "0-fold0", "0-fold1", "1-whole", "1-fold0", "1-fold1"]
    assert rich.weights == pytest.approx([0.15, 0.075, 0.075, 0.35, 0.175, 0.175])
    other: Any = Trial(7, {"learner": "linear"}, None)
    found = smaller(made, [(made[0].trial, Path("0-fold0")), (other, Path("7-fold0"))], 1.5)
    names = [[p.name for p in x.places] for x in found]
    assert names == [
        ["1-whole", "1-fold0", "1-fold1", "0-whole"],
        ["1-whole", "0-whole"],
        ["0-whole"],
        ["1-whole"],
        ["0-fold0"],
        ["7-fold0"],
    ]
    assert all(sum(x.weights) == pytest.approx(1) for x in found)
    assert [x.power for x in found] == [1.5, 1.5, 1.0, 1.0, 1.0, 1.0]
    assert found[1].members[0][1] == pytest.approx(0.7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("limits") / "data.csv"
    columns = {k: v for k, v in messy("binary", 250).items() if k in ("a", "b", "colour", "y")}
    with place.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return place


def test_what_is_delivered_keeps_the_limits_and_says_so(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = seedleaf.fit(
        data, time_limit="18s", folds=2, workers=1, max_bytes="12k", max_latency="50ms", out=out
    )
    size = (out / "best" / "model.onnx").stat().st_size
    assert size <= 12_000
    assert result.best.metrics["limits"]["bytes"] == {"at_most": 12_000.0, "has": size}
    assert result.best.metrics["limits"]["latency_ms"]["has"] <= 50
    assert "at most 12,000 asked for" in (out / "best" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"of 12\W?k allowed", (out / "report.html").read_text(encoding="utf-8"))
    trials = result.trials
    measured = trials[trials["step"] > 0]
    assert (measured["bytes"] > 0).all()


def test_a_limit_below_what_reading_takes_is_an_error_at_once(data: Path, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="reading the cells of this table alone takes"):
        seedleaf.fit(data, time_limit="60s", folds=2, workers=1, max_bytes=500, out=tmp_path / "run")
