"""Tables beside peers: ranks, ratios and what is significantly behind come from the files that runs leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tables.fit import against, behind, loss, losses, split_of, tables, watched


def answered(folder: Path, system: str, answer: np.ndarray, seconds: float, size: int, row: float) -> None:
    (folder / system).mkdir()
    np.save(folder / system / "answers.npy", answer)
    told = {"seconds": seconds, "bytes": size, "row_ms": row}
    (folder / system / "told.json").write_text(json.dumps(told))


def test_a_raw_file_without_names_keeps_its_cells(tmp_path: Path) -> None:
    rows = "".join(
        f"{30 + i}, {'?' if i % 5 else 'State-gov'}, 0{i}, {'<=50K' if i % 3 else '>50K'}\n"
        for i in range(60)
    )
    (tmp_path / "raw.csv").write_text(rows)
    split = split_of(tmp_path / "raw.csv", 0, tmp_path / "runs")
    assert split.n_classes == 2
    train = pd.read_csv(split.folder / "train.csv", dtype=str)
    assert list(train.columns) == ["column1", "column2", "column3", "target"]
    assert set(train["column2"]) == {" ?", " State-gov"}
    assert len(train) == 48
    named = split_of(_named(tmp_path), 0, tmp_path / "runs")
    assert list(pd.read_csv(named.folder / "train.csv").columns) == ["x", "target"]


def _named(folder: Path) -> Path:
    (folder / "named.csv").write_text("x,kind\n" + "".join(f"{i},{'pq'[i % 2]}\n" for i in range(40)))
    return folder / "named.csv"


def test_what_is_behind_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    pd.DataFrame({"x": rng.normal(size=500), "target": y}).to_csv(tmp_path / "data.csv", index=False)
    split = split_of(tmp_path / "data.csv", 0, tmp_path / "runs")
    test = pd.read_csv(split.folder / "test.csv")
    assert split.n_classes == 2
    assert len(test) == 100
    sure = np.clip(test["target"].to_numpy() + 0.1 * (1 - 2 * test["target"]), 0, 1)
    good, flat = np.column_stack([1 - sure, sure]), np.full((100, 2), 0.5)
    answered(split.folder, "seedleaf", flat, 9.0, 100, 1.0)
    answered(split.folder, "hgb", good, 1.0, 10, 1.0)
    answered(split.folder, "autogluon", flat, 9.0, 2_000, 30.0)
    assert loss(split, "seedleaf") == pytest.approx(np.log(2))
    assert loss(split, "flaml") == np.inf
    assert losses(split, "flaml") is None
    z, best = behind(split, ["linear", "hgb"])
    assert z > 5
    assert best == "hgb"
    text = "\n".join(against([split], ["seedleaf", "autogluon", "hgb"], 10.0))
    assert "most 0.900" in text
    assert "median 0.050; 1 of 1 splits" in text
    assert "median 0.033; 1 of 1 splits" in text
    assert "data-0" in text.splitlines()[-1]
    assert "| **mean rank** | 2.50 | 2.50 | 1.00 |" in tables([split], ["seedleaf", "autogluon", "hgb"], 10.0)


def test_memory_of_all_that_a_command_starts_is_watched_and_what_takes_too_long_is_ended() -> None:
    holds = "import time; held = bytearray(b'1' * 150_000_000); time.sleep(1.5)"
    starts = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holds!r}], start_new_session=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", starts], start_new_session=True)
    assert 150e6 < watched(process, 60) < 300e6
    assert process.returncode == 0
    forever = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    watched(forever, 0.1)
    assert forever.returncode != 0
