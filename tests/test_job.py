"""What a job keeps of the data that it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seedleaf
from seedleaf.errors import StudyError
from seedleaf.folder import new_folder
from seedleaf.job import ARRAYS, Job, name_of


def test_paths_are_kept_whole_and_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    assert name_of("pictures") == name_of(Path("pictures")) == str(tmp_path / "pictures")
    assert name_of(str(tmp_path / "pictures")) == str(tmp_path / "pictures")
    assert name_of("FashionMNIST") == "FashionMNIST"
    assert name_of("no such folder") == "no such folder"
    assert name_of("") == ""
    assert name_of("x" * 5000) == "x" * 5000, "too long for a path is no crash"
    assert name_of("a\0b") == "a\0b"


def test_digits_is_the_set_unless_it_is_said_to_be_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert name_of("digits") == "digits"
    assert name_of("Digits") == "Digits"
    assert name_of(Path("digits")) == str(tmp_path / "digits")


def test_a_folder_called_arrays_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arrays").mkdir()
    assert name_of("arrays") == str(tmp_path / "arrays")
    x = np.zeros((2, 8, 8), np.uint8)
    assert name_of((x, x)) == ARRAYS
    assert ARRAYS not in (name_of("arrays"), name_of("nowhere"))
    assert new_folder(ARRAYS).path.name == "arrays-1"


def test_fit_keeps_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was started on a relative path can be resumed from anywhere."""
    kept: list[str] = []
    monkeypatch.setattr("seedleaf.api.begin", lambda folder, job, *rest: kept.append(job.data))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    seedleaf.fit("pictures")
    seedleaf.fit("digits")
    assert kept == [str(tmp_path / "pictures"), "digits"]
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["digits-1", "pictures-1"]


def test_accuracy_is_searched_against_what_is_known_of_every_config() -> None:
    with pytest.raises(
        StudyError, match="no tradeoff is called 'speed'; there are: macs, params, latency_ms"
    ):
        Job("digits", 60.0, tradeoff="speed").check()
    for known in ("", "macs", "params", "latency_ms"):
        Job("digits", 60.0, tradeoff=known).check()
