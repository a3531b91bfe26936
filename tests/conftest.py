"""One finished run on small pictures, shared by all tests that only look at it, and what Hypothesis draws."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import settings

from runs import SECONDS, Finished, draw_folder, seedleaf

# The same commit passes or fails the same way everywhere. `--hypothesis-profile=default` draws new examples.
settings.register_profile("settled", derandomize=True)
settings.load_profile("settled")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders, with letters outside ASCII in every part of its path."""
    return draw_folder(tmp_path_factory.mktemp("pictures") / "Bilder für 猫")


@pytest.fixture(scope="session")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Read it, do not write to it: `shutil.copytree` makes one to spoil."""
    folder = tmp_path_factory.mktemp("run") / "fertig é"
    command = seedleaf("fit", pictures, "--time", f"{SECONDS:.0f}s", "--max-params", "6k", "--out", folder)
    begun = time.time()
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return Finished(folder, pictures, done.stdout, done.stderr, time.time() - begun)
