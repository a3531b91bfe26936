"""What the tests of a compression's end begin with."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zoo
from opened import Here, Opened

from seedleaf.compressing.finish import Compressing
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.model_source import Reading
from seedleaf.compressing.plan import open_study, plan
from seedleaf.compression.analyse import analyse
from seedleaf.compression.deploy import times
from seedleaf.data.spec import ImageData
from seedleaf.folder import LOG
from seedleaf.store import SqlStore
from seedleaf.views.view import SilentView


@pytest.fixture(scope="session")
def looked(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageData, dict[str, Any], dict[str, Any]]:
    """Images, the setup with the original, and what was found out about it."""
    folder = tmp_path_factory.mktemp("original")
    data, _, setup = zoo.original(folder)
    return data, setup, analyse(setup, 1.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of graphs are taken as they are in earnest, but for a moment."""
    monkeypatch.setattr(
        "seedleaf.compression.deploy.times", lambda paths, image, seconds=0.1: times(paths, image, 0.1)
    )


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the seconds that a late run has for its fine-tuning."""
    monkeypatch.setattr("seedleaf.compressing.finish.LEFT_TO_REFIT", 0.0)


@pytest.fixture
def opened(looked: Any, tmp_path: Path, quick: None) -> Opened:
    """A compression as it stands when its search begins, with these bounds (as shares of the original's costs)."""
    data, setup, found = looked

    def make(shares: Mapping[str, float], tradeoff: str = "", int8: str = "never") -> Compressing:
        at_most = {m: share * found["costs"][m] for m, share in shares.items()}
        model, original = tmp_path / "model", tmp_path / "original"
        model.mkdir()
        shutil.copytree(setup["original"], original)
        job = CompressJob(str(model), "data", 60.0, at_most=at_most, tradeoff=tradeoff, int8=int8)
        job.check()
        planned = plan(job, found, data.spec, 50.0, 10.0)
        job.save(tmp_path)
        asked = {
            **setup,
            "original": str(original),
            "targets": dict(planned.targets),
            "on": "cpu",
            "tradeoff": tradeoff,
        }
        study = open_study(SqlStore(tmp_path / LOG), job, found, planned, data.spec, Reading(job.seed))
        executor: Any = Here()
        return Compressing(tmp_path, job, asked, data.spec, study, executor, SilentView(), found, time.time())

    return make
