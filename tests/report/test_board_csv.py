"""leaderboard.csv: every trial, the failed ones last and with their reasons."""

from __future__ import annotations

import csv
from pathlib import Path

from seedleaf.core import Fidelity
from seedleaf.report import write_board
from seedleaf.space import Float, Space
from seedleaf.study import Study


def test_failed_trials_stand_in_it_with_their_reasons(tmp_path: Path) -> None:
    study = Study(Space(x=Float(0, 1)), minimize="error", seed=0, max_trials=5)
    reasons = {
        1: "out of memory: forest, 9 rows",
        2: "diverged: error is nan\nat step 1",
        4: "out of reach: by pruning: params 900 > 800",
    }
    while (task := study.ask()) is not None:
        if task.trial in reasons:
            study.tell(task, error=reasons[task.trial])
        else:
            study.tell(task, [{"error": 0.5 - task.trial / 10}])
    study.note("baseline", error=0.9, what="always 'a'")
    write_board(study.history, tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["trial"] for r in rows] == ["", "3", "0", "1", "2", "4"]
    assert [r["rank"] for r in rows] == ["", "1", "2", "", "", ""]
    states = ["failed", "failed", "out of reach"]
    assert [(r["state"], r["reason"]) for r in rows[3:]] == list(zip(states, reasons.values(), strict=True))
    assert all(r["x"] for r in rows[1:]), "what was tried stands beside it"


def test_means_over_fewer_folds_come_after_means_over_more(tmp_path: Path) -> None:
    study = Study(
        Space(x=Float(0, 1)),
        minimize="rmse",
        fidelity=Fidelity("fold", 1, 4, eta=2),
        scheduler="racing",
        max_trials=3,
    )
    for i in range(3):
        study.enqueue({"x": i / 4}, budget=[4, 1, 4][i])
    for values in ([5.0] * 4, [1.0], [4.0] * 4):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"rmse": v} for v in values])
    write_board(study.history, tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        assert [r["trial"] for r in csv.DictReader(file)] == ["2", "0", "1"]
