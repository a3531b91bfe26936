"""`seedleaf check` and `seedleaf.check`: what a user sees."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import seedleaf
from runs import seedleaf as command
from seedleaf.data.tables import TableSchema
from seedleaf.errors import DataError
from seedleaf.inspection import rows, show


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"größe {k}": rng.normal(size=80).round(3) for k in range(12)})
    for k in range(2, 12):
        frame[f"größe {k}"] = 3
    frame["class"] = rng.choice(["ja", "nein"], 80)
    path = tmp_path / "Tabelle für 猫.csv"
    frame.to_csv(path, index=False)
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command("check", *arguments), capture_output=True, text=True, timeout=120)


def test_the_command_says_what_was_read_found_and_done(table: Path) -> None:
    done = run(table)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{table}: 80 rows to use, 13 columns (separator comma, encoding utf-8, header yes)"
    said = "target: class (by its name), binary, 2 classes, positive: ja (the opposite of 'nein')"
    assert lines[1] == said
    assert lines[2] == "features: 2 numbers; 10 dropped"
    assert lines[3] == "rows: 64 to train on, 16 to test on"
    assert lines[4] == "10 findings"
    assert lines[5].split(maxsplit=1) == ["constant", "größe 2: is 3 in every row; column dropped"]
    assert len(lines) == 5 + 8 + 1
    assert "and 2 more" in lines[-1]


def test_rows_to_look_at_are_named(table: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    odd.write_text("\n".join([*lines[:5], lines[5] + ",9", *lines[6:], *lines[1:9]]), encoding="utf-8")
    said = str(seedleaf.check(odd))
    assert "1 row has more than 13 cells (line 6 has 14) (row 5); dropped" in said
    assert "7 rows are exactly like an earlier one (rows 81, 82, 83, 84, 86, …); dropped" in said


def test_json_is_the_whole_schema(table: Path) -> None:
    done = run(table, "--json")
    assert done.returncode == 0
    schema = TableSchema.from_json(json.loads(done.stdout))
    assert len(schema.findings) == 10
    assert schema == seedleaf.check(table).schema


def test_options_reach_the_reader(table: Path, tmp_path: Path) -> None:
    rest = tmp_path / "test.csv"
    pd.read_csv(table).head(20).assign(extra=1).to_csv(rest, index=False)
    done = run(table, "--target", "größe 0", "--order-by", "größe 1")
    assert "target: größe 0 (as asked), regression" in done.stdout
    assert "test-columns" in run(table, "--test", rest).stdout
    for positive in seedleaf.check(table).schema.target.classes:
        assert f"positive: {positive} (as asked)" in run(table, "--positive", positive).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "nope"], "has no column 'nope'"),
        (["--group", "größe 0", "--order-by", "größe 1"], "not both"),
        (["--test", "/nope.csv"], "/nope.csv does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(table: Path, arguments: list[str], said: str) -> None:
    done = run(table, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    spoken = run(table, *arguments, "--json")
    assert json.loads(spoken.stdout)["kind"] == "DataError"


def test_python_gives_the_same_and_prints_it(table: Path) -> None:
    checked = seedleaf.check(pd.read_csv(table), target="class")
    assert len(checked.findings) == 10
    assert "the frame: 80 rows" in str(checked)
    with pytest.raises(DataError):
        seedleaf.check(table.parent / "nope.csv")


def test_a_terminal_gets_a_table(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "100")
    out = Terminal()
    show(seedleaf.check(table), out)
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "größe 2" in text
    assert "is 3 in every row" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_findings_of_one_kind_stand_together(table: Path) -> None:
    kinds = [kind for kind, _, _, _ in rows(seedleaf.check(table).findings)]
    assert kinds == sorted(kinds)


def test_checking_loads_no_torch(table: Path) -> None:
    code = f"import sys, seedleaf; seedleaf.check({str(table)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_what_the_target_is_for_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("x,mark\n" + "".join(f"{i * 7 % 11}.5,{1 + i % 5}\n" for i in range(60)))
    assert run(path).stdout.splitlines()[1] == "target: mark (the last column), multiclass, 5 classes"
    assert run(path, "--task", "regression").stdout.splitlines()[1].endswith(", regression")
    done = run(path, "--task", "guess")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no task 'guess': classification or regression" in done.stderr
