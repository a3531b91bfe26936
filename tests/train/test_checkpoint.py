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

NAME = checkpoint.NAME
BODY: dict[str, Any] = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "step": 3, "none": None}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "trial" / NAME
    checkpoint.save(path, BODY)
    body = checkpoint.load(path)
    assert torch.equal(body["weights"]["a"], BODY["weights"]["a"])
    assert (body["step"], body["none"]) == (3, None)
    assert os.listdir(path.parent) == [NAME]


def test_types_shapes_and_memory_order_are_kept(tmp_path: Path) -> None:
    last = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    body: dict[Any, Any] = {
        "a": [last, torch.tensor(7), torch.tensor([True, False])],
        3: {"b": torch.empty(0), "c": last[:, 1]},
    }
    checkpoint.save(tmp_path / NAME, {"body": body})
    found = checkpoint.load(tmp_path / NAME)["body"]
    pairs = [*zip(found["a"], body["a"], strict=True), *((found[3][k], body[3][k]) for k in ("b", "c"))]
    for after, before in pairs:
        assert torch.equal(after, before)
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert found["a"][0].is_contiguous(memory_format=torch.channels_last)


def test_measurements_survive_packing() -> None:
    rows = [Measurement(1, {"error": 0.5}, 0.25), Measurement(2, {"error": 0.25, "loss": 1.0}, 0.5)]
    assert checkpoint.unpack(checkpoint.pack(rows)) == rows


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / NAME
    checkpoint.save(path, BODY)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"step": 4})
    assert checkpoint.load(path)["step"] == 3
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_an_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / NAME
    checkpoint.save(path, BODY)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(path)


def test_a_foreign_file_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "broken-in"),)

    path = tmp_path / NAME
    for write in (lambda: torch.save(Evil(), path), lambda: path.write_bytes(pickle.dumps(Evil()))):
        write()
        with pytest.raises(CheckpointError):
            checkpoint.load(path)
    assert not (tmp_path / "broken-in").exists()


def test_a_missing_or_older_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path / NAME)
    torch.save({"version": 0}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match="version"):
        checkpoint.load(tmp_path / NAME)
