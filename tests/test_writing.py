"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seedleaf.core import History
from seedleaf.report import write_board, write_report
from seedleaf.writing import replacing


@pytest.mark.parametrize("flushed", [False, True])
def test_a_file_takes_the_place_of_another_when_it_is_whole(tmp_path: Path, flushed: bool) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path, flushed) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_after_an_error_what_was_there_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def broken_off() -> None:
        with replacing(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_that_there_is_not_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "a"):
        raise AssertionError("there is nothing to write to")
    with pytest.raises(NotADirectoryError), replacing(tmp_path / "file" / "a"):
        raise AssertionError("there is nothing to write to")


@pytest.mark.parametrize("write", [write_report, write_board])
def test_a_report_that_breaks_off_leaves_nothing(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "of the run"

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write(History.fold([]), path)  # type: ignore[operator]
    assert os.listdir(tmp_path) == []
