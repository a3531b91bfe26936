"""Where the run of an estimator goes, and what is said when it is cut off."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from pathlib import Path

import pytest

from seedleaf.estimators.folder import run_folder
from seedleaf.folder import check_empty


class Estimator:
    def __init__(self, out: Path | None = None) -> None:
        self.out = out


def test_a_folder_of_its_own_goes_with_the_estimator() -> None:
    estimator = Estimator()
    with run_folder(estimator) as folder:
        (folder / "study.db").touch()
    assert folder.is_dir()
    del estimator
    gc.collect()
    assert not folder.exists()


def test_each_fit_has_a_folder_where_one_was_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for name in ("run", "run-2", "run-3"):
        with run_folder(Estimator(out)) as folder:
            assert folder == tmp_path / name
            assert folder.is_dir()
            (folder / "study.db").touch()
    with run_folder(Estimator(out)) as folder:
        assert folder == tmp_path / "run-4"
    assert not folder.exists(), "nothing came of it"
    (tmp_path / "empty").mkdir()
    with run_folder(Estimator(tmp_path / "empty")) as folder:
        assert folder == tmp_path / "empty"
        check_empty(folder)
    assert not list(folder.iterdir()), "what was there stays, as it was"


def test_fits_that_begin_together_have_folders_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folders = [stack.enter_context(run_folder(Estimator(tmp_path / "run"))) for _ in range(4)]
        assert len(set(folders)) == 4


def test_a_folder_may_be_the_one_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with run_folder(Estimator(Path())) as folder:
        assert folder == tmp_path / "here"


@pytest.mark.parametrize("kept", [False, True])
def test_what_cannot_be_resumed_is_not_promised(kept: bool, tmp_path: Path) -> None:
    def cut_off() -> None:
        with run_folder(Estimator(tmp_path / "run" if kept else None)) as folder:
            error = KeyboardInterrupt()
            error.add_note("another")
            error.add_note(f"go on with: seedleaf resume {folder}")
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        cut_off()
    first, second = caught.value.__notes__
    assert first == "another"
    assert second.startswith("go on with: seedleaf resume" if kept else "nothing is kept of it")
