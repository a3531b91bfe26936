"""The last training of a winner is delivered only where it is no worse than what the search had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seedleaf.core import Fidelity, Metrics, Trial
from seedleaf.errors import RunError
from seedleaf.executors.base import Returned
from seedleaf.modality import image_finish
from seedleaf.modality.image_finish import as_left, make
from seedleaf.space import Float, Space
from seedleaf.study import Study
from seedleaf.train import CHECKPOINT

FULL = 6
Told = dict[str, Any]


class Silent:
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)

    def update(self, *_: Any) -> None:
        pass


def searched(folder: Path, errors: list[list[float]], axis: str = "epochs") -> Any:
    """A run whose trials have told `errors`, one list a trial, the first of which is the default's."""
    study = Study(Space(x=Float(0, 1)), minimize="error", fidelity=Fidelity("epoch", 1, FULL), seed=1)
    study.note("plan", axis=axis, third_seconds=[1.0, 1.0, 1.0])
    study.note("session", began=0.0, used=0.0)
    study.note("default", trial=0)
    for i, told in enumerate(errors):
        study.enqueue({"x": 0.1 * i}, len(told))
    for told in errors:
        task = study.ask()
        assert task is not None
        metrics: list[Metrics] = [{"error": e, "params": 10.0, "macs": 10.0} for e in told]
        study.tell(task, metrics, seconds=1.0)
        place = folder / "trials" / f"{task.trial:04d}"
        place.mkdir(parents=True)
        (place / CHECKPOINT).touch()

    def trial_folder(trial: Trial) -> str:
        return str(folder / "trials" / f"{trial.id:04d}")

    return SimpleNamespace(
        study=study, folder=folder, setup={"fidelity": axis}, view=Silent(), workers=1, threads=2, spec=None,
        default=study.history.trials[0], trial_folder=trial_folder,
    )  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Told]]:
    """Answers of the workers, by the name of the call; what was asked is returned."""

    def answers(**told: Any) -> dict[str, Told]:
        asked: dict[str, Told] = {}

        def call_all(_: Any, wanted: Mapping[str, tuple[str, Told]], *__: Any, **___: Any) -> Any:
            found = {}
            for name, (_, arguments) in wanted.items():
                asked[name] = arguments
                answer = told[name]
                if isinstance(answer, Exception):
                    raise answer
                found[name] = Returned(0, answer, None)
            return found

        learner = SimpleNamespace(costs=lambda *_: {"params": 1, "macs": 1})
        monkeypatch.setattr(image_finish, "call_all", call_all)
        monkeypatch.setattr(image_finish, "learner_of", lambda _: learner)
        monkeypatch.setattr(image_finish, "image_metrics", lambda final: final)
        return asked

    return answers


DELIVERED = {"test": {"accuracy": 0.9}}
GAIN = {"gain": 0.1, "se": 0.01}
PACE = {"threads": 1.0, "step_seconds": 0.5}


def fitted(error: float) -> Told:
    return {"steps": 4.0, "train_seconds": 2.0, "valid_error": error, "valid_images": 100.0}


def deliver(run: Any, seconds: float = 3600.0) -> Told:
    import time

    return dict(make(run, time.time() + seconds, run.folder / "staged").final)


def test_a_good_last_training_is_delivered(tmp_path: Path, calls: Callable[..., dict[str, Told]]) -> None:
    asked = calls(pace=PACE, refit=fitted(0.05), deliver=DELIVERED, compare=GAIN)
    final = deliver(searched(tmp_path, [[0.5] * FULL, [0.1] * FULL]))
    assert (final["trial"], final["trained_on"], final["refit_steps"]) == (1, "train+valid", 4)
    assert "/refit/" in asked["deliver"]["checkpoint"]
    assert asked["refit"]["threads"] == 1  # as was measured, not as many as there are


def test_a_last_training_that_learned_less_is_not(
    tmp_path: Path, calls: Callable[..., dict[str, Told]]
) -> None:
    asked = calls(pace=PACE, refit=fitted(0.4), deliver=DELIVERED, compare=GAIN)
    run = searched(tmp_path, [[0.5] * FULL, [0.1] * FULL])
    final = deliver(run)
    assert (final["trial"], final["trained_on"], final["refit_steps"]) == (1, "train", FULL)
    assert "/trials/0001/" in asked["deliver"]["checkpoint"]
    assert "worse on the validation part (0.4000 against 0.1000)" in run.view.said[0]
    assert run.study.history.note("refit")["folder"] is None


def test_a_little_worse_on_few_images_is_noise(tmp_path: Path, calls: Callable[..., dict[str, Told]]) -> None:
    calls(pace=PACE, refit=fitted(0.12), deliver=DELIVERED, compare=GAIN)
    assert deliver(searched(tmp_path, [[0.5] * FULL, [0.1] * FULL]))["trained_on"] == "train+valid"


@pytest.mark.parametrize(
    "seconds", [150.0, 210.0]
)  # 210 s are two steps and a third that the clock would end at once
def test_without_time_for_half_of_what_the_trial_had_none_is_begun(
    tmp_path: Path, calls: Callable[..., dict[str, Told]], seconds: float
) -> None:
    asked = calls(pace={**PACE, "step_seconds": 100.0}, deliver=DELIVERED, compare=GAIN)
    final = deliver(searched(tmp_path, [[0.5] * FULL, [0.1] * FULL]), seconds=seconds)
    assert final["trained_on"] == "train"
    assert "refit" not in asked


def test_a_config_that_fails_when_trained_again_is_delivered_as_it_was(
    tmp_path: Path, calls: Callable[..., dict[str, Told]]
) -> None:
    calls(pace=PACE, refit=RunError("it diverged"), deliver=DELIVERED, compare=GAIN)
    run = searched(tmp_path, [[0.5] * FULL, [0.1] * FULL])
    assert deliver(run)["trained_on"] == "train"
    assert "it diverged" in run.view.said[0]


def test_a_network_that_knows_small_pictures_only_is_not_what_is_delivered(
    tmp_path: Path, calls: Callable[..., dict[str, Told]]
) -> None:
    asked = calls(pace=PACE, refit=fitted(0.9), deliver=DELIVERED, compare=GAIN)
    run = searched(tmp_path, [[0.5] * FULL, [0.1]], axis="size")
    found = as_left(run, run.study.history.trials[1])
    assert found is not None
    assert found.id == 0
    assert deliver(run)["trial"] == 0
    assert "/trials/0000/" in asked["deliver"]["checkpoint"]


def test_what_is_not_trained_further_is_chosen_by_what_it_is_now(
    tmp_path: Path, calls: Callable[..., dict[str, Told]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that would have ended best in a last training has had none."""
    asked = calls(pace=PACE, refit=RunError("it diverged"), deliver=DELIVERED, compare=GAIN)
    run = searched(tmp_path, [[0.5] * FULL, [0.1] * FULL])
    monkeypatch.setattr("seedleaf.limits.most_promising", lambda study, *_: study.history.trials[0])
    assert deliver(run)["trial"] == 1
    assert "/trials/0001/" in asked["deliver"]["checkpoint"]
