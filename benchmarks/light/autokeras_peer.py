"""AutoKeras on the rows of search.py, in an environment of its own: autokeras 3.0, "keras<3.7", "tensorflow-cpu<2.19".

    VENV/bin/python benchmarks/light/autokeras_peer.py ROWS.npz --size 50000 --seconds 480 [--seed 0] [--out rows.jsonl]

ROWS.npz holds x_train, y_train, x_test and y_test, as search.py writes it with `--rows-to`. AutoKeras has no limit on time:
its search is ended after so many seconds (between two batches of training), and the best that it holds by then is judged:
where no trial is complete, the best epoch of one that is not. Its `max_model_size` counts trainable weights, the row all.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import autokeras
import keras
import numpy as np
from keras_tuner.errors import FatalError


class OverError(FatalError):  # type: ignore[misc]
    """The time is over. Of all errors the tuner hands on only this kind; others are a trial's failure to it."""


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends everything when the time is over, in the middle of an epoch."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.end = end

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.time() > self.end:
            raise OverError

    def __deepcopy__(self, memo: dict[int, Any]) -> Clock:  # the tuner copies callbacks for each trial
        return Clock(self.end)


def searcher(given: argparse.Namespace, folder: str) -> Any:
    """The task as it comes, or its plain convolutions alone, as the first begins with a ResNet50 and ends where that is too
    large."""
    options = {
        "max_trials": 1000,
        "directory": folder,
        "max_model_size": given.size,
        "seed": given.seed,
        "overwrite": True,
    }
    if not given.vanilla:
        return autokeras.ImageClassifier(**options)
    seen = autokeras.ImageInput()
    blocks = autokeras.ImageBlock(block_type="vanilla", augment=False)(seen)
    return autokeras.AutoModel(inputs=seen, outputs=autokeras.ClassificationHead()(blocks), **options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path)
    parser.add_argument("--size", type=int, required=True, help="most parameters")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--vanilla", action="store_true", help="plain convolutions alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    begun = time.time()
    with np.load(given.rows) as rows:
        x, y, x_test, y_test = (rows[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    if x.ndim == 3:
        x, x_test = x[..., None], x_test[..., None]
    with tempfile.TemporaryDirectory() as folder:
        search = searcher(given, folder)
        why = ""
        try:
            search.fit(x, y, validation_split=0.2, callbacks=[Clock(begun + given.seconds)], verbose=0)
        except OverError:
            why = "the time was over"
        except Exception as error:  # whatever it raises is its row
            why = f"{type(error).__name__}: {str(error)[:200]}"
        trials = list(search.tuner.oracle.trials.values())
        states: dict[str, int] = {}
        for trial in trials:
            states[str(trial.status)] = states.get(str(trial.status), 0) + 1
        row: dict[str, Any] = {
            "method": "autokeras vanilla" if given.vanilla else "autokeras",
            "size": given.size,
            "seed": given.seed,
            "trials": states,
            "ended": why,
        }
        row["wall"] = time.time() - begun
        try:
            row["complete"] = search.tuner.oracle.get_best_trials(1)[0].status == "COMPLETED"
            model = search.tuner.get_best_models(1)[0]
            answers = np.concatenate([model.predict(part, verbose=0) for part in np.array_split(x_test, 20)])
            row |= {
                "accuracy": float((answers.argmax(1) == y_test).mean()),
                "params": int(model.count_params()),
            }
        except Exception as error:
            row["failed"] = f"{type(error).__name__}: {str(error)[:200]}"
    print(json.dumps(row))
    if given.out:
        with given.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
