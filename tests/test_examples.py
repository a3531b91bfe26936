"""The examples do what they say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_ask_and_tell(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "ask_and_tell.py"), run_name="__main__")
    assert "trials" in capsys.readouterr().out


@pytest.mark.slow
def test_a_module_and_a_search_keep_one_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # runs are written where it is started
    monkeypatch.setattr("seedleaf.timing.MOST_EPOCHS", 2)
    monkeypatch.setattr("seedleaf.compressing.run.LOOKING", 0.01)  # of the time: one look for each worker
    found = runpy.run_path(str(EXAMPLES / "compress_module.py"))
    found["main"]("150s", "30s", max_trials=1)
    out = capsys.readouterr().out
    sizes = dict(re.findall(r"^(\w+) ([\d,]+) parameters", out, re.MULTILINE))
    assert set(sizes) == {"compressed", "searched"}
    assert all(int(n.replace(",", "")) <= found["LIMIT"] for n in sizes.values())
