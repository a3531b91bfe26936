"""A delivered model in use: the same answer whatever the batch, and clear words for what it cannot take."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from runs import CLASSES, Finished, draw
from seedleaf.errors import DataError, RunError
from seedleaf.predicting.deliver import copy_delivery
from seedleaf.predicting.images import BATCH, Predictor, open_session, write_predictions


@pytest.fixture(scope="module")
def model(finished: Finished) -> Predictor:
    return Predictor.open(finished.folder)


@pytest.fixture(scope="module")
def images() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([draw(i % 3, i) for i in range(64)])


def test_a_picture_alone_gets_the_answer_that_it_gets_among_others(
    model: Predictor, images: np.ndarray
) -> None:
    together = model.probabilities(images)
    alone = np.concatenate([model.probabilities(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)
    assert together.dtype == np.float32
    assert together.std(0).max() > 0.01, "the answers differ from picture to picture"


def test_more_pictures_than_a_batch_keep_their_order(model: Predictor, images: np.ndarray) -> None:
    many = np.tile(images, (BATCH // 32, 1, 1, 1))
    assert len(many) > BATCH
    np.testing.assert_allclose(
        model.probabilities(many), np.tile(model.probabilities(images), (BATCH // 32, 1)), atol=1e-5
    )


def test_no_pictures_give_no_answers(model: Predictor, images: np.ndarray) -> None:
    assert model.probabilities(images[:0]).shape == (0, 3)
    assert model.predict(images[:0]) == []


def test_names_are_those_of_the_most_probable_classes(model: Predictor, images: np.ndarray) -> None:
    assert model.classes == CLASSES
    assert model.predict(images) == [CLASSES[k] for k in model.probabilities(images).argmax(1)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((12, 12, 3), np.uint8), "images of shape"),
        (np.zeros((1, 3, 12, 12), np.uint8), "images of shape"),
        (np.zeros((1, 12, 12), np.uint8), "images of shape"),
        (np.zeros((1, 12, 12, 3), np.float32), "must be uint8"),
    ],
)
def test_what_it_cannot_take_is_said(model: Predictor, wrong: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        model.probabilities(wrong)


def test_it_survives_pickling_and_its_folder(finished: Finished, images: np.ndarray, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder / "best", tmp_path / "best"))
    opened = Predictor.open(folder)
    before = opened.probabilities(images)
    text = pickle.dumps(opened)
    shutil.rmtree(folder)
    np.testing.assert_array_equal(opened.probabilities(images), before)
    np.testing.assert_array_equal(pickle.loads(text).probabilities(images), before)


def test_it_opens_a_run_or_its_best_folder(finished: Finished, tmp_path: Path) -> None:
    assert Predictor.open(finished.folder) == Predictor.open(str(finished.folder / "best"))
    for bad in (tmp_path, tmp_path / "nowhere", finished.folder / "run.json"):
        with pytest.raises(RunError):
            Predictor.open(bad)
    with pytest.raises(RunError, match="does not exist"):
        open_session(tmp_path / "model.onnx")


def test_numbers_are_scaled_as_in_training(finished: Finished, images: np.ndarray, tmp_path: Path) -> None:
    best = Path(shutil.copytree(finished.folder / "best", tmp_path / "best"))
    body = json.loads((best / "config.json").read_text(encoding="utf-8"))
    assert body["scale"] == {"whole": None, "decimal": None}, "the set was of 8-bit pictures"
    body["scale"] = {"whole": 4095, "decimal": 1}
    (best / "config.json").write_text(json.dumps(body))
    model = Predictor.open(best)
    expected = model.probabilities(images)
    np.testing.assert_array_equal(model.probabilities(images / 255), expected)
    np.testing.assert_array_equal(model.probabilities(images.transpose(0, 3, 1, 2) / 255), expected)
    deep = np.rint(images * (4095 / 255)).astype(np.uint16)
    np.testing.assert_array_equal(model.probabilities(deep), expected)
    # Dark pictures alone are as dark as among others.
    dark = model.probabilities(images // 200)
    with pytest.warns(UserWarning, match="Values reach only"):
        np.testing.assert_array_equal(model.probabilities((images // 200) / 255), dark)
    with pytest.raises(DataError, match="training images go from 0 to 1"):
        model.probabilities(images.astype(float))
    with pytest.raises(DataError, match="NaN"):
        model.probabilities(np.full(images.shape, np.nan))


def test_a_run_that_kept_no_scale_takes_uint8_only(
    finished: Finished, images: np.ndarray, tmp_path: Path
) -> None:
    best = Path(shutil.copytree(finished.folder / "best", tmp_path / "best"))
    body = json.loads((best / "config.json").read_text(encoding="utf-8"))
    del body["scale"]
    (best / "config.json").write_text(json.dumps(body))
    model = Predictor.open(best)
    assert model.scale is None
    assert model.predict(images)
    with pytest.raises(DataError, match="must be uint8"):
        model.predict(images / 255)
    for scale in ('"x"', "[]", '{"whole": 0, "decimal": null}', '{"whole": NaN, "decimal": 1}'):
        (best / "config.json").write_text(json.dumps({**body, "scale": "?"}).replace('"?"', scale))
        with pytest.raises(RunError, match=r"config\.json cannot be read"):
            Predictor.open(best)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"input": {"shape": [1]}, "classes": []}'])
def test_a_broken_signature_is_one_clear_error(finished: Finished, tmp_path: Path, text: str) -> None:
    best = Path(shutil.copytree(finished.folder / "best", tmp_path / "best"))
    (best / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config\.json cannot be read"):
        Predictor.open(best)


def test_delivered_files_say_all_that_is_needed(finished: Finished) -> None:
    best = finished.folder / "best"
    config = json.loads((best / "config.json").read_text(encoding="utf-8"))
    assert config["classes"] == list(CLASSES)
    assert config["input"] == {"name": "images", "shape": ["N", 12, 12, 3], "dtype": "uint8"}
    assert config["output"]["shape"] == ["N", 3]
    assert config["config"]["optimizer"]
    metrics = json.loads((best / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test_accuracy"] == metrics["test"]["accuracy"]
    assert metrics["test"]["low"] <= metrics["test_accuracy"] <= metrics["test"]["high"]
    assert metrics["test"]["n"] == 36
    assert metrics["bytes"] == (best / "model.onnx").stat().st_size
    assert 0 < metrics["params"] <= 6000
    assert metrics["macs"] > 0
    assert 0 < metrics["latency_ms"]["median"] <= metrics["latency_ms"]["p90"]
    assert metrics["onnx_max_difference"] <= 1e-4
    assert [row[:2] for row in metrics["per_class"]] == [[name, 12] for name in CLASSES]
    card = (best / "README.md").read_text(encoding="utf-8")
    assert f"{metrics['params']:,}" in card


def test_a_copy_is_checked_first(finished: Finished, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    body = json.loads((run / "best/config.json").read_text(encoding="utf-8"))
    (run / "best/config.json").write_text(json.dumps({**body, "classes": ["one"]}))
    with pytest.raises(RunError, match=r"does not answer as its config\.json says"):
        copy_delivery(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_predictions_as_csv() -> None:
    file = io.StringIO()
    write_predictions(file, ['a,"b".png'], np.array([[0.25, 0.75]], np.float32), ("x", 'y, "z"'))
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row == {"input": 'a,"b".png', "predicted": 'y, "z"', "probability": "0.75", "p(x)": "0.25",
                   'p(y, "z")': "0.75"}  # fmt: skip


def test_small_probabilities_stay_apart_and_names_are_no_formulas() -> None:
    file = io.StringIO()
    classes = ("-1", "=1+1", "-1+1", "@x", "+1,5", "-.5e3", "-", "--2")
    p = np.array([np.eye(8)[k] * 0.99999 + 1.234567e-6 for k in range(8)], np.float32)
    write_predictions(file, ["-2"] * 8, p, classes)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [r["predicted"] for r in rows] == [
        "-1", "'=1+1", "'-1+1", "'@x", "+1,5", "-.5e3", "'-", "'--2"
    ]  # fmt: skip
    assert rows[0]["p(-1)"] == rows[0]["probability"] == "0.999991"
    assert rows[0]["p(@x)"] == "1.23457e-06"
    assert rows[0]["input"] == "-2"
