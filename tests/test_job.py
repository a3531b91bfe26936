"""What a job keeps of the data that it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import seedleaf
from runs import draw_folder
from seedleaf.cli import app
from seedleaf.errors import RunError, StudyError
from seedleaf.folder import new_folder
from seedleaf.job import ARRAYS, Job, name_of
from seedleaf.modality import check_job, check_new, modality_named


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


def test_the_side_of_pictures_and_what_new_trials_inherit_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def begin(folder: object, job: Job, *rest: object) -> None:
        jobs.append(job)
        raise RunError("enough")

    monkeypatch.setattr("seedleaf.api.begin", begin)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    CliRunner().invoke(app, ["fit", "pictures", "--side", "96", "--inherit"])
    with pytest.raises(RunError, match="enough"):
        seedleaf.fit("pictures", side=96, inherit=True)
    CliRunner().invoke(app, ["fit", "pictures"])
    assert [(job.side, job.inherit) for job in jobs] == [(96, True), (96, True), (None, False)]
    jobs[0].save(tmp_path)
    assert Job.load(tmp_path) == jobs[0], "so that resume reads the same pictures"


@pytest.mark.parametrize("side", [-1, 0, 7, 513])
def test_a_side_that_no_network_is_for_is_refused(side: int, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"the side of pictures must be 8 to 512 pixels, got {side}"):
        seedleaf.fit(tmp_path, side=side, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_networks_by_name_hand_no_weights_down(monkeypatch: pytest.MonkeyPatch) -> None:
    named = Job("x", 60, learner="timm:resnet10t@scratch", inherit=True)
    monkeypatch.setattr("seedleaf.modality.images.learner_named", lambda name: None)
    with pytest.raises(StudyError, match=r"networks by name hand no weights down, .*: leave --inherit out"):
        check_new(named)
    check_job(named)  # an earlier version began it and ignored that
    check_new(replace(named, inherit=False))
    check_new(replace(named, learner="convnet"))


def test_a_run_reads_pictures_at_its_side(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "pictures", each=4)
    images = modality_named("images")
    job = Job(str(folder), 60.0, side=9)
    spec = images.prepare(tmp_path / "cache", job, str(folder), None)
    assert (spec.height, spec.width) == (9, 9)
    again = images.prepare(tmp_path / "again", job, str(folder), spec.to_json())
    assert again == spec, "a run that goes on finds its pictures"
    older = images.prepare(tmp_path / "older", replace(job, side=None), str(folder), spec.to_json())
    assert older == spec, "whatever side is usual by now"
    draw_folder(tmp_path / "others", each=5)
    with pytest.raises(RunError, match="the images have changed"):
        images.prepare(tmp_path / "other", job, str(tmp_path / "others"), spec.to_json())
