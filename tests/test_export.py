"""What is delivered answers as the network that was trained, or is not delivered."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedleaf import export
from seedleaf.core import Limit
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.errors import RunError
from seedleaf.export import compare_on_test, deliver, latency
from seedleaf.learners.base import learner_named
from seedleaf.learners.refit import refit
from seedleaf.learners.trial import load_model
from seedleaf.predicting.images import Predictor
from seedleaf.scores import accuracy_interval

LIMITS = (Limit("params", 6000.0),)


@pytest.fixture(scope="module")
def setup(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("mapped")
    save_mapped(load_images(pictures), folder)
    return {"data": str(folder), "learner": "convnet", "seed": 0}


@pytest.fixture(scope="module")
def trained(setup: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A config and the checkpoint of three steps of it."""
    data = load_images_spec(setup)
    config = learner_named("convnet").default(data, LIMITS)
    folder = tmp_path_factory.mktemp("refit")
    done = refit(config, setup, str(folder), steps=3, deadline=time.time() + 120)
    assert done["steps"] == 3
    return config, folder / "checkpoint.pt"


def load_images_spec(setup: dict[str, Any]) -> Any:
    from seedleaf.data.mapped import open_mapped

    return open_mapped(Path(setup["data"])).spec


@pytest.fixture(scope="module")
def delivered(
    setup: dict[str, Any], trained: tuple[dict[str, Any], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("best")
    config, checkpoint = trained
    return out, deliver(config, setup, str(checkpoint), str(out))


def test_the_graph_answers_as_the_network_on_every_test_image(
    setup: dict[str, Any], trained: tuple[dict[str, Any], Path], delivered: tuple[Path, dict[str, Any]]
) -> None:
    import torch

    from seedleaf.data.mapped import open_mapped

    data = open_mapped(Path(setup["data"]))
    network = load_model(trained[0], data.spec, trained[1])
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.array(data.x_test))).softmax(1).numpy()
    model = Predictor.open(delivered[0])
    np.testing.assert_allclose(model.probabilities(data.x_test), expected, atol=1e-4)
    assert delivered[1]["onnx_max_difference"] <= 1e-4
    accuracy = float((model.probabilities(data.x_test).argmax(1) == data.y_test).mean())
    assert delivered[1]["test"]["accuracy"] == pytest.approx(accuracy)
    assert delivered[1]["test"]["n"] == len(data.y_test) == np.sum(delivered[1]["confusion"])


def test_the_network_has_as_many_parameters_as_was_said(
    setup: dict[str, Any], trained: tuple[dict[str, Any], Path]
) -> None:
    spec = load_images_spec(setup)
    costs = learner_named("convnet").costs(spec, trained[0])
    network = load_model(trained[0], spec, trained[1])
    assert sum(p.numel() for p in network.parameters()) == costs["params"] <= 6000


def test_nothing_but_whole_files_is_left(delivered: tuple[Path, dict[str, Any]]) -> None:
    assert sorted(p.name for p in delivered[0].iterdir()) == ["config.json", "model.onnx", "weights.pt"]
    assert json.loads((delivered[0] / "config.json").read_text(encoding="utf-8"))["classes"][0] == "cat 猫"
    assert delivered[1]["bytes"] == (delivered[0] / "model.onnx").stat().st_size


def test_a_graph_that_answers_otherwise_is_not_delivered(
    setup: dict[str, Any],
    trained: tuple[dict[str, Any], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = export._torch_probabilities
    monkeypatch.setattr(export, "_torch_probabilities", lambda *a: honest(*a) + np.float32(0.001))
    with pytest.raises(RunError, match=r"differs from the network by 0\.001: it is not delivered"):
        deliver(trained[0], setup, str(trained[1]), str(tmp_path / "best"))
    monkeypatch.setattr(export, "_torch_probabilities", lambda *a: honest(*a) * np.float32("nan"))
    with pytest.raises(RunError, match="differs from the network by nan"):
        deliver(trained[0], setup, str(trained[1]), str(tmp_path / "best"))


def test_a_config_gains_nothing_over_itself(
    setup: dict[str, Any], trained: tuple[dict[str, Any], Path]
) -> None:
    config, checkpoint = trained
    folder = str(checkpoint.parent)
    assert compare_on_test(config, folder, config, folder, setup) == {"gain": 0.0, "se": 0.0}


def test_the_interval_of_an_accuracy() -> None:
    some = accuracy_interval(np.arange(100) < 90)
    assert some["accuracy"] == 0.9
    # Wilson's interval for 90 of 100, as printed in textbooks.
    assert some["low"] == pytest.approx(0.8256, abs=5e-4)
    assert some["high"] == pytest.approx(0.9448, abs=5e-4)
    for right in (np.zeros(5, bool), np.ones(5, bool)):
        edge = accuracy_interval(right)
        assert 0 <= edge["low"] <= edge["accuracy"] + 1e-9
        assert edge["accuracy"] - 1e-9 <= edge["high"] <= 1
        assert edge["high"] - edge["low"] > 0.3


def test_latency_is_measured(delivered: tuple[Path, dict[str, Any]]) -> None:
    told = latency(delivered[0] / "model.onnx", np.zeros((1, 12, 12, 3), np.uint8))
    assert 0 < told["median"] <= told["p90"]
