"""A checkpoint is whole or not there, and reading one never runs code."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from seedleaf.core import Measurement
from seedleaf.errors import CheckpointError
from seedleaf.train import checkpoint

BODY: dict[str, Any] = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "step": 3, "none": None}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "trial" / checkpoint.NAME
    checkpoint.save(path, BODY)
    body = checkpoint.load(path)
    assert torch.equal(body["weights"]["a"], BODY["weights"]["a"])
    assert (body["step"], body["none"]) == (3, None)
    assert os.listdir(path.parent) == [checkpoint.NAME]


def test_measurements_survive_packing() -> None:
    rows = [Measurement(1, {"error": 0.5}, 0.25), Measurement(2, {"error": 0.25, "loss": 1.0}, 0.5)]
    assert checkpoint.unpack(checkpoint.pack(rows)) == rows


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, BODY)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"step": 4})
    assert checkpoint.load(path)["step"] == 3
    assert os.listdir(tmp_path) == [checkpoint.NAME]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_an_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, BODY)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(path)


def test_a_foreign_file_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "broken-in"),)

    path = tmp_path / checkpoint.NAME
    for write in (lambda: torch.save(Evil(), path), lambda: path.write_bytes(pickle.dumps(Evil()))):
        write()
        with pytest.raises(CheckpointError):
            checkpoint.load(path)
    assert not (tmp_path / "broken-in").exists()


def test_a_missing_or_older_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path / checkpoint.NAME)
    torch.save({"version": 0}, tmp_path / checkpoint.NAME)
    with pytest.raises(CheckpointError, match="version"):
        checkpoint.load(tmp_path / checkpoint.NAME)
