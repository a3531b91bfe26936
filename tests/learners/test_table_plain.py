"""On tiny data the simple model wins ties; a real lead, and any lead on many rows, is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from messy import messy
from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.blend import blend
from seedleaf.learners.tables.metrics import absolute
from seedleaf.learners.tables.metrics import row_losses as losses_of
from seedleaf.learners.tables.plain import FEW, tie
from seedleaf.learners.tables.source import open_source, save

Array = npt.NDArray[Any]


def row_losses(y: Array, p: Array) -> Array:
    return losses_of(y, p, 0)


def values(n: int, lead: float) -> tuple[Array, list[Array]]:
    """A target, and answers of a complex model, a plain one whose squared error is larger by `lead`, and the plainest,
    which is far off."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    off = rng.normal(size=n)
    noise = rng.normal(size=n)
    off, noise = (v / np.sqrt(np.mean(v**2)) for v in (off, noise))
    return y, [y + off, y + np.sqrt(1 + lead) * noise, y + 5 * noise]


def tied(n: int, lead: float, plainness: tuple[int, ...] = (4, 2, 1), keeps: bool = True) -> int | None:
    y, answers = values(n, lead)
    found = tie(y, row_losses, answers, [1.0, 0.0, 0.0], answers[0], plainness, lambda _: keeps)
    if found is not None:
        _, mean, se = found
        assert mean == pytest.approx(lead, abs=1e-9)
        assert mean <= se
    return None if found is None else found[0]


def test_the_plainer_of_two_that_chance_tells_apart_wins() -> None:
    assert tied(300, 0.05) == 1, "not the plainest: that one is far off"


def test_a_lead_beyond_chance_is_kept() -> None:
    assert tied(300, 0.5) is None


def test_on_many_rows_there_are_no_ties() -> None:
    assert tied(FEW, 0.02) == 1
    assert tied(FEW + 1, 0.02) is None


def test_what_is_no_plainer_or_breaks_a_limit_does_not_win() -> None:
    assert tied(300, 0.05, (2, 2, 1)) is None
    assert tied(300, 0.05, keeps=False) is None


def test_one_model_is_plainer_than_several_of_its_kind() -> None:
    y, answers = values(300, 0.0)
    mixed = (answers[0] + answers[1]) / 2
    assert tie(y, row_losses, answers[:2], [0.5, 0.5], answers[0], (3, 3), lambda _: True) is not None
    assert tie(y, row_losses, answers[:2], [0.5, 0.5], mixed, (3, 3), lambda _: True) is None, (
        "averaging gained"
    )


def test_a_blend_gives_way_and_says_by_how_much(tmp_path: Path) -> None:
    data = load_table(pd.DataFrame(messy("binary", 300)), target="y")
    save(data, folds(data, 3), tmp_path / "cache")
    source = open_source(str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    signs = 2.0 * source.y_train - 1
    shared = rng.normal(size=len(signs))
    for name, extra in (("net", 0.32), ("line", 0.3)):
        (tmp_path / name).mkdir()
        score = signs * extra + 0.3 * shared + 0.3 * rng.normal(size=len(signs))
        for j, (_, valid) in enumerate(source.folds):
            p = 1 / (1 + np.exp(-score[valid]))
            np.save(tmp_path / name / f"fold-{j}.npy", np.column_stack([1 - p, p]))
    setup = {"data": str(tmp_path / "cache"), "metric": "logloss"}
    folders = [str(tmp_path / name) for name in ("net", "line")]
    free = blend(folders, setup, 3)
    assert free["tied"] is None
    assert free["weights"][0] > 0
    found = blend(folders, setup, 3, plainness=(4, 1))
    assert found["weights"] == [0.0, 1.0]
    assert found["tied"]["lead"] <= found["tied"]["se"]
    assert found["tied"]["members"][0] == 0
    assert blend(folders, setup, 3, plainness=(1, 1))["tied"] is None


def test_outliers_do_not_tie_models_that_differ_in_absolute_error() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    y[:6] += 60
    noise, far = rng.normal(size=400), np.abs(y) > 30
    answers = [np.where(far, 0, y + 0.4 * noise), np.where(far, 5 * rng.normal(size=400), y + noise)]
    assert tie(y, row_losses, answers, [1.0, 0.0], answers[0], (4, 1), lambda _: True) is not None
    assert tie(y, absolute, answers, [1.0, 0.0], answers[0], (4, 1), lambda _: True) is None


def test_few_judged_rows_of_a_large_table_are_not_few_rows(tmp_path: Path) -> None:
    data = load_table(pd.DataFrame(messy("binary", 2 * FEW)), target="y")
    save(data, folds(data, 5), tmp_path / "cache")
    source = open_source(str(tmp_path / "cache"))
    _, valid = source.folds[0]
    assert len(valid) <= FEW < len(source.y_train)
    rng = np.random.default_rng(1)
    for name in ("net", "line"):
        (tmp_path / name).mkdir()
        p = np.clip(
            0.5 + 0.3 * (2.0 * source.y_train[valid] - 1) + 0.1 * rng.normal(size=len(valid)), 0.05, 0.95
        )
        np.save(tmp_path / name / "fold-0.npy", np.column_stack([1 - p, p]))
    setup = {"data": str(tmp_path / "cache"), "metric": "logloss"}
    assert blend([str(tmp_path / n) for n in ("net", "line")], setup, 1, plainness=(4, 1))["tied"] is None
