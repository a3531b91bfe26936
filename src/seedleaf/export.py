"""From a trained network to what is delivered: one ONNX graph, compared with its source and measured.

The graph takes raw images (uint8, N x H x W x C) and gives class probabilities (float32, N x classes). The functions
with JSON arguments run inside a worker, where torch is loaded already.
"""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seedleaf.core import Config
from seedleaf.errors import RunError
from seedleaf.predicting.images import Predictor, open_session
from seedleaf.scores import accuracy_interval, confusion, per_class
from seedleaf.writing import replacing

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.data.spec import ImageSpec

TOLERANCE = 1e-4  # the largest difference between two probabilities that rounding may explain
LATENCY_RUNS = 300
AGAIN = 5
SIDE_BY_SIDE = 5  # rounds, in which the networks of a front take turns
Floats = npt.NDArray[np.float32]


def export_onnx(network: nn.Module, spec: ImageSpec, path: Path) -> None:
    """Write `network` (uint8 images -> logits) with a softmax as ONNX to `path`, complete or not at all.

    Our own networks are written module by module in milliseconds, others traced by torch's exporter (some 8 s).
    """
    from seedleaf.learners.graph import write

    model = write(network.eval(), spec)
    if model is None:
        model = traced(network, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(model.SerializeToString())


def traced(network: nn.Module, spec: ImageSpec) -> Any:
    """The ONNX model that torch's exporter makes of any network (uint8 images -> logits) with a softmax."""
    import torch
    from torch import nn

    from seedleaf.learners.bare import bare
    from seedleaf.learners.fold import folded

    delivered = nn.Sequential(folded(network), nn.Softmax(1)).eval()
    example = torch.zeros((2, spec.height, spec.width, spec.channels), dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode(False):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            delivered,
            (example,),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return bare(program.model_proto)


def warm_up(config: Config, setup: Mapping[str, Any], scratch: str) -> None:
    """Pay for what the export imports, and for a first run of it, while another worker still trains."""
    from seedleaf.learners.base import learner_of
    from seedleaf.learners.images import open_source

    spec = open_source(setup).data.spec
    path = Path(scratch) / "warm-up.onnx"
    network = learner_of(setup).build(spec, config, None, None)
    export_onnx(network.eval(), spec, path)
    path.unlink()


def untrained_latency(
    config: Config, setup: Mapping[str, Any], scratch: str, at_most: float = math.inf
) -> dict[str, float]:
    """What `latency` says of the network of `config`, whose weights do not matter for it."""
    from seedleaf.learners.base import learner_of
    from seedleaf.learners.images import open_source

    spec = open_source(setup).data.spec
    path = Path(scratch) / "untrained.onnx"
    export_onnx(learner_of(setup).build(spec, config, None, None), spec, path)
    image = np.zeros((1, spec.height, spec.width, spec.channels), np.uint8)
    try:
        return latency(path, image, at_most)
    finally:
        path.unlink()


def deliver(
    config: Config, setup: Mapping[str, Any], checkpoint: str, out: str, max_latency: float = math.inf
) -> dict[str, Any]:
    """Export the network of `checkpoint` to `out`/model.onnx, check it against torch and measure it on the test part.

    Returns test accuracy with its 95 % interval, per-class accuracy, confusion, bytes, latency and the largest
    difference between ONNX Runtime's probabilities and torch's. RunError where that is more than rounding. A latency above
    `max_latency` (ms) is measured again: the machine may have been busy.
    """
    from seedleaf.learners.images import open_source
    from seedleaf.learners.trial import load_model

    data = open_source(setup).data
    spec = data.spec
    network = load_model(config, spec, Path(checkpoint), str(setup.get("learner", "convnet")))
    folder = Path(out)
    export_onnx(network, spec, folder / "model.onnx")
    write_signature(folder, spec, config)
    save_weights(network, folder)
    predictor = Predictor.open(folder)
    sample = np.asarray(data.x_test[:64])
    difference = float(np.abs(predictor.probabilities(sample) - _torch_probabilities(network, sample)).max())
    if not difference <= TOLERANCE:
        raise RunError(
            f"the exported graph differs from the network by {difference:.2g}: it is not delivered"
        )
    x, y = data.x_test, np.asarray(data.y_test)
    predicted = predictor.probabilities(x).argmax(1)
    return {
        "test": accuracy_interval(predicted == y),
        "per_class": per_class(predicted, y, spec.class_names),
        "confusion": confusion(predicted, y, spec.n_classes),
        "bytes": (folder / "model.onnx").stat().st_size,
        "latency_ms": latency(folder / "model.onnx", sample[:1], max_latency),
        "onnx_max_difference": difference,
    }


def save_weights(network: nn.Module, folder: Path) -> None:
    """`weights.pt`: what a later compression starts from. Plain tensors, read without running code."""
    from seedleaf.train import checkpoint

    checkpoint.save(folder / "weights.pt", {"model": network.state_dict()})


def write_signature(
    folder: Path, spec: ImageSpec, config: Config, more: Mapping[str, Any] | None = None
) -> None:
    """`config.json`: all that is needed to use the model beside the graph, and what `more` holds."""
    body = {
        "config": config,
        "input": {"name": "images", "shape": ["N", spec.height, spec.width, spec.channels], "dtype": "uint8"},
        # The value that is white, of integers wider than 8 bits and of decimals: images are scaled by it before the graph.
        "scale": None if spec.scale is None else spec.scale.to_json(),
        "output": {"name": "probabilities", "shape": ["N", spec.n_classes], "dtype": "float32"},
        "classes": list(spec.class_names),
        "data": spec.name,
        **(more or {}),
    }
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def compare_on_test(
    winner: Config, winner_folder: str, other: Config, other_folder: str, setup: Mapping[str, Any]
) -> dict[str, float]:
    """How much more accurate one trained trial is than another on the test part: {"gain", "se"}, paired by image."""
    from seedleaf.learners.images import open_source
    from seedleaf.learners.trial import measure_test

    y = np.asarray(open_source(setup).data.y_test)
    right = measure_test(winner, Path(winner_folder), setup).argmax(1) == y
    other_right = measure_test(other, Path(other_folder), setup).argmax(1) == y
    difference = right.astype(float) - other_right.astype(float)
    return {"gain": float(difference.mean()), "se": float(difference.std(ddof=1) / np.sqrt(len(y)))}


def latency(path: Path, image: npt.NDArray[np.uint8], at_most: float = math.inf) -> dict[str, float]:
    """Milliseconds for one image in ONNX Runtime on one thread, warm: median and p90.

    While the median is above `at_most` it is measured again, up to AGAIN times: what else runs can only make it longer.
    """
    session = open_session(path)
    found = _timed(session, image)
    for _ in range(AGAIN):
        if found["median"] <= at_most:
            break
        found = min(found, _timed(session, image), key=lambda told: told["median"])
    return found


def side_by_side(folders: Sequence[str], setup: Mapping[str, Any], rounds: int) -> list[dict[str, float]]:
    """What `latency` says of the networks delivered in `folders`, each the least of up to SIDE_BY_SIDE `rounds` in turns."""
    from seedleaf.learners.images import open_source

    spec = open_source(setup).data.spec
    image = np.zeros((1, spec.height, spec.width, spec.channels), np.uint8)
    sessions = [open_session(Path(folder) / "model.onnx") for folder in folders]
    found = [
        [_timed(session, image) for session in sessions] for _ in range(min(max(rounds, 1), SIDE_BY_SIDE))
    ]
    return [min(told, key=lambda one: one["median"]) for told in zip(*found, strict=True)]


def _timed(session: Any, image: npt.NDArray[np.uint8]) -> dict[str, float]:
    feed = {session.get_inputs()[0].name: np.ascontiguousarray(image)}
    times = []
    for _ in range(LATENCY_RUNS):
        begun = time.perf_counter()
        session.run(None, feed)
        times.append(1000 * (time.perf_counter() - begun))
    warm = times[LATENCY_RUNS // 6 :]
    return {"median": float(np.median(warm)), "p90": float(np.quantile(warm, 0.9))}


def _torch_probabilities(network: nn.Module, images: npt.NDArray[np.uint8]) -> Floats:
    import torch

    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(images.copy())).softmax(1).numpy())
